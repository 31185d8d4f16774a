"""The state of the search in messages, below the titles in the sidebar."""

from dataclasses import replace
from datetime import tzinfo
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.thread_list import ThreadListState, current_organisation, zone_of
from chat_app.states.views import HitItem, hit_item
from chat_app.threads.search import Hit, HitPage
from chat_app.threads.search_query import parse_query
from chat_app.threads.views import ThreadSummary

PAGE = 20
"""Hits read at a time."""

_SHORT = "Type a whole word to search in messages."


class SearchState(rx.State):
    """The messages that the words in the search field are in.

    Attributes:
        searching: Whether they are being read.
        hint: What to change about the search, or why it failed; empty when there is nothing to say.
        told: What screen readers hear when a search is over.
    """

    hits: rx.Field[list[HitItem]] = rx.field(default_factory=list)
    has_more_hits: rx.Field[bool] = rx.field(False)
    searching: rx.Field[bool] = rx.field(False)
    hint: rx.Field[str] = rx.field("")
    told: rx.Field[str] = rx.field("")

    _text: str = ""
    _found: tuple[Hit, ...] = ()
    _next: str | None = None

    @rx.event(supersedes=True)
    async def find_messages(self, text: str):
        """Show the messages with every word of `text`."""
        self._text, self.searching = text, bool(text.strip())
        if not self.searching:
            self.reset()
            return
        self.hint = self.told = ""
        yield
        threads = await self.get_state(ThreadListState)
        principal, zone = current_principal(), zone_of(threads)
        try:
            is_searchable = parse_query(text, zone).is_searchable
            page = await services().search.find(
                principal,
                text,
                limit=PAGE,
                zone=zone,
                in_titles=False,
                org_id=_searched(principal, threads),
            )
        except ChatError as error:
            page, is_searchable, self.hint = HitPage([], None), True, error.message
        if not is_searchable:
            self.hint = _SHORT
        self._found = ()
        self._show(page, zone)
        self.searching = False
        count = f"{len(self._found)}{'+' if page.next else ''}"
        noun = "message" if count == "1" else "messages"
        self.told = self.hint or f"{count} {noun} found"

    @rx.event
    async def more_messages(self):
        """Show the next page."""
        if self._next is None:
            return
        threads = await self.get_state(ThreadListState)
        principal, zone = current_principal(), zone_of(threads)
        try:
            page = await services().search.find(
                principal,
                self._text,
                after=self._next,
                limit=PAGE,
                zone=zone,
                in_titles=False,
                org_id=_searched(principal, threads),
            )
        except ChatError as error:
            self.hint = error.message
        else:
            self._show(page, zone)

    def _show(self, page: HitPage, zone: tzinfo) -> None:
        self._found, self._next = (*self._found, *page.hits), page.next
        self.has_more_hits = page.next is not None
        now = services().clock()
        self.hits = [hit_item(hit, now, zone) for hit in self._found]


def _searched(principal: Principal, threads: ThreadListState) -> UUID | None:
    """The organisation that a search is in; None where the user has no other chats anyway."""
    return current_organisation(threads) if principal.memberships else None


async def drop_deleted_hits(
    search: SearchState, principal: Principal, thread_id: UUID | None
) -> None:
    """Hide the hits in a thread whose messages were deleted.

    Args:
        search: The state of the tab.
        principal: The user.
        thread_id: The thread whose branches changed.
    """
    listed = [hit.message_id for hit in search._found if hit.thread_id == thread_id]
    messages = [message for message in listed if message is not None]
    if not messages:
        return
    gone = set(messages) - await services().search.left(principal, messages)
    if gone:
        search.hits = [
            item
            for item, hit in zip(search.hits, search._found, strict=True)
            if hit.message_id not in gone
        ]
        search._found = tuple(hit for hit in search._found if hit.message_id not in gone)


def update_hits(search: SearchState, thread_id: UUID | None, thread: ThreadSummary | None) -> None:
    """Show the hits in a thread as it is now.

    Args:
        search: The state of the tab.
        thread_id: The thread that changed.
        thread: What it is now; None when it is gone.
    """
    if all(hit.thread_id != thread_id for hit in search._found):
        return
    if thread is None:
        search._found = tuple(hit for hit in search._found if hit.thread_id != thread_id)
        search.hits = [item for item in search.hits if item.thread != str(thread_id)]
        return
    search._found = tuple(
        replace(hit, title=thread.title) if hit.thread_id == thread_id else hit
        for hit in search._found
    )
    search.hits = [
        replace(item, title=thread.title) if item.thread == str(thread_id) else item
        for item in search.hits
    ]
