"""The list of the person's threads."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, NotFound
from chat_app.reflex_ext.events import route_argument
from chat_app.services import services
from chat_app.states import views
from chat_app.states.principal import principal
from chat_app.states.views import ThreadItem
from chat_app.threads.views import ThreadSummary

PAGE = 50
"""Threads read at a time."""
UNDO_TIME = timedelta(seconds=10)
"""How long a deletion's notice stands; the page takes it away by itself (`.undo` in its style)."""


class ThreadListState(rx.State):
    """A growing window of the thread list, newest first, kept true by hints.

    It stands in two vars, because a var is sent whole: what happens moves threads to the top, and
    what was scrolled to is not sent again for that.
    """

    items: rx.Field[list[ThreadItem]] = rx.field(default_factory=list)
    older: rx.Field[list[ThreadItem]] = rx.field(default_factory=list)
    running: rx.Field[list[str]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)
    search: rx.Field[str] = rx.field("")
    renaming: rx.Field[str] = rx.field("")
    undo_id: rx.Field[str] = rx.field("")
    undo_title: rx.Field[str] = rx.field("")
    notice: rx.Field[str] = rx.field("")

    # Tuples, because Reflex hands out the items of a list wrapped.
    _threads: tuple[ThreadSummary, ...] = ()
    _items: tuple[ThreadItem, ...] = ()
    _older: tuple[ThreadItem, ...] = ()
    _running: tuple[str, ...] = ()
    _next: str | None = None
    _zone: str = "UTC"
    _deleted_at: datetime | None = None

    @rx.event
    async def more(self):
        """Load the next page."""
        if self._next is None:
            return
        page = await services().threads.page(principal(), after=self._next, search=self.search)
        known = {thread.id for thread in self._threads}
        self._next = page.next
        self._show([*self._threads, *(t for t in page.threads if t.id not in known)])

    @rx.event(supersedes=True)
    async def find(self, text: str):
        """Show only threads whose title holds `text`."""
        self.search = text
        await self._reload(principal())

    @rx.event
    async def begin_rename(self, thread_id: str):
        """Turn a row into a field."""
        self.renaming = thread_id

    @rx.event
    async def cancel_rename(self):
        """Leave the title as it was."""
        self.renaming = ""

    @rx.event
    async def rename(self, form: dict[str, str]):
        """Give the thread in the field a new title; a blank one changes nothing."""
        thread_id, self.renaming = self.renaming, ""
        title = form["title"].strip()
        if not thread_id or not title:
            return
        try:
            await services().threads.rename(principal(), UUID(thread_id), title)
        except ChatError as error:
            self.notice = error.message

    @rx.event
    async def delete(self, thread_id: str):
        """Delete a thread; the notice that appears can undo it."""
        title = next((one.title for one in self._threads if str(one.id) == thread_id), "")
        try:
            await services().threads.delete(principal(), UUID(thread_id))
        except ChatError as error:
            self.notice = error.message
            return
        self.undo_id, self.undo_title = thread_id, title
        self._deleted_at = services().clock()
        if route_argument(self, "thread") == thread_id:
            yield rx.redirect("/")

    @rx.event
    async def undo_delete(self):
        """Bring the deleted thread back and open it."""
        thread_id, self.undo_id = self.undo_id, ""
        if not thread_id:
            return
        try:
            await services().threads.restore(principal(), UUID(thread_id))
        except ChatError as error:
            self.notice = error.message
            return
        yield rx.redirect(f"/c/{thread_id}")

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.undo_id = self.notice = ""

    @rx.event
    async def set_zone(self, name: str):
        """Group days by the reader's calendar.

        Args:
            name: The browser's time zone, such as `Europe/Berlin`.
        """
        if name != self._zone:
            self._zone = name
            self._show(self._threads)

    def _blank(self) -> None:
        zone = self._zone
        self.reset()
        self._zone = zone

    async def _reload(self, who: Principal) -> None:
        """Begin the list anew."""
        page = await services().threads.page(who, limit=PAGE, search=self.search)
        self._next = page.next
        self._show(page.threads)
        self.loaded = True

    async def _refresh(self, who: Principal) -> None:
        """Read the newest again, and keep what was scrolled to below them.

        A new page would begin a notice's time anew, so an old one is dropped.
        """
        if self._deleted_at and services().clock() - self._deleted_at >= UNDO_TIME:
            self.undo_id, self._deleted_at = "", None
        page = await services().threads.page(who, limit=PAGE, search=self.search)
        seen = {thread.id for thread in page.threads}
        last = _age(page.threads[-1]) if page.threads else None
        below = [t for t in self._threads if last and _age(t) < last and t.id not in seen]
        if page.next is None or not below:
            below, self._next = [], page.next
        self._show([*page.threads, *below])
        self.loaded = True

    async def _learn(
        self, who: Principal, thread_id: UUID | None, known: ThreadSummary | None = None
    ) -> None:
        """Look again at one thread.

        Args:
            who: Whose list it is.
            thread_id: The thread that changed.
            known: What it is now, when somebody has just read it.
        """
        others = [thread for thread in self._threads if thread.id != thread_id]
        thread = known or await self._summary(who, thread_id)
        if thread is None:
            self._show(others)
        elif self.search.lower() in thread.title.lower():
            end = others[-1].updated_at if others and self._next else None
            if end is None or thread.updated_at >= end:
                others = sorted([*others, thread], key=_age, reverse=True)
            self._show(others)

    async def _summary(self, who: Principal, thread_id: UUID | None) -> ThreadSummary | None:
        if thread_id is None:
            return None
        try:
            return await services().threads.get(who, thread_id)
        except NotFound:
            return None

    def _show(self, threads: Sequence[ThreadSummary]) -> None:
        self._threads = tuple(threads)
        # A var is sent whole when it is assigned, so only a real change assigns it.
        rows = tuple(views.thread_items(self._threads, services().clock(), views.zone(self._zone)))
        cut = self._cut(rows)
        items, older = rows[:cut], rows[cut:]
        if items != self._items:
            self._items, self.items = items, list(items)
        if older != self._older:
            self._older, self.older = older, list(older)
        running = tuple(str(thread.id) for thread in self._threads if thread.running)
        if running != self._running:
            self._running, self.running = running, list(running)
        if self.has_more != (self._next is not None):
            self.has_more = self._next is not None

    def _cut(self, rows: Sequence[ThreadItem]) -> int:
        """How many rows stand before the older ones: where these begin now, if that is not far."""
        places = {row.id: place for place, row in enumerate(rows)}
        now = (places.get(row.id, 0) for row in self._older)
        return next((place for place in now if PAGE <= place <= 2 * PAGE), PAGE)


def _age(thread: ThreadSummary) -> tuple[datetime, str]:
    """What the list is ordered by, newest last."""
    return thread.updated_at, thread.id.hex
