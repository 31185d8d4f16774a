"""Accounts elsewhere that somebody has connected: seeing them, adding one, taking one away.

Connecting needs somebody who is signed in and said so lately; an e-mail address plays no part.
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
"""Why the sessions ended that came in by what is connected no more."""

_ELSEWHERE = col(Account.provider) != ""
"""Not a password and not a mailbox: those have pages of their own."""


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """An account elsewhere that opens this one.

    Args:
        id: Its row.
        provider: The provider's id in the settings, which may have gone from there.
        issuer: Who vouches.
        email: The address there, when it was connected; empty when none was said.
        name: What the person is called there.
        created_at: When it was connected.
        last_used_at: When it last let somebody in.
    """

    id: UUID
    provider: str
    issuer: str
    email: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class LinkedAccounts:
    """Reads and changes what is connected to a person.

    Args:
        db: Where accounts are kept.
        bus: Told of every change.
        sessions: Ends what came in by what is taken away.
        settings: What a provider's people must have.
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
        """What is connected, the oldest first."""
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(Account)
                .where(col(Account.user_id) == principal.user_id, _ELSEWHERE)
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
        """Connect what somebody has proved to have; once is enough.

        Raises:
            AccessDenied: The provider's people must have something that this one has not, so it
                would never let them in.
            AccountTaken: It is connected to somebody else.
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
        except IntegrityError:  # another worker was quicker
            raise AccountTaken from None
        self._tell(principal)

    async def unlink(self, principal: Principal, connection_id: UUID) -> None:
        """Take a connection away, and end what that provider let in, but for this session.

        Whoever is asked for the second factor now, however they came, must begin again.

        Raises:
            NotFound: It is not theirs, or there is none.
            LastWayIn: They could not come in again.
        """
        async with self._db.system("auth", write=True) as session:
            gone = await session.exec(
                delete(Account)
                .where(
                    col(Account.id) == connection_id,
                    col(Account.user_id) == principal.user_id,
                    _ELSEWHERE,
                )
                .returning(col(Account.provider))
            )
            provider = gone.scalar_one_or_none()
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
        self._tell(principal)

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

    def _tell(self, principal: Principal) -> None:
        self._bus.publish(user_topic(principal.user_id), Signal("person"))
