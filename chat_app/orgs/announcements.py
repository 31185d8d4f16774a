"""Announcements: what a site admin tells every user, on top of their pages.

An announcement is shown to signed-in users from one time until another. A user who has dismissed it
does not see it again, unless its text is changed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import and_, col, func, or_, select

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.account.roles import require_admin
from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, InvalidInput
from chat_app.core.signal_cache import SignalCache
from chat_app.core.signals import ANNOUNCEMENTS, Bus, Signal, user_topic
from chat_app.core.text import visible_line
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Announcement, AnnouncementDismissal

MAX_LENGTH = 500
"""Characters of an announcement."""
MAX_SHOWN = 3
"""How many are shown to a user at once; the newest."""
MAX_OPEN = 50
"""How many may be shown or scheduled."""
PAGE_SIZE = 20
"""How many a page of an admin's list has."""
CACHE_TIME = timedelta(seconds=5)
"""How long those that are not over are cached."""


@dataclass(frozen=True, slots=True)
class ShownAnnouncement:
    """An announcement as a user sees it.

    Args:
        id: Names it.
        version: Of its text; a dismissal is of this one.
        text: Plain text; it may have several lines.
    """

    id: UUID
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class AnnouncementPage:
    """A page of the list of an admin.

    Args:
        rows: The newest first.
        before: Where the next page begins; None after the last.
    """

    rows: Sequence[Announcement]
    before: tuple[datetime, UUID] | None


@dataclass(slots=True)
class Announcements:
    """Shows announcements to users, and lets an admin change them.

    Args:
        db: Stores them, and who has dismissed them.
        bus: Receives a signal when others are shown.
        clock: The time.
    """

    db: Database
    bus: Bus
    clock: Clock
    _open: SignalCache[list[Announcement]] = field(init=False, repr=False)
    _told_at: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._open = SignalCache(
            *(self.bus, ANNOUNCEMENTS, self._read_open),
            seconds=CACHE_TIME.total_seconds(),
            now=lambda: self.clock().timestamp(),
        )
        self.bus.subscribe_callback(ANNOUNCEMENTS, self._was_told)

    async def shown(self, principal: Principal) -> list[ShownAnnouncement]:
        """What a user sees now: the newest that they have not dismissed."""
        live = await self._live()
        if not live:
            return []
        async with self.db.read(principal) as session:
            found = await session.exec(
                select(AnnouncementDismissal).where(
                    col(AnnouncementDismissal.announcement_id).in_([one.id for one in live])
                )
            )
            dismissed = {row.announcement_id: row.version for row in found.all()}
        return [
            ShownAnnouncement(one.id, one.version, one.text)
            for one in live
            if dismissed.get(one.id, 0) < one.version
        ][:MAX_SHOWN]

    async def dismiss(self, principal: Principal, announcement_id: UUID, version: int) -> None:
        """Show a user an announcement no more, until its text is changed.

        Args:
            principal: The user.
            announcement_id: The announcement; one that is gone changes nothing.
            version: The version that the user has seen.
        """
        known = {one.id: one.version for one in await self._open.get()}
        if announcement_id not in known:
            return
        seen = min(version, known[announcement_id])
        try:
            await self._store_dismissal(principal, announcement_id, seen)
        except IntegrityError:
            # two tabs at once (PostgreSQL), or it was deleted meanwhile
            if announcement_id not in {one.id for one in await self._read_open()}:
                return
            await self._store_dismissal(principal, announcement_id, seen)
        self.bus.publish(user_topic(principal.user_id), Signal("user"))

    async def page(self, before: tuple[datetime, UUID] | None = None) -> AnnouncementPage:
        """A page of all of them, the newest first.

        Args:
            before: Where the page begins; None for the first.
        """
        created_at, id_ = col(Announcement.created_at), col(Announcement.id)
        query = select(Announcement).order_by(created_at.desc(), id_.desc()).limit(PAGE_SIZE + 1)
        if before is not None:
            time, last = before
            query = query.where(or_(created_at < time, and_(created_at == time, id_ < last)))
        async with self.db.system("administration") as session:
            rows = list((await session.exec(query)).all())
        more = len(rows) > PAGE_SIZE
        rows = rows[:PAGE_SIZE]
        return AnnouncementPage(rows, (rows[-1].created_at, rows[-1].id) if more else None)

    async def create(self, admin: Principal, text: str, starts: str, ends: str) -> UUID:
        """Announce something.

        Args:
            admin: Who does.
            text: As typed.
            starts: When it is shown first, in ISO 8601 and UTC; empty for now.
            ends: When it is shown no more; empty for never.

        Returns:
            Its id.

        Raises:
            InvalidInput: There is no text or too much, or a time is none, or the end comes first.
            Conflict: Too many are shown or scheduled.
            Forbidden: The user is no admin any more.
        """
        now = self.clock()
        row = Announcement(text=clean_text(text), created_at=now)
        row.starts_at, row.ends_at = _time(starts), _time(ends)
        _check_order(row.starts_at, row.ends_at)
        if row.ends_at is not None and row.ends_at <= now:
            raise InvalidInput("The end is in the past.")
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            await _require_room(session, now)
            session.add(row)
            await session.flush()
            await self._record(session, "announcement_created", admin, row.id)
        return row.id

    async def edit(
        self, admin: Principal, announcement_id: UUID, text: str, starts: str, ends: str
    ) -> None:
        """Change an announcement. With another text, those who had dismissed it see it again.

        Args:
            admin: Who does.
            announcement_id: The announcement.
            text: As typed.
            starts: See `create`. A time without seconds that is the stored one in whole minutes, as
                fields show it, leaves that as it is.
            ends: Likewise; a time in the past ends it.

        Raises:
            NotFound: There is none.
            InvalidInput: See `create`.
            Conflict: It was over, and too many others are shown or scheduled.
            Forbidden: The user is no admin any more.
        """
        cleaned, now, times = clean_text(text), self.clock(), (_time(starts), _time(ends))
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            row = await session.require(Announcement, announcement_id)
            if row.text != cleaned:
                row.text, row.version = cleaned, row.version + 1
            before = row.starts_at, row.ends_at
            starts_at, ends_at = map(_unless_same_minute, times, before)
            if (starts_at, ends_at) != before:
                _check_order(starts_at, ends_at)
            if _is_over(row.ends_at, now) and not _is_over(ends_at, now):
                await _require_room(session, now)
            row.starts_at, row.ends_at = starts_at, ends_at
            await self._record(session, "announcement_changed", admin, announcement_id)

    async def end(self, admin: Principal, announcement_id: UUID) -> None:
        """Show an announcement no more. One that is over stays as it is.

        Raises:
            NotFound: There is none.
            Forbidden: The user is no admin any more.
        """
        now = self.clock()
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            row = await session.require(Announcement, announcement_id)
            if _is_over(row.ends_at, now):
                return
            row.ends_at = now
            if row.starts_at is not None and row.starts_at >= now:
                row.starts_at = None  # it has never begun
            await self._record(session, "announcement_ended", admin, announcement_id)

    async def delete(self, admin: Principal, announcement_id: UUID) -> None:
        """Delete an announcement.

        Raises:
            NotFound: There is none.
            Forbidden: The user is no admin any more.
        """
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            row = await session.require(Announcement, announcement_id)
            await session.delete(row)
            await self._record(session, "announcement_deleted", admin, announcement_id)

    async def publish_due(self) -> None:
        """Tell open tabs when an announcement has begun or ended by itself since they were told."""
        before, now = self._told_at, self.clock()
        if before is None:
            self._told_at = now
            return
        starts_at, ends_at = col(Announcement.starts_at), col(Announcement.ends_at)
        query = select(Announcement.id).where(
            or_(ends_at.is_(None), ends_at > before),
            or_(ends_at <= now, and_(starts_at > before, starts_at <= now)),
        )
        async with self.db.system("announcements") as session:
            is_due = (await session.exec(query.limit(1))).first() is not None
        self._told_at = now
        if is_due:
            self.bus.publish(ANNOUNCEMENTS, Signal("announcements"))

    async def _live(self) -> list[Announcement]:
        """Those that are shown now, the newest first."""
        now = self.clock()
        return [one for one in await self._open.get() if is_live(one, now)]

    async def _read_open(self) -> list[Announcement]:
        """Those that are not over, the newest first."""
        ends_at = col(Announcement.ends_at)
        async with self.db.system("announcements") as session:
            found = await session.exec(
                select(Announcement)
                .where(or_(ends_at.is_(None), ends_at > self.clock()))
                .order_by(col(Announcement.created_at).desc(), col(Announcement.id).desc())
                .limit(MAX_OPEN)
            )
            return list(found.all())

    async def _store_dismissal(
        self, principal: Principal, announcement_id: UUID, version: int
    ) -> None:
        async with self.db.write(principal) as session:
            found = await session.exec(
                select(AnnouncementDismissal)
                .where(col(AnnouncementDismissal.announcement_id) == announcement_id)
                .with_for_update()
            )
            row = found.first()
            if row is None:
                session.add(
                    AnnouncementDismissal(
                        owner_id=principal.user_id, announcement_id=announcement_id, version=version
                    )
                )
            else:
                row.version = max(row.version, version)

    async def _record(
        self, session: SystemSession, action: Action, admin: Principal, announcement_id: UUID
    ) -> None:
        await audit.append(
            session,
            action,
            actor=admin,
            subject=audit.Subject("announcement", announcement_id),
            clock=self.clock,
        )
        session.publish(self.bus, ANNOUNCEMENTS, Signal("announcements"))

    def _was_told(self, _signal: Signal) -> None:
        self._told_at = self.clock()


def is_live(announcement: Announcement, now: datetime) -> bool:
    """Whether an announcement is shown at a time."""
    starts, ends = announcement.starts_at, announcement.ends_at
    return (starts is None or starts <= now) and (ends is None or now < ends)


def clean_text(text: str) -> str:
    """A text as it is shown: its lines without what cannot be seen.

    Raises:
        InvalidInput: There is nothing to see, or too much.
    """
    lines = (visible_line(line) for line in re.split(r"\r\n|[\r\n\u2028\u2029]", text))
    cleaned = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if not cleaned:
        raise InvalidInput("Enter a text.")
    if len(cleaned) > MAX_LENGTH:
        raise InvalidInput(f"An announcement can have at most {MAX_LENGTH} characters.")
    return cleaned


async def _require_room(session: SystemSession, now: datetime) -> None:
    """Refuse one more that is shown or scheduled when there are too many.

    Raises:
        Conflict: There are.
    """
    is_open = or_(col(Announcement.ends_at).is_(None), col(Announcement.ends_at) > now)
    count = await session.exec(select(func.count()).select_from(Announcement).where(is_open))
    if count.one() >= MAX_OPEN:
        raise Conflict(
            f"{MAX_OPEN} announcements are shown or scheduled, the maximum. End one first."
        )


def _is_over(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is not None and ends_at <= now


def _check_order(starts_at: datetime | None, ends_at: datetime | None) -> None:
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise InvalidInput("The end must be after the start.")


def _unless_same_minute(typed: datetime | None, stored: datetime | None) -> datetime | None:
    """The stored time if the typed one is what a field, which has minutes, shows of it."""
    is_same = stored is not None and typed == stored.replace(second=0, microsecond=0)
    return stored if is_same else typed


def _time(typed: str) -> datetime | None:
    if not typed.strip():
        return None
    try:
        time = datetime.fromisoformat(typed.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("Enter a date and a time, such as 2026-12-31 18:00.") from None
