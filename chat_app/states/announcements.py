"""The announcements that a tab shows on top of its page."""

import contextlib
from dataclasses import dataclass
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseError
from chat_app.core.signals import ANNOUNCEMENTS, user_topic
from chat_app.reflex_ext.events import state_key
from chat_app.reflex_ext.tabs import while_open
from chat_app.services import services
from chat_app.states import current_principal


@dataclass(frozen=True)
class AnnouncementItem:
    """An announcement.

    Args:
        id: Names it in events.
        version: Of its text.
        text: Plain text.
    """

    id: str
    version: int
    text: str


class AnnouncementState(rx.State):
    """What the user has not dismissed, the newest first."""

    items: rx.Field[list[AnnouncementItem]] = rx.field(default_factory=list)

    @rx.event
    async def dismiss(self, announcement_id: str, version: int):
        """Show an announcement no more, on no device of the user."""
        principal = current_principal()
        await services().announcements.dismiss(principal, UUID(announcement_id), version)
        await show_announcements(self, principal)

    @rx.event(background=True, supersedes=True)
    async def watch(self):
        """Follow changes until the socket is closed, where `Feed.watch` does not."""
        await while_open(state_key(), self._watch(current_principal()))

    async def _watch(self, principal: Principal) -> None:
        with services().bus.subscribe(ANNOUNCEMENTS, user_topic(principal.user_id)) as batches:
            await self._update(principal)
            async for _ in batches:
                await self._update(principal)

    async def _update(self, principal: Principal) -> None:
        with contextlib.suppress(DatabaseError):  # the next change, or page, reads again
            async with self:
                await show_announcements(self, principal)


async def show_announcements(state: AnnouncementState, principal: Principal) -> None:
    """Read what the user sees; an unchanged list sends nothing."""
    items = [
        AnnouncementItem(str(one.id), one.version, one.text)
        for one in await services().announcements.shown(principal)
    ]
    if items != state.items:
        state.items = items
