"""The invitations of a user's verified email, which they answer without the links."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.account.memberships import open_invitation
from chat_app.auth.principal import Principal, Role
from chat_app.core.clock import Clock
from chat_app.core.errors import NotFound
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Invitation, Organisation, User
from chat_app.orgs.events import record
from chat_app.orgs.invitations import (
    EmailNotVerified,
    end_invitation,
    join_again,
    join_by,
)
from chat_app.orgs.roles import checked_role


@dataclass(frozen=True, slots=True)
class ReceivedInvitation:
    """An invitation as its recipient sees it.

    Args:
        organisation: The name of the organisation, as a user has typed it.
        invited_by: The email of who invited; None if the account is gone.
    """

    id: UUID
    organisation: str
    role: Role
    invited_by: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ReceivedInvitations:
    """Lets users accept and decline the invitations of their verified email.

    Args:
        db: The database.
        bus: Receives a signal for each user who joins.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    clock: Clock

    async def of(self, principal: Principal) -> list[ReceivedInvitation]:
        """The open invitations of the user's verified email, the newest first."""
        inviter, recipient = aliased(User), aliased(User)
        async with self.db.system("organisations") as session:
            rows = await session.exec(
                select(Invitation, Organisation.name, inviter.email)
                .join(Organisation, col(Organisation.id) == col(Invitation.org_id))
                .join(recipient, col(recipient.email) == col(Invitation.email))
                .outerjoin(inviter, col(inviter.id) == col(Invitation.invited_by))
                .where(
                    col(recipient.id) == principal.user_id,
                    col(recipient.email_verified_at).is_not(None),
                    *open_invitation(self.clock()),
                )
                .order_by(col(Invitation.created_at).desc(), col(Invitation.id))
            )
            return [
                ReceivedInvitation(
                    *(row.id, name, checked_role(row.role), invited_by), expires_at=row.expires_at
                )
                for row, name, invited_by in rows.all()
            ]

    async def accept(self, principal: Principal, invitation_id: UUID) -> UUID:
        """Join the organisation of an invitation of the user's verified email, without its link.

        Idempotent, as `Invitations.accept`.

        Returns:
            The id of the organisation.

        Raises:
            EmailNotVerified: The user's email is not verified.
            NotFound: The email has no such invitation.
            Conflict: The user is a member already, or belongs to too many organisations.
        """
        async with self._write() as session:
            mine, now = await self._is_received(session, principal, invitation_id), self.clock()
            used = await end_invitation(session, mine, accepted_at=now)
            if used is None:
                joined = await join_again(session, principal, col(Invitation.id) == invitation_id)
                if joined is None:
                    raise NotFound
                return joined
            await join_by(session, self.bus, principal, used, now)
        return used.org_id

    async def decline(self, principal: Principal, invitation_id: UUID) -> None:
        """Revoke an invitation of the user's verified email; its link works no longer.

        Raises:
            EmailNotVerified: The user's email is not verified.
            NotFound: The email has no such invitation.
        """
        async with self._write() as session:
            mine = await self._is_received(session, principal, invitation_id)
            used = await end_invitation(session, mine, revoked_at=self.clock())
            if used is None:
                raise NotFound
            await record(
                *(session, "invitation_declined", principal, used.org_id),
                subject=audit.Subject("invitation", invitation_id),
            )

    async def _is_received(
        self, session: SystemSession, principal: Principal, invitation_id: UUID
    ) -> tuple[ColumnElement[bool], ...]:
        """The conditions of an invitation of the user's verified email.

        Raises:
            EmailNotVerified: The user's email is not verified.
        """
        user = await session.require(User, principal.user_id)
        if user.email_verified_at is None:
            raise EmailNotVerified
        is_mine = col(Invitation.id) == invitation_id, col(Invitation.email) == user.email
        return *is_mine, *open_invitation(self.clock())

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)
