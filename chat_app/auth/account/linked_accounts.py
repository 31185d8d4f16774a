"""Linked accounts of identity providers: listing, linking and unlinking.

Linking needs a signed-in user with a fresh session; the email plays no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app import audit
from chat_app.auth.account.login_methods import new_account, require_login_method
from chat_app.auth.errors import AccessDenied, AccountTaken
from chat_app.auth.one_time_tokens import revoke_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.identity import VerifiedIdentity, has_claim
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import Account
from chat_app.settings import Settings

_HAS_PROVIDER = col(Account.provider) != ""
"""Accounts of identity providers, without password and magic link."""


@dataclass(frozen=True, slots=True)
class LinkedAccounts:
    """Lists and changes a user's linked accounts.

    Args:
        db: Stores accounts.
        bus: Receives a signal after every change.
        sessions: Revokes sessions of an unlinked provider.
        settings: The claims that a provider requires.
        clock: The time.
    """

    db: Database
    bus: Bus
    sessions: SessionService
    settings: Settings
    clock: Clock

    async def list(self, principal: Principal) -> Sequence[Account]:
        """The user's linked accounts, the oldest first."""
        async with self.db.system("auth") as session:
            rows = await session.exec(
                select(Account)
                .where(col(Account.user_id) == principal.user_id, _HAS_PROVIDER)
                .order_by(col(Account.created_at), col(Account.id))
            )
            return rows.all()

    async def link(self, principal: Principal, identity: VerifiedIdentity) -> None:
        """Link a verified identity; idempotent.

        Raises:
            AccessDenied: It lacks the claim that the provider requires for sign-in.
            AccountTaken: It is linked to another user.
        """
        for provider in self.settings.identity_providers:
            if provider.id == identity.provider and not has_claim(provider.require, identity):
                raise AccessDenied
        try:
            async with self.db.system("auth", write=True) as session:
                found = await session.exec(
                    select(Account.user_id).where(
                        Account.issuer == identity.issuer, Account.subject == identity.subject
                    )
                )
                owner = found.first()
                if owner is None:
                    session.add(new_account(principal.user_id, identity, self.clock()))
                    await session.flush()
                    await audit.append(
                        session,
                        "login_method_added",
                        actor=principal,
                        details={"provider": identity.provider},
                        clock=self.clock,
                    )
                elif owner != principal.user_id:
                    raise AccountTaken
        except IntegrityError:  # linked concurrently
            raise AccountTaken from None
        self._publish(principal)

    async def unlink(self, principal: Principal, account_id: UUID) -> None:
        """Unlink an account and revoke the other sessions of its provider.

        Pending two-factor challenges become invalid, whichever login method started them.

        Raises:
            NotFound: The user has no such account.
            LastLoginMethod: It is the only login method.
        """
        async with self.db.system("auth", write=True) as session:
            deleted = await session.exec(
                delete(Account)
                .where(
                    col(Account.id) == account_id,
                    col(Account.user_id) == principal.user_id,
                    _HAS_PROVIDER,
                )
                .returning(col(Account.provider))
            )
            provider = deleted.scalar_one_or_none()
            if provider is None:
                raise NotFound
            await require_login_method(session, principal.user_id)
            await revoke_tokens(session, principal.user_id, "second_factor")
            await self.sessions.revoke_all(
                session,
                principal.user_id,
                reason="disconnected",
                keep=principal.credential_id,
                provider=provider,
            )
            await audit.append(
                session,
                "login_method_removed",
                actor=principal,
                details={"provider": provider},
                clock=self.clock,
            )
        self._publish(principal)

    def _publish(self, principal: Principal) -> None:
        self.bus.publish(user_topic(principal.user_id), Signal("user"))
