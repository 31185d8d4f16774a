"""Linked accounts of identity providers: listing, linking and unlinking.

Linking needs a signed-in user with a fresh session; the email plays no part.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from chat_app.auth.account.login_methods import require_login_method
from chat_app.auth.account.profile import truncate_display_name
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

DISCONNECTED = "disconnected"
"""The reason for which unlinking revokes the provider's sessions."""

_HAS_PROVIDER = col(Account.provider) != ""
"""Accounts of identity providers, without password and magic link."""


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """A linked account.

    Args:
        id: Its row.
        provider: The identity provider's id, which the settings may no longer have.
        issuer: The provider's issuer.
        email: The provider's email when it was linked; may be empty.
        name: The provider's display name.
        created_at: When it was linked.
        last_used_at: The last sign-in with it.
    """

    id: UUID
    provider: str
    issuer: str
    email: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class LinkedAccounts:
    """Lists and changes a user's linked accounts.

    Args:
        db: Stores accounts.
        bus: Receives a signal after every change.
        sessions: Revokes sessions of an unlinked provider.
        settings: The claims that a provider requires.
        clock: The time.
    """

    def __init__(
        self, db: Database, bus: Bus, sessions: SessionService, settings: Settings, clock: Clock
    ) -> None:
        self._db = db
        self._bus = bus
        self._sessions = sessions
        self._clock = clock
        self._required = {one.id: one.require for one in settings.identity_providers}

    async def list(self, principal: Principal) -> list[LinkedAccount]:
        """The user's linked accounts, the oldest first."""
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(Account)
                .where(col(Account.user_id) == principal.user_id, _HAS_PROVIDER)
                .order_by(col(Account.created_at), col(Account.id))
            )
            return [
                LinkedAccount(
                    id=row.id,
                    provider=row.provider,
                    issuer=row.issuer,
                    email=row.email,
                    name=row.name,
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                )
                for row in rows.all()
            ]

    async def link(self, principal: Principal, identity: VerifiedIdentity) -> None:
        """Link a verified identity; idempotent.

        Raises:
            AccessDenied: It lacks the claim that the provider requires for sign-in.
            AccountTaken: It is linked to another user.
        """
        if not has_claim(self._required.get(identity.provider, ""), identity):
            raise AccessDenied
        try:
            async with self._db.system("auth", write=True) as session:
                found = await session.exec(
                    select(Account.user_id).where(
                        Account.issuer == identity.issuer, Account.subject == identity.subject
                    )
                )
                owner = found.first()
                if owner is None:
                    session.add(self._row(principal, identity))
                    await session.flush()
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
        async with self._db.system("auth", write=True) as session:
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
            ended = await self._sessions.revoke_all(
                session,
                principal.user_id,
                reason=DISCONNECTED,
                keep=principal.credential_id,
                provider=provider,
            )
        self._sessions.publish_revoked(ended, DISCONNECTED)
        self._publish(principal)

    def _row(self, principal: Principal, identity: VerifiedIdentity) -> Account:
        return Account(
            user_id=principal.user_id,
            issuer=identity.issuer,
            subject=identity.subject,
            provider=identity.provider,
            email=identity.email,
            name=truncate_display_name(identity.name),
            created_at=self._clock(),
        )

    def _publish(self, principal: Principal) -> None:
        self._bus.publish(user_topic(principal.user_id), Signal("person"))
