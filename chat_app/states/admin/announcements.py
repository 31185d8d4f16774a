"""The announcements of the installation, and what an admin does with them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.db.tables import Announcement
from chat_app.orgs.announcements import AnnouncementPage, is_live
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.admin import AdminState

_FIELD = "%Y-%m-%dT%H:%M"
"""A time as a field of the type `datetime-local` has it."""


@dataclass(frozen=True)
class ListedAnnouncement:
    """An announcement of the list.

    Args:
        id: Names it in events.
        version: Of its text.
        text: Plain text.
        status: `Shown`, `Scheduled` or `Ended`.
        detail: From when until when.
        starts: The first time as its field has it; may be empty.
        ends: The last time, likewise.
    """

    id: str
    version: int
    text: str
    status: str
    detail: str
    starts: str
    ends: str


def listed_announcement(row: Announcement, now: datetime) -> ListedAnnouncement:
    """An announcement as the list shows it.

    Args:
        row: Its row.
        now: The time.
    """
    is_over = row.ends_at is not None and row.ends_at <= now
    status = "Ended" if is_over else "Shown" if is_live(row, now) else "Scheduled"
    begins = f"from {_words(row.starts_at or row.created_at)}"
    return ListedAnnouncement(
        *(str(row.id), row.version, row.text, status),
        detail=f"{begins} until {_words(row.ends_at)}" if row.ends_at else begins,
        starts=f"{row.starts_at:{_FIELD}}" if row.starts_at else "",
        ends=f"{row.ends_at:{_FIELD}}" if row.ends_at else "",
    )


def _words(time: datetime) -> str:
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


class AnnouncementListState(AdminState, rx.State):
    """The announcements, as far as the list was opened."""

    items: rx.Field[list[ListedAnnouncement]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    made: rx.Field[int] = rx.field(0)
    """How many were made in this tab: the form of the next one is empty."""
    _before: tuple[datetime, UUID] | None = None

    @rx.event
    async def save(self, form: dict[str, str]):
        """Announce something, or change an announcement; a mistake in the form changes nothing."""
        admin, words = current_principal(), (form["text"], form["starts"], form["ends"])
        if form["announcement"]:
            change = services().announcements.edit(admin, UUID(form["announcement"]), *words)
            await self._do(change, "Changed.")
        elif await self._do(services().announcements.create(admin, *words), "Announced."):
            self.made += 1

    @rx.event
    async def end(self, announcement_id: str):
        """Show an announcement no more."""
        await self._do(
            services().announcements.end(current_principal(), UUID(announcement_id)), "Ended."
        )

    @rx.event
    async def delete(self, announcement_id: str):
        """Delete an announcement."""
        await self._do(
            services().announcements.delete(current_principal(), UUID(announcement_id)), "Deleted."
        )

    @rx.event
    async def more(self):
        """Show older ones below."""
        if self._before is not None:
            older = await services().announcements.page(self._before)
            self.items = [*self.items, *self._take(older)]

    async def _read(self, principal: Principal) -> None:
        self.items = self._take(await services().announcements.page())

    def _take(self, found: AnnouncementPage) -> list[ListedAnnouncement]:
        self._before, self.has_more = found.before, found.before is not None
        now = services().clock()
        return [listed_announcement(row, now) for row in found.rows]
