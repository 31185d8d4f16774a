"""What a tab shows of the open thread, and the pure rules by which that changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chat_app.states.page_window import PAGE, PageWindow, Rows
from chat_app.states.views import MessageItem, ModelItem, arrived, stored
from chat_app.threads.views import MessageView, Window

NEWEST = 4
"""Messages that are read to see what is new at the end of a thread."""


_EMPTY = PageWindow()


@dataclass(frozen=True)
class ChatView:
    """The open thread as a tab shows it.

    Args:
        thread: Its id; empty for a new chat.
        pages: What was there when the thread was opened, and what was scrolled to.
        recent: What arrived since.
        missing: Whether the user has no such thread.
    """

    thread: str = ""
    title: str = ""
    model: str = ""
    models: tuple[ModelItem, ...] = ()
    pages: PageWindow = _EMPTY
    recent: Rows = ()
    has_older: bool = False
    busy: bool = False
    loading: bool = True
    missing: bool = False

    @classmethod
    def opening(cls, thread: str | None) -> "ChatView":
        """A thread of which nothing is known yet.

        Args:
            thread: Its id, empty for a new chat, or None when the URL names no thread.
        """
        return cls(thread=thread or "", missing=thread is None, loading=bool(thread))

    @property
    def variables(self) -> dict[str, Any]:
        """The vars of `ChatState`."""
        pages = {f"page{slot}": list(rows) for slot, rows in enumerate(self.pages.slots)}
        return pages | {
            "thread": self.thread,
            "title": self.title,
            "model": self.model,
            "models": list(self.models),
            "order": list(self.pages.order),
            "recent": list(self.recent),
            "has_older": self.has_older,
            "has_newer": bool(self.pages.below),
            "busy": self.busy,
            "loading": self.loading,
            "missing": self.missing,
        }

    @property
    def reload_limit(self) -> int:
        """How many of the newest messages are read to load the thread again."""
        end = len(self.pages.end)
        return end + len(self.recent) + NEWEST if end else PAGE

    def offering(self, models: Sequence[ModelItem], default: str) -> "ChatView":
        """The models to choose from. A thread continues with the model it had."""
        model = self.model if self.model or self.thread else default
        return replace(self, models=tuple(models), model=model)

    def loaded(self, window: Window, default: str) -> "ChatView":
        """The end of the thread, read again. A user who reads further up stays there.

        Args:
            window: The newest `reload_limit` messages.
            default: The id of the default model.
        """
        settled = tuple(stored(message) for message in window.messages if not message.run_id)
        end = self.pages.joined(settled)
        if end is None:
            has_older = window.has_older or len(settled) > PAGE
            view = replace(self, has_older=has_older, pages=PageWindow.at_end(settled[-PAGE:]))
        else:
            view = replace(self, pages=self.pages.renewed(end))
        recent = tuple(arrived(message) for message in window.messages if message.run_id)
        view = replace(view, recent=recent, loading=False, missing=False)
        return view.with_head(window, default)

    def with_head(self, window: Window, default: str) -> "ChatView":
        """The title, the model and whether an answer is running, as the database has them."""
        model = self.model
        if not model:
            last = window.thread.model
            model = last if last in {offered.id for offered in self.models} else default
        return replace(self, model=model, title=window.thread.title, busy=window.run is not None)

    def up(self, window: Window) -> "ChatView":
        """One page further up."""
        pages = self.pages.up(tuple(map(stored, window.messages)))
        return replace(self, has_older=window.has_older, pages=pages)

    def down(self, rows: Rows) -> "ChatView":
        """One page further down."""
        return replace(self, has_older=True, pages=self.pages.down(rows))

    def at_end(self) -> "ChatView":
        """The newest page alone."""
        return replace(self, has_older=True, pages=PageWindow.at_end(self.pages.end))


@dataclass(frozen=True)
class WindowUpdate:
    """What changed at the end of the open thread.

    Args:
        recent: The rows that arrived while the page was open, oldest first.
        texts: Messages whose text the page has not seen, to be sent as stream chunks.
        reload: The change reaches into rows that are not recent: load the window again.
    """

    recent: list[MessageItem]
    texts: list[MessageView]
    reload: bool = False


def advance(
    history: Sequence[MessageItem],
    recent: Sequence[MessageItem],
    window: Window,
    max_recent: int = 24,
) -> WindowUpdate:
    """Fold the newest messages of a thread into the rows a page shows.

    Args:
        history: The newest of the rows that were there when the thread was opened.
        recent: The rows that arrived since.
        window: The newest few messages of the chosen branch, as the database has them now.
        max_recent: With more recent rows than this the window is loaded again.
    """
    reload = WindowUpdate(list(recent), [], reload=True)
    old = {row.id: row for row in history}
    messages = list(window.messages)
    settled = [message for message in messages if str(message.id) in old]
    if any(_differs(old[str(message.id)], message) for message in settled):
        return reload
    if settled and str(settled[-1].id) != history[-1].id:
        return reload
    fresh = messages[len(settled) :]
    kept = [] if settled else _before(fresh, history, recent)
    if kept is None:
        return reload
    known = {row.id: row for row in recent}
    texts = [m for m in fresh if str(m.id) not in known and m.run_id is None]
    rows = [
        replace(known.get(str(m.id)) or arrived(m), status=m.status, error=m.error) for m in fresh
    ]
    merged = [*kept, *rows]
    return reload if len(merged) > max_recent else WindowUpdate(merged, texts)


def _differs(row: MessageItem, message: MessageView) -> bool:
    return row.status != message.status or row.error != message.error


def _before(
    fresh: Sequence[MessageView], history: Sequence[MessageItem], recent: Sequence[MessageItem]
) -> list[MessageItem] | None:
    """The recent rows that come before the window, or None when the two do not join."""
    if not fresh:
        return []
    first = str(fresh[0].id)
    for position, row in enumerate(recent):
        if row.id == first:
            return list(recent[:position])
    last = recent[-1] if recent else history[-1] if history else None
    joins = (last.id if last else "None") == str(fresh[0].parent_id)
    return list(recent) if joins else None
