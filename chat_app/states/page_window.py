"""Pagination of the open thread: the few neighbouring pages of messages that a tab shows.

However far a user scrolls, the page holds a bounded part, and a step sends one page.
"""

from dataclasses import dataclass, replace

from chat_app.states.views import MessageItem

PAGE = 30
"""Messages of a page: what is read when a thread is opened, and at each step up or down."""
SLOTS = 6
"""The most pages that are shown at a time."""

Rows = tuple[MessageItem, ...]


@dataclass(frozen=True)
class PageWindow:
    """Neighbouring pages. Each stays in its slot while it is shown, so that only it is sent.

    Args:
        end: The newest page of the history; kept when it is not shown, for what comes after it.
        slots: The rows in each slot, none in those that are not in `order`.
        order: The slots that are shown, from the oldest page to the newest.
        below: The first message of each page that was evicted at the lower end, newest first.
    """

    end: Rows = ()
    slots: tuple[Rows, ...] = ((),) * SLOTS
    order: tuple[int, ...] = ()
    below: tuple[str, ...] = ()

    @classmethod
    def at_end(cls, rows: Rows) -> "PageWindow":
        """Only the newest page."""
        return cls(end=rows)._with(0, rows, (0,)) if rows else cls()

    @property
    def first(self) -> MessageItem | None:
        """The oldest row that is shown."""
        return self.slots[self.order[0]][0] if self.order else None

    @property
    def page_below(self) -> tuple[str, str] | None:
        """The page under the lowest shown one.

        Returns:
            The id of its first message and that of the page after it, which is empty where it is
            the newest page; None where nothing was evicted.
        """
        if not self.below:
            return None
        return self.below[-1], self.below[-2] if len(self.below) > 1 else ""

    def up(self, rows: Rows) -> "PageWindow":
        """Show a page above the others; the lowest one makes room for it."""
        if not rows:
            return self
        if len(self.order) < SLOTS:
            return self._with(self._free, rows, (self._free, *self.order))
        slot = self.order[-1]
        evicted = replace(self, below=(*self.below, self.slots[slot][0].id))
        return evicted._with(slot, rows, (slot, *self.order[:-1]))

    def down(self, rows: Rows) -> "PageWindow":
        """Show the page below again; the highest one makes room for it."""
        rest = replace(self, below=self.below[:-1])
        return rest._under(rows)

    def renewed(self, rows: Rows) -> "PageWindow":
        """Take in how the newest page is now.

        Args:
            rows: It begins with the same message as before, and may have grown.
        """
        if len(rows) <= 2 * PAGE:
            shown = self if self.below else self._with(self.order[-1], rows, self.order)
            return replace(shown, end=rows)
        head, rest = rows[:PAGE], rows[PAGE:]
        if self.below:
            grown = replace(self, end=rest, below=(rest[0].id, *self.below))
        else:
            grown = replace(self._with(self.order[-1], head, self.order)._under(rest), end=rest)
        return grown.renewed(rest)

    def joined(self, rows: Rows) -> Rows | None:
        """Of the thread's last rows, those that belong to the newest page.

        Args:
            rows: They reach above that page unless the thread has changed there.
        """
        first = self.end[0].id if self.end else ""
        for position, row in enumerate(rows):
            if row.id == first:
                return rows[position:]
        return None

    @property
    def _free(self) -> int:
        return next(slot for slot in range(SLOTS) if slot not in self.order)

    def _under(self, rows: Rows) -> "PageWindow":
        if len(self.order) < SLOTS:
            return self._with(self._free, rows, (*self.order, self._free))
        slot = self.order[0]
        return self._with(slot, rows, (*self.order[1:], slot))

    def _with(self, slot: int, rows: Rows, order: tuple[int, ...]) -> "PageWindow":
        slots = (*self.slots[:slot], rows, *self.slots[slot + 1 :])
        return replace(self, slots=slots, order=order)
