"""What a tab shows of the thread list, and the pure rules by which that changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Literal
from uuid import UUID

from chat_app.db.tables import PRIVATE
from chat_app.states.views import ThreadItem, thread_items
from chat_app.threads.search_query import EVERYTHING, SearchQuery
from chat_app.threads.views import ThreadPage, ThreadSummary

PAGE = 50
"""Threads read at a time."""
FOUND = 8
"""Threads read at a time while there is a search: what it finds in messages stands below them."""


@dataclass(frozen=True)
class ThreadListView:
    """The threads that were read, newest first, and their rows.

    The rows stand in two lists, because a var is sent whole: what happens moves threads to the
    top, and what was scrolled to is not sent again for that.

    Args:
        next: The cursor of the following page; None at the end.
        query: What the threads are searched for.
        org_id: The organisation that they are all in; `PRIVATE` for none.
        items: The newest rows.
        older: The rows below them.
    """

    threads: tuple[ThreadSummary, ...] = ()
    next: str | None = None
    query: SearchQuery = EVERYTHING
    org_id: UUID = PRIVATE
    items: tuple[ThreadItem, ...] = ()
    older: tuple[ThreadItem, ...] = ()

    @property
    def running(self) -> list[str]:
        """The ids of threads in which an answer is running."""
        return [str(thread.id) for thread in self.threads if thread.running]

    @property
    def page_size(self) -> int:
        """How many threads are read at first."""
        return PAGE if self.query == EVERYTHING else FOUND

    @property
    def status(self) -> Literal["regular", "all"]:
        """Which threads are read: a search finds those in the archive too."""
        return "regular" if self.query == EVERYTHING else "all"

    def loaded(self, page: ThreadPage) -> "ThreadListView":
        """The newest page alone."""
        return replace(self, threads=tuple(page.threads), next=page.next)

    def extended(self, page: ThreadPage) -> "ThreadListView":
        """With the next page below."""
        ids = {thread.id for thread in self.threads}
        more = (thread for thread in page.threads if thread.id not in ids)
        return replace(self, threads=(*self.threads, *more), next=page.next)

    def refreshed(self, page: ThreadPage) -> "ThreadListView":
        """With the newest page read again, and what was scrolled to kept below it."""
        ids = {thread.id for thread in page.threads}
        last = _age(page.threads[-1]) if page.threads else None
        below = [t for t in self.threads if last and _age(t) < last and t.id not in ids]
        if page.next is None or not below:
            return self.loaded(page)
        return replace(self, threads=(*page.threads, *below))

    def updated(self, thread_id: UUID | None, thread: ThreadSummary | None) -> "ThreadListView":
        """With one thread as it is now, or without it.

        Args:
            thread_id: The thread that changed.
            thread: What it is now; None when it is gone.
        """
        others = [other for other in self.threads if other.id != thread_id]
        if (
            thread is None
            or thread.org_id != self.org_id
            or (thread.is_archived and self.status == "regular")
        ):
            return replace(self, threads=tuple(others))
        if not self.query.names(thread.title, thread.updated_at):
            return self
        end = others[-1].updated_at if others and self.next else None
        if end is None or thread.updated_at >= end:
            others = sorted([*others, thread], key=_age, reverse=True)
        return replace(self, threads=tuple(others))

    def arranged(self, now: datetime, zone: tzinfo) -> "ThreadListView":
        """With the rows that the threads have now.

        Args:
            now: The time.
            zone: Where the user's days begin.
        """
        rows = tuple(thread_items(self.threads, now, zone))
        cut = self._cut(rows)
        return replace(self, items=rows[:cut], older=rows[cut:])

    def _cut(self, rows: Sequence[ThreadItem]) -> int:
        """How many rows stand before the older ones: where these begin now, if that is not far."""
        places = {row.id: place for place, row in enumerate(rows)}
        starts = (places.get(row.id, 0) for row in self.older)
        return next((place for place in starts if PAGE <= place <= 2 * PAGE), PAGE)


def _age(thread: ThreadSummary) -> tuple[datetime, str]:
    """What the list is ordered by, newest last."""
    return thread.updated_at, thread.id.hex
