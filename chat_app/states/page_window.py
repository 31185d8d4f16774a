"""Pagination of the open thread: the few neighbouring pages of messages that a tab shows.

However far a user scrolls, the page holds a bounded part, and a step sends one page.
"""

from dataclasses import dataclass, replace

from chat_app.states.views import MessageItem

PAGE = 30
"""Messages of a page: what is read when a thread is opened, and at each step up or down."""
MAX_PAGES = 6
"""The most pages that are shown at a time."""

Rows = tuple[MessageItem, ...]


@dataclass(frozen=True)
class PageWindow:
    """Neighbouring pages. Each keeps its var while it is shown, so that only a new one is sent.

    Args:
        end: The newest page of the history; kept when it is not shown, for what comes after it.
        pages: The rows of each var, none in those that are not in `order`.
        order: The vars that are shown, from the oldest page to the newest.
        evicted: The first message of each page that was evicted at the lower end, newest first.
    """

    end: Rows = ()
    pages: tuple[Rows, ...] = ((),) * MAX_PAGES
    order: tuple[int, ...] = ()
    evicted: tuple[str, ...] = ()

    @classmethod
    def at_end(cls, rows: Rows) -> "PageWindow":
        """Only the newest page."""
        return cls(end=rows)._with(0, rows, (0,)) if rows else cls()

    @classmethod
    def at(cls, rows: Rows, end: Rows, evicted: tuple[str, ...]) -> "PageWindow":
        """One page above the newest one.

        Args:
            rows: The page; empty for the newest one.
            end: The newest page.
            evicted: The first message of each page below, newest first.
        """
        return cls(end=end, evicted=evicted)._with(0, rows, (0,)) if rows else cls.at_end(end)

    @property
    def first(self) -> MessageItem | None:
        """The oldest row that is shown."""
        return self.pages[self.order[0]][0] if self.order else None

    @property
    def next_evicted(self) -> tuple[str, str] | None:
        """The page below the lowest shown one.

        Returns:
            The id of its first message and that of the page after it, which is empty where it is
            the newest page; None where nothing was evicted.
        """
        if not self.evicted:
            return None
        return self.evicted[-1], self.evicted[-2] if len(self.evicted) > 1 else ""

    def up(self, rows: Rows) -> "PageWindow":
        """Show a page above the others; the lowest one makes room for it."""
        if not rows:
            return self
        if len(self.order) < MAX_PAGES:
            return self._with(self._free, rows, (self._free, *self.order))
        page = self.order[-1]
        without = replace(self, evicted=(*self.evicted, self.pages[page][0].id))
        return without._with(page, rows, (page, *self.order[:-1]))

    def down(self, rows: Rows) -> "PageWindow":
        """Show the page below again; the highest one makes room for it."""
        return replace(self, evicted=self.evicted[:-1])._under(rows)

    def renewed(self, rows: Rows) -> "PageWindow":
        """Take in how the newest page is now.

        Args:
            rows: It begins with the same message as before, and may have grown.
        """
        if len(rows) <= 2 * PAGE:
            shown = self if self.evicted else self._with(self.order[-1], rows, self.order)
            return replace(shown, end=rows)
        head, rest = rows[:PAGE], rows[PAGE:]
        if self.evicted:
            grown = replace(self, end=rest, evicted=(rest[0].id, *self.evicted))
        else:
            grown = replace(self._with(self.order[-1], head, self.order)._under(rest), end=rest)
        return grown.renewed(rest)

    def joined(self, rows: Rows) -> Rows | None:
        """Of the thread's last rows, those that belong to the newest page.

        Args:
            rows: They reach above that page unless the thread has changed there.
        """
        first = self.end[0].id if self.end else ""
        return next((rows[place:] for place, row in enumerate(rows) if row.id == first), None)

    @property
    def _free(self) -> int:
        return next(page for page in range(MAX_PAGES) if page not in self.order)

    def _under(self, rows: Rows) -> "PageWindow":
        if len(self.order) < MAX_PAGES:
            return self._with(self._free, rows, (*self.order, self._free))
        page = self.order[0]
        return self._with(page, rows, (*self.order[1:], page))

    def _with(self, page: int, rows: Rows, order: tuple[int, ...]) -> "PageWindow":
        pages = (*self.pages[:page], rows, *self.pages[page + 1 :])
        return replace(self, pages=pages, order=order)
