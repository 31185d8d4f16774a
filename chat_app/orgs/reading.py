"""Grants: an admin reads a member's chats of their organisation, with a reason and a time limit.

A grant opens nothing but the page `/reading`. What it opens is decided anew for each read, by the
rows as they are (`ReadingGrants.open`), and each chat that is opened is told to its owner before
its text is sent (`ReadingGrants.record_read`).
"""

from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col, exists, func, select

from chat_app import audit
from chat_app.auth.errors import StepUpRequired
from chat_app.auth.grants import end_expired_grants, end_grants
from chat_app.auth.principal import Principal, Role
from chat_app.auth.sign_in.email_flows import MailContext
from chat_app.auth.sign_in.step_up import StepUp
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.core.text import visible_line
from chat_app.db.engine import Database
from chat_app.db.scoped_session import OpenGrant, SystemSession
from chat_app.db.tables import (
    Membership,
    Organisation,
    ReadingGrant,
    Thread,
    ThreadReading,
    User,
)
from chat_app.mail.mailer import MailUnavailable
from chat_app.orgs.events import record
from chat_app.orgs.roles import checked_role, lock_organisation, require_at_least
from chat_app.settings import Settings

REASON_LENGTH = (10, 500)
"""How long a reason is, in characters."""
MINUTES: dict[int, str] = {15: "15 minutes", 60: "1 hour", 480: "8 hours"}
"""How long a grant may last, in minutes, and in words."""
MAX_OPEN = 5
"""How many grants of a reader may be open."""
MAX_SUBJECTS = 1_000
"""How many members, and how many former members, are listed at most."""
RECORD_AGAIN = timedelta(minutes=10)
"""How long after an entry of the audit log another one is written for the same grant and chat."""
READERS: tuple[Role, ...] = ("admin", "owner")


class ReadingNotAllowed(Forbidden):
    """The organisation does not let its admins read."""

    code = "reading_not_allowed"

    def __init__(
        self, message: str = "This organisation doesn't let its admins read members' chats."
    ) -> None:
        super().__init__(message)


class ReadingSwitchedOff(ReadingNotAllowed):
    """The installation lets no admin of any organisation read (`ADMIN_READING`)."""

    def __init__(self) -> None:
        super().__init__("Reading members' chats is switched off on this server.")


@dataclass(frozen=True, slots=True)
class Person:
    """A user as others see them.

    Args:
        name: Their display name, or else the email.
        role: What they are in the organisation; empty for a former member.
    """

    user_id: UUID
    name: str
    email: str
    role: Role | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose chats an admin may ask to read.

    Args:
        organisation: The name of the organisation.
        members: Its other members.
        former: Those who have left and have chats there.
    """

    organisation: str
    members: list[Person]
    former: list[Person]


@dataclass(frozen=True, slots=True)
class GrantInUse:
    """A grant that its reader may use now.

    Args:
        open_grant: What `Database.read_as` takes, for the read that follows.
        subject: Whose chats.
        organisation: The name of the organisation.
        reason: As the reader typed it.
        until: When it ends.
        is_listed: Whether it is recorded that the list of the chats was shown.
    """

    open_grant: OpenGrant
    subject: Person
    organisation: str
    reason: str
    until: datetime
    is_listed: bool


@dataclass(frozen=True, slots=True)
class ReadingGrants:
    """Gives, checks and ends grants, records what is read by them, and tells the owners.

    Args:
        db: The database.
        bus: Receives a signal for each chat that is opened, and for each grant that ends.
        step_up: Says whether the reader has just authenticated.
        mail: Sends one email for each grant that is used.
        clock: The time.
    """

    db: Database
    bus: Bus
    step_up: StepUp
    mail: MailContext
    clock: Clock

    @property
    def _settings(self) -> Settings:
        return self.mail.settings

    async def subjects(self, principal: Principal, org_id: UUID) -> Subjects:
        """Whose chats an admin may ask to read.

        Raises:
            ReadingSwitchedOff: The installation lets no one read.
            NotFound: The user does not belong to the organisation.
            RoleRequired: The user is no admin of it.
            ReadingNotAllowed: Its chats are not read.
            StepUpRequired: The user must confirm their identity.
        """
        self._require_switched_on()
        in_it = col(Membership.org_id) == org_id
        has_chats = exists().where(
            col(Thread.owner_id) == col(User.id),
            col(Thread.org_id) == org_id,
            col(Thread.deleted_at).is_(None),
        )
        belongs = exists().where(in_it, col(Membership.user_id) == col(User.id))
        async with self.db.system("grants") as session:
            await require_at_least(session, principal, org_id, "admin")
            organisation = await session.require(Organisation, org_id)
            _require_allowed(organisation)
            members = await session.exec(
                select(User, Membership.role)
                .join(Membership, col(Membership.user_id) == col(User.id))
                .where(in_it, col(User.id) != principal.user_id)
                .order_by(col(User.email))
                .limit(MAX_SUBJECTS)
            )
            former = await session.exec(
                select(User)
                .where(has_chats, ~belongs)
                .order_by(col(User.email))
                .limit(MAX_SUBJECTS)
            )
            found = Subjects(
                organisation.name,
                [_person(user, checked_role(role)) for user, role in members.all()],
                [_person(user) for user in former.all()],
            )
        await self._require_fresh(principal)
        return found

    async def ask(
        self, principal: Principal, org_id: UUID, subject_id: UUID, *, reason: str, minutes: int
    ) -> UUID:
        """Begin to read a user's chats in an organisation.

        Args:
            principal: An admin of the organisation who has just authenticated.
            org_id: The organisation.
            subject_id: A member, or a former one who has chats there.
            reason: What the user is told.
            minutes: A key of `MINUTES`.

        Returns:
            The grant.

        Raises:
            ReadingSwitchedOff: The installation lets no one read.
            StepUpRequired: The user must confirm their identity.
            NotFound: The user does not belong to the organisation, or the other one has no chats
                there and does not either.
            RoleRequired: The user is no admin of it.
            ReadingNotAllowed: Its chats are not read.
            InvalidInput: The reason is too short or too long, or the time is none of the list.
            Conflict: It is the user, or too many grants are open.
        """
        self._require_switched_on()
        cleaned = clean_reason(reason)
        if minutes not in MINUTES:
            raise InvalidInput("Choose for how long you need to read.")
        await self._require_fresh(principal)
        now = self.clock()
        if subject_id == principal.user_id:
            raise Conflict("These are your own chats. Open them in the list of your chats.")
        async with self._write() as session:
            organisation, role = await lock_organisation(session, principal, org_id, least="admin")
            _require_allowed(organisation)
            await _require_subject(session, org_id, subject_id)
            mine = col(ReadingGrant.reader_id) == principal.user_id
            opened = await session.exec(
                select(func.count()).select_from(ReadingGrant).where(mine, *_is_open(now))
            )
            if opened.one() >= MAX_OPEN:
                raise Conflict(f"You are reading {MAX_OPEN} members' chats. End one of them first.")
            reader = await session.require(User, principal.user_id)
            row = ReadingGrant(
                owner_id=subject_id,
                reader_id=reader.id,
                reader_name=reader.name,
                reader_email=reader.email,
                org_id=org_id,
                role=role,
                session_id=principal.credential_id,
                reason=cleaned,
                created_at=now,
                until=now + timedelta(minutes=minutes),
            )
            session.add(row)
            await session.flush()
            await record(
                *(session, "reading_granted", principal, org_id),
                subject=audit.Subject("user", subject_id),
                details={"grant": row.id, "minutes": minutes},
            )
        return row.id

    async def open(self, principal: Principal, grant_id: UUID) -> GrantInUse:
        """A grant that the user may use at this moment, for one read.

        Raises:
            NotFound: There is none: it is another's or of another session, or it has ended, or the
                user's role, the organisation or the installation allows it no longer.
        """
        async with self.db.system("grants") as session:
            return await self._open(session, principal, grant_id)

    async def record_list(self, principal: Principal, grant_id: UUID) -> GrantInUse:
        """Record that the list of the chats is shown; called before the first titles are sent.

        Returns:
            The grant, which is still open.

        Raises:
            NotFound: It is not; see `open`.
        """
        async with self._write() as session:
            grant = await self._open(session, principal, grant_id, lock=True)
            if grant.is_listed:
                return grant
            await self._send_first_email(session, grant)
            (await session.require(ReadingGrant, grant_id)).listed_at = self.clock()
            await record(
                *(session, "reading_listed", principal, grant.open_grant.org_id),
                subject=audit.Subject("user", grant.subject.user_id),
                details={"grant": grant_id},
            )
        return grant

    async def record_read(
        self, principal: Principal, grant_id: UUID, thread_id: UUID
    ) -> GrantInUse:
        """Record that a chat is read, and tell its owner; called before its text is sent.

        Returns:
            The grant, which is still open.

        Raises:
            NotFound: It is not; see `open`.
        """
        now = self.clock()
        async with self._write() as session:
            grant = await self._open(session, principal, grant_id, lock=True)
            row = await session.get(ThreadReading, (grant_id, thread_id))
            if row is None:
                await self._record_first(session, grant, thread_id, now)
            else:
                before, row.last_read_at = row.last_read_at, now
                if _is_recorded(row.first_read_at, before, now):
                    return grant
            await record(
                *(session, "thread_read", principal, grant.open_grant.org_id),
                subject=audit.Subject("thread", thread_id),
                details={"grant": grant_id},
            )
            signal = Signal("thread_read", thread_id=thread_id)
            session.publish(self.bus, user_topic(grant.subject.user_id), signal)
        return grant

    async def end(self, principal: Principal, grant_id: UUID) -> None:
        """End a grant of the user's; nothing happens if it is none, or has ended."""
        async with self._write() as session:
            await end_grants(
                session,
                self.bus,
                col(ReadingGrant.id) == grant_id,
                col(ReadingGrant.reader_id) == principal.user_id,
                actor=principal,
                reason="ended",
                now=self.clock(),
            )

    async def end_if_forbidden(self) -> int:
        """End every grant where the installation allows none; how many."""
        if self._settings.admin_reading:
            return 0
        async with self._write() as session:
            return await end_grants(
                session, self.bus, actor="system", reason="forbidden", now=self.clock()
            )

    async def end_expired(self) -> None:
        """End the grants whose time has passed, and record it."""
        now = self.clock()
        is_due = col(ReadingGrant.ended_at).is_(None), col(ReadingGrant.until) <= now
        async with self.db.system("grants") as session:
            due = await session.exec(select(ReadingGrant.id).where(*is_due).limit(1))
            if due.first() is None:
                return
        async with self._write() as session:
            await end_expired_grants(session, self.bus, now)

    async def _open(
        self, session: SystemSession, principal: Principal, grant_id: UUID, *, lock: bool = False
    ) -> GrantInUse:
        statement = (
            select(ReadingGrant, Organisation, User)
            .join(Organisation, col(Organisation.id) == col(ReadingGrant.org_id))
            .join(User, col(User.id) == col(ReadingGrant.owner_id))
            .join(
                Membership,
                (col(Membership.org_id) == col(ReadingGrant.org_id))
                & (col(Membership.user_id) == col(ReadingGrant.reader_id)),
            )
            .where(
                col(ReadingGrant.id) == grant_id,
                col(ReadingGrant.reader_id) == principal.user_id,
                col(ReadingGrant.session_id) == principal.credential_id,
                *_is_open(self.clock()),
                col(Membership.role).in_(READERS),
                col(Organisation.allows_admin_reading),
            )
        )
        if lock:
            # what ends it waits, or has come first
            statement = statement.with_for_update(of=cast(Any, ReadingGrant))
        row = (await session.exec(statement)).first()
        if row is None or not self._settings.admin_reading or principal.scopes is not None:
            raise NotFound
        grant, organisation, subject = row
        return GrantInUse(
            open_grant=OpenGrant(grant.id, grant.owner_id, organisation.id),
            subject=_person(subject),
            organisation=organisation.name,
            reason=grant.reason,
            until=grant.until,
            is_listed=grant.listed_at is not None,
        )

    async def _record_first(
        self, session: SystemSession, grant: GrantInUse, thread_id: UUID, now: datetime
    ) -> None:
        await self._send_first_email(session, grant)
        session.add(
            ThreadReading(
                grant_id=grant.open_grant.id,
                thread_id=thread_id,
                owner_id=grant.subject.user_id,
                first_read_at=now,
                last_read_at=now,
            )
        )

    async def _send_first_email(self, session: SystemSession, grant: GrantInUse) -> None:
        """Tell the owner by email after the commit, if nothing was shown by the grant before."""
        is_of_grant = col(ThreadReading.grant_id) == grant.open_grant.id
        read = await session.exec(select(ThreadReading.thread_id).where(is_of_grant).limit(1))
        if not grant.is_listed and read.first() is None:
            session.after_commit.append(partial(self._send_email, grant.subject.email))

    def _send_email(self, to: str) -> None:
        """Tell the owner by email, where there is a mail server; the page tells it in any case."""
        if self._settings.email_delivery == "smtp":
            with suppress(MailUnavailable):
                self.mail.mailer.send(self.mail.templates.chats_read(to))

    async def _require_fresh(self, principal: Principal) -> None:
        """Refuse who has not just authenticated.

        Raises:
            StepUpRequired: The user must confirm their identity.
        """
        is_fresh = self.step_up.is_fresh
        if principal.scopes is not None or not await is_fresh(
            principal, self.clock(), self._settings
        ):
            raise StepUpRequired

    def _require_switched_on(self) -> None:
        if not self._settings.admin_reading:
            raise ReadingSwitchedOff

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self.db.system("grants", write=True, read_committed=True)


def _require_allowed(organisation: Organisation) -> None:
    if not organisation.allows_admin_reading:
        raise ReadingNotAllowed


def clean_reason(reason: str) -> str:
    """A reason as one line of text that can be seen.

    Raises:
        InvalidInput: It is too short or too long.
    """
    cleaned = visible_line(" ".join(reason.split())).strip()
    least, most = REASON_LENGTH
    if len(cleaned) < least:
        raise InvalidInput(f"Say why you need to read these chats, in at least {least} characters.")
    if len(cleaned) > most:
        raise InvalidInput(f"A reason has at most {most} characters.")
    return cleaned


def _is_open(now: datetime) -> tuple[Any, ...]:
    return col(ReadingGrant.ended_at).is_(None), col(ReadingGrant.until) > now


def _is_recorded(first: datetime, before: datetime, now: datetime) -> bool:
    """Whether the audit log has an entry for the time in which something is read now."""
    return (before - first) // RECORD_AGAIN == (now - first) // RECORD_AGAIN


async def _require_subject(session: SystemSession, org_id: UUID, user_id: UUID) -> None:
    """Refuse a user who neither belongs to an organisation nor has chats there.

    Raises:
        NotFound: It is one, or none.
    """
    if await session.get(Membership, (user_id, org_id)) is not None:
        return
    left = await session.exec(
        select(Thread.id)
        .where(
            col(Thread.owner_id) == user_id,
            col(Thread.org_id) == org_id,
            col(Thread.deleted_at).is_(None),
        )
        .limit(1)
    )
    if left.first() is None:
        raise NotFound


def _person(user: User, role: Role | Literal[""] = "") -> Person:
    return Person(user.id, user.name or user.email, user.email, role)
