"""Invitations: an email with a link, by which its recipient joins an organisation.

A link works once, for seven days, and only for a signed-in user whose verified email is the one
that was invited: who merely sees the link can do nothing with it. Whoever has joined by it may open
it again, since the first response may be lost: that changes no role. Where no mail server is set
up, no user can verify an email. There the member who invites hands the link over, and so vouches
for its recipient: the email need only be that of their account.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import and_, col, delete, func, or_, select, update

from chat_app import audit
from chat_app.auth.account.memberships import open_invitation, publish_role
from chat_app.auth.emails import normalise
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
from chat_app.orgs.organisations import choose_organisation, require_room
from chat_app.orgs.roles import (
    checked_role,
    lock_organisation,
    require_at_least,
    require_role,
)

MAX_OPEN = 200
"""How many invitations of an organisation may be open."""
KEPT = timedelta(days=30)
"""How long an invitation is kept that is accepted, revoked or expired."""
PURPOSE = "invitation"
"""How the token in a link begins."""

_IS_INVITED = "This email is already invited. Send that invitation again."
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
class SentInvitation:
    """An invitation that was sent, or is to be handed over.

    Args:
        id: The invitation.
        link: Where no mail server is set up, the link to hand over: only its hash is stored. None
            where it was emailed.
    """

    id: UUID
    link: str | None


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
    ) -> SentInvitation:
        """Send an invitation.

        Args:
            principal: An admin, whose own role is at least the offered one.
            org_id: The organisation.
            email: As typed.
            role: What the recipient will be.
            client_ip: For the rate limits.

        Raises:
            NotFound: The user does not belong to the organisation.
            RoleRequired: Their role does not allow it.
            InvalidInput: There is no such role.
            InvalidEmail, AccessDenied: See `MailContext.recipient`.
            MailUnavailable: Too many emails are waiting to be sent.
            TooManyAttempts: Too many emails.
            Conflict: The recipient is a member, or invited already, or too many are.
        """
        offered = checked_role(role)
        async with self.db.system("organisations") as session:
            own = await require_at_least(session, principal, org_id, "admin")
            require_role(own, offered)
        self._require_delivery()
        recipient = normalise(email)
        self.mail.require_allowed_domain(recipient)
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
                    require_role(own, offered)
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
                raise Conflict(_IS_INVITED) from None
        return SentInvitation(row.id, self._deliver(recipient, token))

    async def resend(
        self, principal: Principal, org_id: UUID, invitation_id: UUID, *, client_ip: str
    ) -> SentInvitation:
        """Send an invitation again, with a new link; the one before works no longer.

        Args:
            principal: An admin, whose own role is at least the offered one.
            org_id: The organisation.
            invitation_id: The invitation.
            client_ip: For the rate limits.

        Raises:
            NotFound: The user does not belong to the organisation, or it has no such invitation.
            RoleRequired: Their role does not allow it.
            MailUnavailable: Too many emails are waiting to be sent.
            TooManyAttempts: Too many emails.
        """
        self._require_delivery()
        token = new_token()
        async with self.db.system("organisations") as session:
            await require_at_least(session, principal, org_id, "admin")
            recipient = (await _open_invitation(session, org_id, invitation_id)).email
        async with self.mail.rate_limits.email(recipient, client_ip), self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            row = await _open_invitation(session, org_id, invitation_id)
            require_role(own, row.role)
            row.token_hash, row.expires_at = hash_token(token), self.clock() + INVITATION_LIFETIME
            row.invited_by = principal.user_id
            await record(
                *(session, "invitation_created", principal, org_id),
                subject=audit.Subject("invitation", row.id),
                details={"role": row.role},
            )
        return SentInvitation(invitation_id, self._deliver(recipient, token))

    async def revoke(self, principal: Principal, org_id: UUID, invitation_id: UUID) -> None:
        """Revoke an invitation; its link works no longer.

        Raises:
            NotFound: The user does not belong to the organisation, or it has no such invitation.
            RoleRequired: Their role does not allow it.
        """
        async with self._write() as session:
            _, own = await lock_organisation(session, principal, org_id, least="admin")
            row = await _open_invitation(session, org_id, invitation_id)
            require_role(own, row.role)
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
            await require_at_least(session, principal, org_id, "member")
            rows = await session.exec(
                select(Invitation)
                .where(col(Invitation.org_id) == org_id, *open_invitation())
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
            InvalidToken: It is revoked, expired or unknown, or used, unless by this user.
        """
        async with self.db.system("organisations") as session:
            found = await session.exec(select(Invitation.email).where(*self._is_valid(token)))
            email = found.first()
            if email is None:
                used = await find_accepted(session, principal, _has_token(token))
                if used is None:
                    raise InvalidToken
                return EmailLinkPreview(used.email, "click", "")
            user = None if principal is None else await session.get(User, principal.user_id)
        is_recipient = user is not None and user.email == email
        return EmailLinkPreview(email, "click" if is_recipient else "session", "")

    async def accept(self, principal: Principal, token: str) -> UUID:
        """Join the organisation of an invitation; idempotent while the user belongs to it.

        Args:
            principal: The recipient.
            token: From the link.

        Returns:
            The id of the organisation.

        Raises:
            InvalidToken: It is revoked, expired or unknown, or used, unless by this user.
            InvitationForAnother: The user has another email.
            EmailNotVerified: The user's email is not verified, and emails can be sent.
            Conflict: The user is a member already, or belongs to too many organisations.
        """
        async with self._write() as session:
            user, now = await session.get(User, principal.user_id), self.clock()
            used = await end_invitation(session, self._is_valid(token), accepted_at=now)
            if used is None and (joined := await join_again(session, principal, _has_token(token))):
                return joined
            if used is None or user is None:
                raise InvalidToken
            # raised inside the transaction, so that the link stays valid for its recipient
            if user.email != used.email:
                raise InvitationForAnother
            if user.email_verified_at is None and self.mail.mailer.delivery == "smtp":
                raise EmailNotVerified
            await join_by(session, self.bus, principal, used, now)
        return used.org_id

    async def purge(self) -> None:
        """Delete the invitations that were accepted or revoked, or expired, `KEPT` ago."""
        before = self.clock() - KEPT
        ends = Invitation.accepted_at, Invitation.revoked_at, Invitation.expires_at
        async with self._write() as session:
            await session.exec(delete(Invitation).where(or_(*(col(end) < before for end in ends))))

    def _is_valid(self, token: str) -> tuple[ColumnElement[bool], ...]:
        return _has_token(token), *open_invitation(self.clock())

    def _require_delivery(self) -> None:
        """Refuse what needs an email while none can be queued.

        Raises:
            MailUnavailable: Too many emails are waiting to be sent.
        """
        if self.mail.mailer.delivery != "none":
            self.mail.mailer.require_available()

    def _deliver(self, recipient: str, token: str) -> str | None:
        """Send a link; without a mail server it is returned, for the one who invites."""
        email = self.mail.templates.invitation(recipient, token)
        if self.mail.mailer.delivery != "none":
            self.mail.mailer.send(email)
        return None if self.mail.mailer.delivery == "smtp" else email.link

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("organisations", write=True, read_committed=True)


class EndedInvitation(NamedTuple):
    """An invitation that has just ended."""

    org_id: UUID
    email: str
    role: str


async def end_invitation(
    session: SystemSession, wanted: tuple[ColumnElement[bool], ...], **at: datetime
) -> EndedInvitation | None:
    """End an invitation; None when there is no such one.

    Args:
        session: The transaction.
        wanted: The conditions of one invitation.
        at: The column of its end, and the time.
    """
    # the organisation before what is in it, as every other action locks them
    its = select(Invitation.org_id).where(*wanted)
    await session.exec(
        select(Organisation.id).where(col(Organisation.id).in_(its)).with_for_update()
    )
    # of concurrent requests for the same one exactly one finds the row unused
    used = await session.exec(
        update(Invitation)
        .where(*wanted)
        .values(**at)
        .returning(col(Invitation.org_id), col(Invitation.email), col(Invitation.role))
    )
    row = used.first()
    return None if row is None else EndedInvitation(*row)


async def join_by(
    session: SystemSession, bus: Bus, principal: Principal, used: EndedInvitation, now: datetime
) -> None:
    """Make a user a member by an invitation that was ended as accepted.

    New tabs of the user begin in the organisation.

    Args:
        session: The transaction.
        bus: Receives a signal.
        principal: The user.
        used: The invitation.
        now: The `accepted_at` of the invitation, by which `find_accepted` knows the user.

    Raises:
        Conflict: They are a member already, or belong to too many organisations.
    """
    user_id, org_id = principal.user_id, used.org_id
    if await session.get(Membership, (user_id, org_id)) is not None:
        raise Conflict("You belong to this organisation already.")
    await require_room(session, user_id)
    session.add(Membership(user_id=user_id, org_id=org_id, role=used.role, created_at=now))
    await choose_organisation(session, user_id, org_id)
    await record(
        *(session, "invitation_accepted", principal, org_id),
        subject=audit.Subject("user", user_id),
        details={"role": used.role},
    )
    await publish_role(session, bus, user_id, org_id, "joined")


async def find_accepted(
    session: SystemSession, principal: Principal | None, wanted: ColumnElement[bool]
) -> EndedInvitation | None:
    """The invitation by which a user has become the member that they still are.

    Args:
        session: A transaction.
        principal: The user, if any.
        wanted: The condition of one invitation.
    """
    if principal is None:
        return None
    is_theirs = (
        col(Membership.org_id) == col(Invitation.org_id),
        col(Membership.created_at) == col(Invitation.accepted_at),
        col(Membership.user_id) == principal.user_id,
    )
    found = await session.exec(
        select(Invitation.org_id, Invitation.email, Invitation.role)
        .join(Membership, and_(*is_theirs))
        .where(wanted)
    )
    row = found.first()
    return None if row is None else EndedInvitation(*row)


async def join_again(
    session: SystemSession, principal: Principal, wanted: ColumnElement[bool]
) -> UUID | None:
    """Repeat an acceptance whose response may be lost; the role stays as it is.

    Args:
        session: The transaction.
        principal: The user.
        wanted: The condition of one invitation.

    Returns:
        The id of the organisation, in which new tabs of the user begin; None if they did not accept
        the invitation, or have left since.
    """
    used = await find_accepted(session, principal, wanted)
    if used is None:
        return None
    await choose_organisation(session, principal.user_id, used.org_id)
    return used.org_id


def _has_token(token: str) -> ColumnElement[bool]:
    return col(Invitation.token_hash) == hash_token(token[:_MAX_LENGTH])


async def _open_invitation(session: SystemSession, org_id: UUID, invitation_id: UUID) -> Invitation:
    found = await session.exec(
        select(Invitation).where(
            col(Invitation.id) == invitation_id,
            col(Invitation.org_id) == org_id,
            *open_invitation(),
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
    found = await session.exec(count.where(col(Invitation.org_id) == org_id, *open_invitation()))
    if found.one() >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} invitations are open, the maximum. Revoke one first.")
