"""The sign-in service: every login method ends here, and only here a session is issued.

Account rules, allow-lists, the operator's hook and the second factor each have one place, so a new
login method cannot forget one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select, update

from chat_app import audit
from chat_app.auth.account.login_methods import claim_unverified_account, new_account
from chat_app.auth.account.profile import truncate_display_name
from chat_app.auth.errors import AccessDenied, EmailTaken, SignUpClosed, SignUpRefused
from chat_app.auth.one_time_tokens import ConsumedToken, OneTimeTokens
from chat_app.auth.operator_hooks import OnSignIn, SignInAttempt, allows, load_function
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.identity import (
    Browser,
    Decision,
    ExistingUser,
    MfaRequired,
    SignedIn,
    VerifiedIdentity,
    domain_of,
    has_claim,
    resolve_account,
)
from chat_app.auth.sign_in.policy import SignUpPolicies
from chat_app.auth.two_factor import confirmed_totp
from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token
from chat_app.core.errors import Conflict, Unauthenticated
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Account, RememberedDevice, User
from chat_app.settings import Settings
from chat_app.settings.identity_providers import IdentityProvider

MFA_LIFETIME = timedelta(minutes=10)
"""How long a two-factor challenge is valid."""

Step = Callable[[SystemSession], Awaitable[object]]
"""What else is done in the transaction of a sign-in."""

_MAX_TRIES = 3  # a concurrent sign-in of the same identity may change the decision


@dataclass(slots=True)
class SignInService:
    """Signs users in.

    Args:
        db: Stores users and accounts.
        sessions: Issues and revokes sessions.
        tokens: Stores two-factor challenges.
        settings: The sign-in rules.
        policies: Who may create an account.
        clock: The time.
        hook: Asked before every sign-in; None for the one that the settings name.

    Raises:
        ConfigError: The settings name a function that does not exist.
    """

    db: Database
    sessions: SessionService
    tokens: OneTimeTokens
    settings: Settings
    policies: SignUpPolicies
    clock: Clock
    hook: OnSignIn | None = None

    def __post_init__(self) -> None:
        self.hook = self.hook or load_function(self.settings.auth_on_sign_in, "AUTH_ON_SIGN_IN")

    async def check(self, identity: VerifiedIdentity) -> Decision:
        """Whether an identity may sign in, and as which user. Nothing is written.

        Called before an email is sent or a row is written, with the identity that would result.

        Raises:
            AccountNotLinked, EmailRequired: See `resolve_account`.
            SignUpClosed, SignUpRefused: See `SignUpPolicies.require`.
            AccessDenied: Disabled, not on an allow-list, or refused by the operator's hook.
        """
        async with self.db.system("auth") as session:
            decision = await self._decide(session, identity)
        user = decision.user
        self._check_lists(identity, user)
        attempt = SignInAttempt(
            method=identity.method,
            provider=identity.provider,
            email=user.email if user else identity.email,
            email_verified=identity.email_verified or (user is not None and user.is_verified),
            name=identity.name,
            user_id=user.user_id if user else None,
            is_new=user is None,
            claims=identity.claims,
        )
        if not await allows(self.hook, attempt):
            raise AccessDenied
        return decision

    async def sign_in(
        self, identity: VerifiedIdentity, browser: Browser, consume: Step | None = None
    ) -> SignedIn | MfaRequired:
        """Issue a session, or a two-factor challenge.

        Args:
            identity: The verified identity.
            browser: The client.
            consume: Uses up what verified the identity, in the transaction of the session; what
                it raises refuses the sign-in.

        Raises:
            AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed, SignUpRefused: As in
                `check`.
        """
        for _ in range(_MAX_TRIES):
            decision = await self.check(identity)
            async with self.db.system("auth", write=True) as session:
                if await self._decide(session, identity) == decision:
                    if consume is not None:
                        await consume(session)
                    return await self._enter(session, identity, decision, browser)
        raise Conflict("Another sign-in to this account is in progress. Try again.")

    async def sign_up(
        self, identity: VerifiedIdentity, browser: Browser, create: Step
    ) -> SignedIn | MfaRequired:
        """Create a user and issue their session, in one transaction.

        Args:
            identity: The verified identity.
            browser: The client.
            create: Adds the user, and uses up what verified the identity.

        Raises:
            EmailTaken: There is a user already.
            AccessDenied, AccountNotLinked, SignUpClosed, SignUpRefused: As in `check`.
        """
        if (await self.check(identity)).user is not None:
            raise EmailTaken
        async with self.db.system("auth", write=True) as session:
            await self.policies.require(session, identity, lock=True)
            await create(session)
            decision = await self._decide(session, identity)
            return await self._enter(session, identity, decision, browser)

    async def finish(self, challenge: ConsumedToken, browser: Browser) -> SignedIn:
        """Issue the session of a sign-in whose second factor was checked.

        Args:
            challenge: The consumed challenge.
            browser: The client; `remember` comes from the challenge.

        Raises:
            AccessDenied: The user was disabled or deleted meanwhile.
        """
        if challenge.purpose != "second_factor" or challenge.user_id is None:
            raise AccessDenied
        async with self.db.system("auth", write=True) as session:
            return await self._issue(
                *(session, challenge.user_id, browser, challenge.data), second_factor=True
            )

    async def _enter(
        self,
        session: SystemSession,
        identity: VerifiedIdentity,
        decision: Decision,
        browser: Browser,
    ) -> SignedIn | MfaRequired:
        user_id = await self._apply(session, identity, decision)
        details = {
            "method": identity.method,
            "provider": identity.provider,
            "remember": browser.remember,
            "claims": dict(identity.claims),
        }
        if await self._needs_second_factor(session, user_id, identity, browser):
            token = await self.tokens.create_in(
                *(session, "second_factor"), lifetime=MFA_LIFETIME, user_id=user_id, data=details
            )
            return MfaRequired(token, MFA_LIFETIME)
        return await self._issue(
            *(session, user_id, browser, details), second_factor=identity.is_strong
        )

    async def _issue(
        self,
        session: SystemSession,
        user_id: UUID,
        browser: Browser,
        details: Mapping[str, Any],
        *,
        second_factor: bool,
    ) -> SignedIn:
        try:
            issued = await self.sessions.issue(
                session,
                user_id,
                client_ip=browser.client_ip,
                user_agent=browser.user_agent,
                replaces=browser.replaces,
                second_factor=second_factor,
                **details,
            )
        except Unauthenticated:
            raise AccessDenied from None
        return SignedIn(issued, user_id)

    async def _decide(self, session: SystemSession, identity: VerifiedIdentity) -> Decision:
        owner = await _first(session, select(User).where(col(User.id) == identity.user_id))
        if identity.user_id is None:
            owner = await _first(
                session,
                select(User)
                .join(Account, col(Account.user_id) == col(User.id))
                .where(Account.issuer == identity.issuer, Account.subject == identity.subject),
            )
        elif owner is None:
            raise AccessDenied
        # Always queried, so that the work does not reveal which users exist.
        email_owner = await _first(
            session, select(User).where(col(User.email) == (identity.email or None))
        )
        try:  # always asked, for the same reason
            await self.policies.require(session, identity)
        except (SignUpClosed, SignUpRefused) as error:
            refusal = error
        else:
            refusal = None
        return resolve_account(
            identity,
            owner,
            email_owner,
            refusal=refusal,
            may_claim=self.settings.auth_unverified_accounts == "take_over",
        )

    def _check_lists(self, identity: VerifiedIdentity, user: ExistingUser | None) -> None:
        domains = self.settings.auth_allowed_domains
        if domains:
            if user is None and not identity.email_verified:
                raise AccessDenied  # an unverified email can be anyone's
            if domain_of(user.email if user else identity.email) not in domains:
                raise AccessDenied
        provider = self._provider(identity)
        if provider is not None and not has_claim(provider.require, identity):
            raise AccessDenied

    def _provider(self, identity: VerifiedIdentity) -> IdentityProvider | None:
        providers = self.settings.identity_providers
        return next((one for one in providers if one.id == identity.provider), None)

    async def _apply(
        self, session: SystemSession, identity: VerifiedIdentity, decision: Decision
    ) -> UUID:
        """Apply the decision; returns the user."""
        now, user = self.clock(), decision.user
        if user is not None and not decision.claims_account:
            await session.exec(
                update(Account)
                .where(
                    col(Account.issuer) == identity.issuer, col(Account.subject) == identity.subject
                )
                .values(last_used_at=now)
            )
            if identity.email_verified and identity.email == user.email and not user.is_verified:
                await session.exec(
                    update(User).where(col(User.id) == user.user_id).values(email_verified_at=now)
                )
                await audit.append(session, "email_verified", actor=user.user_id, clock=self.clock)
            return user.user_id
        if user is not None:
            user_id = user.user_id
            await claim_unverified_account(session, self.sessions, user_id, now)
            await audit.append(
                session,
                "login_method_added",
                actor=user_id,
                details={"method": identity.method, "provider": identity.provider},
                clock=self.clock,
            )
        else:
            await self.policies.require(session, identity, lock=True)
            new = User(
                email=identity.email,
                name=truncate_display_name(identity.name),
                created_at=now,
                email_verified_at=now if identity.email_verified else None,
            )
            session.add(new)
            await session.flush()
            user_id = new.id
            await audit.append(session, "user_created", actor=user_id, clock=self.clock)
        account = new_account(user_id, identity, now)
        account.last_used_at = now
        session.add(account)
        await session.flush()
        return user_id

    async def _needs_second_factor(
        self,
        session: SystemSession,
        user_id: UUID,
        identity: VerifiedIdentity,
        browser: Browser,
    ) -> bool:
        if identity.is_strong or await confirmed_totp(session, user_id) is None:
            return False
        device = await session.exec(
            select(RememberedDevice.id).where(
                col(RememberedDevice.user_id) == user_id,
                col(RememberedDevice.token_hash) == hash_token(browser.device or ""),
                col(RememberedDevice.expires_at) > self.clock(),
            )
        )
        return device.first() is None


async def _first(session: SystemSession, statement: Any) -> ExistingUser | None:
    user = (await session.exec(statement)).first()
    if user is None:
        return None
    return ExistingUser(
        user.id, user.email, user.email_verified_at is not None, user.disabled_at is not None
    )
