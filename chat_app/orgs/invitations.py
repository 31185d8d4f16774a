"""Invitations: an email with a link, by which its recipient joins an organisation.

A link works once, for seven days, and only for a signed-in user whose verified email is the one
that was invited: who merely sees the link can do nothing with it.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, or_, select, update

from chat_app import audit
from chat_app.auth.account.memberships import publish_role
from chat_app.auth.errors import InvalidToken
from chat_app.auth.principal import Principal, Role
from chat_app.auth.sign_in.email_flows import INVITATION_LIFETIME, EmailLinkPreview, MailContext
from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token, new_token
from chat_app.core.errors import Conflict, Forbidden, NotFound
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Invitation, Membership, Organisation, User
from chat_app.orgs.events import record
from chat_app.orgs.organisations import require_room
from chat_app.orgs.roles import (
    RoleRequired,
    checked_role,
    is_at_least,
    lock_organisation,
    require_member,
)

MAX_OPEN = 200
"""How many invitations of an organisation may be open."""
KEPT = timedelta(days=30)
"""How long an invitation is kept that is accepted, revoked or expired."""
PURPOSE = "invitation"
"""How the token in a link begins."""

_MAX_LENGTH = 200  # characters of a token; ours have 43


class InvitationForAnother(Forbidden):
    """The invitation is for another email address."""

    code = "invitation_for_another"

    def __init__(self) -> None:
        super().__init__("This invitation is for another email address. Sign in with that one.")


class EmailNotVerified(Forbidden):
    """The user's email is not verified."""

    code = "email_not_verified"

    def __init__(self) -> None:
        super().__init__("Verify your email address in your account settings first.")


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation that was not accepted yet.

    Args:
        invited_by: Who invited; None if the account is gone.
        is_expired: Whether its link works no longer; it can be sent again.
    """

    id: UUID
    email: str
    role: Role
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Invitations:
    """Invites people to organisations, and lets them join.

    Args:
        db: The database.
        bus: Receives a signal for each user who joins.
        mail: Sends the links.
        clock: The time in rows.
    """

    db: Database
    bus: Bus
    mail: MailContext
    clock: Clock

    async def invite(
        self, principal: Principal, org_id: UUID, *, email: str, role: str, client_ip: str
    ) -> UUID:
        """Send an invitation.

        Args:
            principal: An admin, whose own role is at least the offered one.
            org_id: The organisation.
            email: As typed.
            role: What the recipient will be.
            client_ip: For the rate limits.

        Returns:
            The id of the invitation.

        Raises:
            NotFound: The user does not belong to the organisation.
            RoleRequired: Their role does not allow it.
            InvalidInput: There is no such role.
            MailUnavailable, InvalidEmail, AccessDenied: See `MailContext.recipient`.
            TooManyAttempts: Too many emails.
            Conflict: The recipient is a member, or invited already, or too many are.
        """
        offered = checked_role(role)
        async with self.db.system("organisations") as session:
            await _require_may_invite(session, principal, org_id, offered)
        recipient = self.mail.recipient(email)
        now, token = self.clock(), new_token()
        row = Invitation(
            token_hash=hash_token(token),
            org_id=org_id,
            email=recipient,
            role=offered,
            invited_by=principal.user_id,
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
        )
        async with self.mail.rate_limits.email(recipient, client_ip):
            try:
                async with self._write() as session:
                    _, own = await lock_organisation(session, principal, org_id, least="admin")
                    if not is_at_least(own, offered):
                        raise RoleRequired
                    await _require_no_member(session, org_id, recipient)
                    await _require_open_room(session, org_id)
                    session.add(row)
                    await session.flush()
                    await record(
                        *(session, "invitation_created", principal, org_id),
                        subject=audit.Subject("invitation", row.id),
                        details={"role": offered},
                    )
            except IntegrityError:
                raise Conflict("This address is invited already. Send it again instead.") from None
        self.mail.mailer.send(self.mail.templates.invitation(recipient, token))
        return row.id

    async def resend(
        self, principal: Principal, org_id: UUID, invitation_id: UUID, *, client_ip: str
    ) -> None:
        """Send an invitation again, with a new link; the one before works no longer.

        Args:
            principal: An admin, whose own role is at least the offered one.
            org_id: The organisation.
            invitation_id: The invitation.
            client_ip: For the rate limits.

        Raises:
            NotFound: The user does not belong to the organisation, or it has no such invitation.
            RoleRequired: Their role does not allow it.
            MailUnavailable: No email can be sent.
            TooManyAttempts: Too many emails.
        """
        self.mail.mailer.require_available()
        token = new_token()
        async with self.db.system("organisations") as session:
            await require_member(session, principal, org_id, least="admin")
            recipient = (await _open_invitation(session, org_id, invitation_id)).email
        async with self.mail.rate_limits.email(recipient, client_ip), self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            row = await _open_invitation(session, org_id, invitation_id)
            if not is_at_least(own, checked_role(row.role)):
                raise RoleRequired
            row.token_hash, row.expires_at = hash_token(token), self.clock() + INVITATION_LIFETIME
            row.invited_by = principal.user_id
            await record(
                *(session, "invitation_created", principal, org_id),
                subject=audit.Subject("invitation", row.id),
                details={"role": row.role},
            )
        self.mail.mailer.send(self.mail.templates.invitation(recipient, token))

    async def revoke(self, principal: Principal, org_id: UUID, invitation_id: UUID) -> None:
        """Revoke an invitation; its link works no longer.

        Raises:
            NotFound: The user does not belong to the organisation, or it has no such invitation.
            RoleRequired: Their role does not allow it.
        """
        async with self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            row = await _open_invitation(session, org_id, invitation_id)
            if not is_at_least(own, checked_role(row.role)):
                raise RoleRequired
            row.revoked_at = self.clock()
            await record(
                *(session, "invitation_revoked", principal, org_id),
                subject=audit.Subject("invitation", row.id),
            )

    async def open(self, principal: Principal, org_id: UUID) -> list[InvitationView]:
        """The invitations of an organisation that were not accepted, the newest first.

        Raises:
            NotFound: The user does not belong to it.
        """
        now = self.clock()
        async with self.db.system("organisations") as session:
            await require_member(session, principal, org_id)
            rows = await session.exec(
                select(Invitation)
                .where(col(Invitation.org_id) == org_id, *_is_open())
                .order_by(col(Invitation.created_at).desc(), col(Invitation.id))
            )
            return [
                InvitationView(
                    id=row.id,
                    email=row.email,
                    role=checked_role(row.role),
                    invited_by=row.invited_by,
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    is_expired=row.expires_at <= now,
                )
                for row in rows.all()
            ]

    async def preview(self, principal: Principal | None, token: str) -> EmailLinkPreview:
        """What a link would do; it stays valid.

        Args:
            principal: The signed-in user, if any.
            token: From the link.

        Raises:
            InvalidToken: It is used, revoked, expired or unknown.
        """
        async with self.db.system("organisations") as session:
            found = await session.exec(select(Invitation.email).where(*self._is_valid(token)))
            email = found.first()
            if email is None:
                raise InvalidToken
            user = None if principal is None else await session.get(User, principal.user_id)
        is_recipient = user is not None and user.email == email
        return EmailLinkPreview(email, "click" if is_recipient else "session", "")

    async def accept(self, principal: Principal, token: str) -> UUID:
        """Join the organisation of an invitation.

        Args:
            principal: The recipient.
            token: From the link.

        Returns:
            The id of the organisation.

        Raises:
            InvalidToken: It is used, revoked, expired or unknown.
            InvitationForAnother: The user has another email.
            EmailNotVerified: The user's email is not verified.
            Conflict: The user is a member already, or belongs to too many organisations.
        """
        now = self.clock()
        async with self._write() as session:
            user = await session.get(User, principal.user_id)
            # the organisation before what is in it, as every other action locks them
            of_token = select(Invitation.org_id).where(*self._is_valid(token))
            await session.exec(
                select(Organisation.id).where(col(Organisation.id).in_(of_token)).with_for_update()
            )
            # of concurrent requests with the same token exactly one finds the row unused
            used = await session.exec(
                update(Invitation)
                .where(*self._is_valid(token))
                .values(accepted_at=now)
                .returning(col(Invitation.org_id), col(Invitation.email), col(Invitation.role))
            )
            row = used.first()
            if row is None or user is None:
                raise InvalidToken
            org_id, email, role = row
            # raised inside the transaction, so that the link stays valid for its recipient
            if user.email != email:
                raise InvitationForAnother
            if user.email_verified_at is None:
                raise EmailNotVerified
            if await session.get(Membership, (user.id, org_id)) is not None:
                raise Conflict("You belong to this organisation already.")
            await require_room(session, user.id)
            session.add(Membership(user_id=user.id, org_id=org_id, role=role, created_at=now))
            await record(
                *(session, "invitation_accepted", principal, org_id),
                subject=audit.Subject("user", user.id),
                details={"role": role},
            )
            publish_role(session, self.bus, user.id, org_id, "joined")
        return org_id

    async def purge(self) -> None:
        """Delete the invitations that were accepted or revoked, or expired, `KEPT` ago."""
        before = self.clock() - KEPT
        ends = Invitation.accepted_at, Invitation.revoked_at, Invitation.expires_at
        async with self._write() as session:
            await session.exec(delete(Invitation).where(or_(*(col(end) < before for end in ends))))

    def _is_valid(self, token: str) -> tuple[ColumnElement[bool], ...]:
        return (
            col(Invitation.token_hash) == hash_token(token[:_MAX_LENGTH]),
            col(Invitation.expires_at) > self.clock(),
            *_is_open(),
        )

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return col(Invitation.accepted_at).is_(None), col(Invitation.revoked_at).is_(None)


async def _require_may_invite(
    session: SystemSession, principal: Principal, org_id: UUID, offered: Role
) -> None:
    own = await require_member(session, principal, org_id, least="admin")
    if not is_at_least(own, offered):
        raise RoleRequired


async def _open_invitation(session: SystemSession, org_id: UUID, invitation_id: UUID) -> Invitation:
    found = await session.exec(
        select(Invitation).where(
            col(Invitation.id) == invitation_id, col(Invitation.org_id) == org_id, *_is_open()
        )
    )
    row = found.first()
    if row is None:
        raise NotFound
    return row


async def _require_no_member(session: SystemSession, org_id: UUID, email: str) -> None:
    member = (
        select(Membership.user_id)
        .join(User, col(User.id) == col(Membership.user_id))
        .where(col(Membership.org_id) == org_id, col(User.email) == email)
    )
    if (await session.exec(member)).first() is not None:
        raise Conflict("This person is a member already.")


async def _require_open_room(session: SystemSession, org_id: UUID) -> None:
    count = select(func.count()).select_from(Invitation)
    found = await session.exec(count.where(col(Invitation.org_id) == org_id, *_is_open()))
    if found.one() >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} invitations are open, the maximum. Revoke one first.")
