"""The state of the user's thread list: paging, search, rename, delete and undo."""

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.db.tables import PRIVATE
from chat_app.services import services
from chat_app.states import NoticeState, current_principal, try_action, views
from chat_app.states.thread_list_view import ThreadListView
from chat_app.states.views import ThreadItem
from chat_app.threads.search_query import parse_query
from chat_app.threads.views import ThreadSummary

UNDO_TIME = timedelta(seconds=10)
"""How long a deletion's notice stands; the page takes it away by itself (`.undo` in its style)."""


class ThreadListState(NoticeState, rx.State):
    """A growing window of the thread list, newest first, updated by signals.

    Attributes:
        organisation: The id of the current organisation of the tab, whose threads are listed and
            in which new ones are made; empty for Personal.
    """

    organisation: rx.Field[str] = rx.field("")
    items: rx.Field[list[ThreadItem]] = rx.field(default_factory=list)
    older: rx.Field[list[ThreadItem]] = rx.field(default_factory=list)
    running: rx.Field[list[str]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)
    search: rx.Field[str] = rx.field("")
    renaming: rx.Field[str] = rx.field("")
    undo_id: rx.Field[str] = rx.field("")
    undo_title: rx.Field[str] = rx.field("")

    # What the vars show; Reflex hands out the items of a list wrapped.
    _view: ThreadListView = ThreadListView()
    _zone: str = "UTC"
    _deleted_at: datetime | None = None

    @rx.event
    async def more(self):
        """Load the next page."""
        view = self._view
        if view.next is not None:
            page = await services().threads.page(
                current_principal(),
                after=view.next,
                query=view.query,
                status=view.status,
                org_id=view.org_id,
            )
            show(self, view.extended(page))

    @rx.event(supersedes=True)
    async def find(self, text: str):
        """Show only threads whose title has every word of `text`."""
        self.search = text
        try:
            query = parse_query(text, zone_of(self))
        except InvalidInput:
            return  # a filter that is still being typed; the search in messages says so
        self._view = replace(self._view, query=query)  # kept if the read fails: a refresh uses it
        page = await services().threads.page(
            current_principal(),
            limit=self._view.page_size,
            query=query,
            status=self._view.status,
            org_id=self._view.org_id,
        )
        show(self, self._view.loaded(page))
        self.loaded = True

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
        if thread_id and title:
            await try_action(
                self, services().threads.rename(current_principal(), UUID(thread_id), title)
            )

    @rx.event
    async def delete(self, thread_id: str):
        """Delete a thread; the notice that appears can undo it, and the page leaves the thread."""
        title = listed_title(self, thread_id) or ""
        if not await try_action(
            self, services().threads.delete(current_principal(), UUID(thread_id))
        ):
            return
        self.undo_id, self.undo_title = thread_id, title
        self._deleted_at = services().clock()

    @rx.event
    async def undo_delete(self):
        """Bring the deleted thread back into the list."""
        thread_id, self.undo_id = self.undo_id, ""
        if thread_id:
            await try_action(self, services().threads.restore(current_principal(), UUID(thread_id)))

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.undo_id = self.notice = ""

    @rx.event
    async def set_zone(self, name: str):
        """Group days by the user's calendar.

        Args:
            name: The browser's time zone, such as `Europe/Berlin`.
        """
        if name != self._zone:
            self._zone = name
            show(self, self._view)


def current_organisation(threads: ThreadListState) -> UUID:
    """The current organisation of a tab, `PRIVATE` for Personal."""
    return threads._view.org_id


def zone_of(threads: ThreadListState) -> tzinfo:
    """The time zone of a tab's browser."""
    return views.time_zone(threads._zone)


def listed_title(threads: ThreadListState, thread_id: str) -> str | None:
    """The title of a thread that a tab lists, which may be empty; None if it lists no such one."""
    found = (one.title for one in threads._view.threads if str(one.id) == thread_id)
    return next(found, None)


def show(threads: ThreadListState, view: ThreadListView) -> None:
    """Let a tab show this. A var is sent whole when it is assigned, so only a change assigns it."""
    before = threads._view
    view = view.arranged(services().clock(), zone_of(threads))
    threads._view = view
    if view.items != before.items:
        threads.items = list(view.items)
    if view.older != before.older:
        threads.older = list(view.older)
    if view.running != before.running:
        threads.running = view.running
    if (view.next is None) != (before.next is None):
        threads.has_more = view.next is not None


def blank(threads: ThreadListState, org_id: UUID = PRIVATE) -> None:
    """Forget everything but the time zone of the browser.

    Args:
        threads: The state of the tab.
        org_id: The organisation whose threads are listed from now on; `PRIVATE` for Personal.
    """
    zone = threads._zone
    threads.reset()
    threads._zone = zone
    threads._view = ThreadListView(org_id=org_id)
    threads.organisation = "" if org_id == PRIVATE else str(org_id)


async def refresh(
    threads: ThreadListState, principal: Principal, *, keeps_scrolled: bool = True
) -> None:
    """Read the newest threads again.

    A new page would begin a notice's time anew, so an old one is dropped.

    Args:
        threads: The state of the tab.
        principal: The user.
        keeps_scrolled: Whether to keep the threads that were scrolled to below them; there may be
            no new ones among those.
    """
    if threads._deleted_at and services().clock() - threads._deleted_at >= UNDO_TIME:
        threads.undo_id, threads._deleted_at = "", None
    view = threads._view
    page = await services().threads.page(
        principal,
        limit=view.page_size,
        query=view.query,
        status=view.status,
        org_id=view.org_id,
    )
    show(threads, view.refreshed(page) if keeps_scrolled else view.loaded(page))
    threads.loaded = True


async def update_thread(
    threads: ThreadListState,
    principal: Principal,
    thread_id: UUID | None,
    summary: ThreadSummary | None = None,
) -> ThreadSummary | None:
    """Show one thread as it is now.

    Args:
        threads: The state of the tab.
        principal: The user.
        thread_id: The thread that changed.
        summary: What it is now, when that has just been read.

    Returns:
        What it is now; None when it is gone, or in another organisation than the listed ones.
    """
    if summary is None and thread_id is not None:
        with contextlib.suppress(NotFound):
            summary = await services().threads.get(principal, thread_id)
    show(threads, threads._view.updated(thread_id, summary))
    return summary if summary and summary.org_id == current_organisation(threads) else None
