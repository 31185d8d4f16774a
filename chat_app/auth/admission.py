"""The one way to a session: however somebody proved who they are, it ends here.

Rules, allow-lists, the operator's own function, the second factor: each has one place, so a new
way in has none of its own to forget.
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select, update

from chat_app.auth.hooks import Attempt, OnSignIn, allows, load
from chat_app.auth.names import shortened
from chat_app.auth.proof import Admitted, Browser, Challenged, Proof
from chat_app.auth.refusals import AccessDenied
from chat_app.auth.rules import (
    Create,
    Decision,
    KnownUser,
    SignInAs,
    TakeOver,
    decide,
    domain_of,
    has_claim,
)
from chat_app.auth.sessions import Sessions
from chat_app.auth.take_over import REASON, take_over
from chat_app.auth.tokens import OneTimeTokens, Spent
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.system import SystemSession
from chat_app.db.tables import Account, RememberedDevice, Totp, User
from chat_app.errors import Conflict, Unauthenticated
from chat_app.settings import Settings, SignInProvider

CHALLENGE_LASTS = timedelta(minutes=10)
"""How long somebody may take for the second factor."""

_TRIES = 3  # another sign-in of the same stranger may come between looking and writing


class Admission:
    """Lets people in.

    Args:
        db: Where people and their accounts are kept.
        sessions: Issues and ends sessions.
        tokens: Holds what was proved while the second factor is asked for.
        settings: Who may come in.
        clock: The time.
        hook: Asked before every sign-in; None for the one that the settings name.

    Raises:
        WrongSettings: The settings name a function that is not there.
    """

    def __init__(
        self,
        db: Database,
        sessions: Sessions,
        tokens: OneTimeTokens,
        settings: Settings,
        clock: Clock,
        hook: OnSignIn | None = None,
    ) -> None:
        self._db = db
        self._sessions = sessions
        self._tokens = tokens
        self._settings = settings
        self._clock = clock
        self._hook = hook or load(settings.auth_on_sign_in, "AUTH_ON_SIGN_IN")
        self._providers = {one.id: one for one in settings.sign_in_providers}

    async def check(self, proof: Proof) -> Decision:
        """Whether a proof would be let in, and as whom. Nothing is written.

        Ask before a letter is sent or a row is made, with the proof that would come of it.

        Raises:
            AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed: See `rules.decide`;
                `AccessDenied` also when an allow-list or the operator's function says no.
        """
        async with self._db.system("auth") as session:
            decision = await self._decide(session, proof)
        user = None if isinstance(decision, Create) else decision.user
        self._check_lists(proof, user)
        attempt = Attempt(
            method=proof.method,
            provider=proof.provider,
            email=user.email if user else proof.email,
            email_verified=proof.email_verified or (user is not None and user.is_verified),
            name=proof.name,
            user_id=user.user_id if user else None,
            is_new=user is None,
            claims=proof.claims,
        )
        if not await allows(self._hook, attempt):
            raise AccessDenied
        return decision

    async def admit(self, proof: Proof, browser: Browser) -> Admitted | Challenged:
        """Let somebody in, or ask for their second factor.

        Args:
            proof: What they proved.
            browser: Where.

        Raises:
            AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed: As in `check`.
        """
        for _ in range(_TRIES):
            decision = await self.check(proof)
            user_id, ended = None, []
            async with self._db.system("auth", write=True) as session:
                if await self._decide(session, proof) == decision:
                    user_id, ended = await self._open(session, proof, decision)
            self._sessions.tell(ended, REASON)
            if user_id is not None:
                break
        else:
            raise Conflict("Somebody else signs in with this account now; try again.")
        if await self._needs_second_factor(user_id, proof, browser):
            aside = {
                "method": proof.method,
                "provider": proof.provider,
                "remember": browser.remember,
                "claims": dict(proof.claims),
            }
            token = await self._tokens.make(
                "second_factor", lasts=CHALLENGE_LASTS, user_id=user_id, data=aside
            )
            return Challenged(token, CHALLENGE_LASTS)
        return await self._issue(
            user_id,
            browser,
            method=proof.method,
            provider=proof.provider,
            remember=browser.remember,
            claims=dict(proof.claims),
            second_factor=proof.is_strong,
        )

    async def finish(self, challenge: Spent, browser: Browser) -> Admitted:
        """Let somebody in who has shown the second factor.

        Args:
            challenge: The token of the first half, used up.
            browser: Where; what they asked to be remembered was said in the first half.

        Raises:
            AccessDenied: They were disabled or removed meanwhile.
        """
        if challenge.purpose != "second_factor" or challenge.user_id is None:
            raise AccessDenied
        aside = challenge.data
        return await self._issue(
            challenge.user_id,
            browser,
            method=aside["method"],
            provider=aside["provider"],
            remember=aside["remember"],
            claims=aside["claims"],
            second_factor=True,
        )

    async def _issue(
        self, user_id: UUID, browser: Browser, *, remember: bool, **said: Any
    ) -> Admitted:
        try:
            issued = await self._sessions.issue(
                user_id,
                remember=remember,
                address=browser.address,
                user_agent=browser.user_agent,
                replaces=browser.replaces,
                **said,
            )
        except Unauthenticated:
            raise AccessDenied from None
        return Admitted(issued, user_id)

    async def _decide(self, session: SystemSession, proof: Proof) -> Decision:
        owner = await _first(session, select(User).where(col(User.id) == proof.user_id))
        if proof.user_id is None:
            owner = await _first(
                session,
                select(User)
                .join(Account, col(Account.user_id) == col(User.id))
                .where(Account.issuer == proof.issuer, Account.subject == proof.subject),
            )
        elif owner is None:
            raise AccessDenied
        # Asked for whatever came before: the work must not tell whom we know.
        holder = await _first(session, select(User).where(col(User.email) == (proof.email or None)))
        return decide(
            proof,
            owner,
            holder,
            may_create=self._may_create(proof),
            may_take_over=self._settings.auth_unverified_accounts == "take_over",
        )

    def _may_create(self, proof: Proof) -> bool:
        # Whoever an allow-list names is no stranger; `_check_lists` has the last word.
        provider = self._provider(proof)
        invited = provider is not None and (provider.sign_up or bool(provider.require))
        named = proof.email_verified and bool(self._settings.auth_allowed_domains)
        return self._settings.sign_up_is_open or invited or named

    def _check_lists(self, proof: Proof, user: KnownUser | None) -> None:
        domains = self._settings.auth_allowed_domains
        if domains:
            if user is None and not proof.email_verified:
                raise AccessDenied  # anybody can write any address
            if domain_of(user.email if user else proof.email) not in domains:
                raise AccessDenied
        provider = self._provider(proof)
        if provider is not None and not has_claim(provider.require, proof):
            raise AccessDenied

    def _provider(self, proof: Proof) -> SignInProvider | None:
        return self._providers.get(proof.provider)

    async def _open(
        self, session: SystemSession, proof: Proof, decision: Decision
    ) -> tuple[UUID, Iterable[UUID]]:
        """Make the decision true; the sessions that ended by it are told of after the commit."""
        now = self._clock()
        if isinstance(decision, SignInAs):
            user = decision.user
            await session.exec(
                update(Account)
                .where(col(Account.issuer) == proof.issuer, col(Account.subject) == proof.subject)
                .values(last_used_at=now)
            )
            if proof.email_verified and proof.email == user.email and not user.is_verified:
                await session.exec(
                    update(User).where(col(User.id) == user.user_id).values(email_verified_at=now)
                )
            return user.user_id, []
        ended: Iterable[UUID] = ()
        if isinstance(decision, TakeOver):
            user_id = decision.user.user_id
            ended = await take_over(session, self._sessions, user_id, now)
        else:
            verified_at = now if proof.email_verified else None
            new = User(
                email=proof.email,
                name=shortened(proof.name),
                created_at=now,
                email_verified_at=verified_at,
            )
            session.add(new)
            await session.flush()
            user_id = new.id
        session.add(
            Account(
                user_id=user_id,
                issuer=proof.issuer,
                subject=proof.subject,
                provider=proof.provider,
                email=proof.email,
                name=shortened(proof.name),
                created_at=now,
                last_used_at=now,
            )
        )
        await session.flush()
        return user_id, ended

    async def _needs_second_factor(self, user_id: UUID, proof: Proof, browser: Browser) -> bool:
        if proof.is_strong:
            return False
        async with self._db.system("auth") as session:
            factor = await session.get(Totp, user_id)
            if factor is None or factor.confirmed_at is None:
                return False
            known = await session.exec(
                select(RememberedDevice.id).where(
                    col(RememberedDevice.user_id) == user_id,
                    col(RememberedDevice.token_hash) == device_hash(browser.device or ""),
                    col(RememberedDevice.expires_at) > self._clock(),
                )
            )
            return known.first() is None


def device_hash(token: str) -> str:
    """What is kept of a remembered browser's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def _first(session: SystemSession, statement: Any) -> KnownUser | None:
    user = (await session.exec(statement)).first()
    if user is None:
        return None
    return KnownUser(
        user.id, user.email, user.email_verified_at is not None, user.disabled_at is not None
    )
