"""What a tab shows of the open thread, and the pure rules by which that changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from chat_app.db.tables import ACTIVE, PRIVATE
from chat_app.states.model_views import ModelItem, options_item
from chat_app.states.page_window import PAGE, PageWindow, Rows
from chat_app.states.views import MessageItem, arrived, stored
from chat_app.threads.options import NO_OPTIONS, ChatOptions
from chat_app.threads.views import MessageView, Window

NEWEST = 4
"""Messages that are read to see what is new at the end of a thread."""


_EMPTY = PageWindow()


@dataclass(frozen=True)
class NewChat:
    """What a new chat begins with.

    Args:
        model: The id of a model; empty for the default one.
        options: The options of its answers.
    """

    model: str = ""
    options: ChatOptions = NO_OPTIONS


@dataclass(frozen=True)
class ChatView:
    """The open thread as a tab shows it.

    Args:
        thread: Its id; empty for a new chat.
        history: What was there when the thread was opened, and what was scrolled to.
        tail: What arrived since.
        options: Those of its next answers; None until they are known.
        begins: What a new chat begins with, as far as that is known.
        missing: Whether the user has no such thread.
        archived: Whether the thread is in the archive.
        org_id: The organisation that the chat is in; `PRIVATE` for none.
        last_model: The name of the model that the thread had, if it may not be called any more.
        unavailable: The same, until another one is chosen; else empty.
        no_model: Why there is no model to choose; empty if there is one.
    """

    thread: str = ""
    title: str = ""
    archived: bool = False
    model: str = ""
    options: ChatOptions | None = None
    begins: NewChat = NewChat()
    models: tuple[ModelItem, ...] = ()
    history: PageWindow = _EMPTY
    tail: Rows = ()
    has_older: bool = False
    busy: bool = False
    loading: bool = True
    missing: bool = False
    org_id: UUID = PRIVATE
    last_model: str = ""
    unavailable: str = ""
    no_model: str = ""

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
        pages = {f"page{number}": list(rows) for number, rows in enumerate(self.history.pages)}
        return pages | {
            "thread": self.thread,
            "title": self.title,
            "archived": self.archived,
            "model": self.model,
            "models": list(self.models),
            "options": None if self.options is None else options_item(self.options),
            "order": list(self.history.order),
            "tail": list(self.tail),
            "has_older": self.has_older,
            "has_newer": bool(self.history.evicted),
            "busy": self.busy,
            "continuable": self.continuable,
            "loading": self.loading,
            "missing": self.missing,
            "model_note": self.model_note,
        }

    @property
    def model_note(self) -> str:
        """What is to be said of the models: there is none, or that of the thread is off."""
        if self.no_model or not self.unavailable:
            return self.no_model
        name = next((model.name for model in self.models if model.id == self.model), self.model)
        return (
            f"{self.unavailable} isn't available any more, so {name} answers unless you choose "
            "another model."
        )

    @property
    def continuable(self) -> str:
        """The id of the answer that can be continued, the thread's last; empty for none."""
        last = (*self.history.end, *self.tail)[-1:]
        return "".join(row.id for row in last if row.goes_on and not self.busy)

    @property
    def shown(self) -> set[str]:
        """The ids of the rows that are shown."""
        return {row.id for page in (*self.history.pages, self.tail) for row in page}

    @property
    def reload_limit(self) -> int:
        """How many of the newest messages are read to load the thread again."""
        end = len(self.history.end)
        return end + len(self.tail) + NEWEST if end else PAGE

    def offering(
        self,
        models: Sequence[ModelItem],
        default: str,
        begins: NewChat | None = None,
        *,
        no_model: str = "",
    ) -> "ChatView":
        """The models to choose from. A thread continues with the model it had.

        A new chat has what the user chose last for new chats, until they choose something for it.

        Args:
            models: All of them.
            default: The id of the one that answers if the user chose none.
            begins: What new chats begin with; None if that is not known.
            no_model: Why there is none; empty if there is one.
        """
        offered = {model.id for model in models}
        view = replace(self, models=tuple(models), no_model=no_model)
        if self.thread:
            return view
        chosen = self.begins if begins is None else begins
        chosen = replace(chosen, model=chosen.model if chosen.model in offered else default)
        if self.model in ("", self.begins.model) or self.model not in offered:
            view = replace(view, model=chosen.model)
        if begins is not None and self.options in (None, self.begins.options):
            view = replace(view, options=chosen.options)
        return replace(view, begins=chosen)

    def loaded(self, window: Window, default: str) -> "ChatView":
        """The end of the thread, read again. A user who reads further up stays there.

        Args:
            window: The newest messages, up to `history.end`; at most `reload_limit`.
            default: The id of the default model.
        """
        settled = tuple(stored(message) for message in window.messages if not message.is_running)
        end = self.history.joined(settled)
        if end is None:
            has_older = window.has_older or len(settled) > PAGE
            view = replace(self, has_older=has_older, history=PageWindow.at_end(settled[-PAGE:]))
        else:
            view = replace(self, history=self.history.renewed(end))
        tail = tuple(arrived(message) for message in window.messages if message.is_running)
        view = replace(view, tail=tail, loading=False, missing=False)
        return view.with_head(window, default)

    def at_message(
        self, window: Window, rows: Rows, below: tuple[str, ...], *, has_older: bool, default: str
    ) -> "ChatView":
        """The page of the branch that has a message, whatever was shown before.

        Args:
            window: The end of the branch.
            rows: The page of the message; empty where that is the newest one.
            below: The first message of each page below it, newest first.
            has_older: Whether there are messages above the page.
            default: The id of the default model.
        """
        settled = tuple(stored(message) for message in window.messages if not message.is_running)
        tail = tuple(arrived(message) for message in window.messages if message.is_running)
        view = replace(
            self,
            history=PageWindow.at(rows, settled[-PAGE:], below),
            tail=tail,
            has_older=has_older,
            loading=False,
            missing=False,
        )
        return view.with_head(window, default)

    def with_head(self, window: Window, default: str) -> "ChatView":
        """What the database has of the thread itself: its title, status, model and options."""
        last = window.thread.model
        offered = {model.id for model in self.models}
        is_offered = last in offered
        kept = self.model if self.model in offered or not offered else ""
        return replace(
            self,
            model=last if is_offered else kept or default,
            unavailable="" if is_offered else self.last_model,
            options=window.thread.options,
            title=window.thread.title,
            archived=window.thread.is_archived,
            busy=window.run is not None,
        )

    def up(self, window: Window) -> "ChatView":
        """One page further up."""
        pages = self.history.up(tuple(map(stored, window.messages)))
        return replace(self, has_older=window.has_older, history=pages)

    def down(self, rows: Rows) -> "ChatView":
        """One page further down."""
        return replace(self, has_older=True, history=self.history.down(rows))

    def at_end(self) -> "ChatView":
        """The newest page alone."""
        return replace(self, has_older=True, history=PageWindow.at_end(self.history.end))


@dataclass(frozen=True)
class WindowUpdate:
    """What changed at the end of the open thread.

    Args:
        tail: The rows that arrived while the page was open, oldest first.
        texts: Messages whose text the page has not seen, to be sent as stream chunks.
        reload: The change reaches into rows that are not in the tail: load the window again.
    """

    tail: list[MessageItem]
    texts: list[MessageView]
    reload: bool = False


def advance(
    history: Sequence[MessageItem],
    tail: Sequence[MessageItem],
    window: Window,
    max_tail: int = 24,
) -> WindowUpdate:
    """Fold the newest messages of a thread into the rows a page shows.

    Args:
        history: The newest of the rows that were there when the thread was opened.
        tail: The rows that arrived since.
        window: The newest few messages of the chosen branch, as the database has them now.
        max_tail: With more rows in the tail than this the window is loaded again.
    """
    reload = WindowUpdate(list(tail), [], reload=True)
    old = {row.id: row for row in history}
    messages = list(window.messages)
    settled = [message for message in messages if str(message.id) in old]
    if any(_differs(old[str(message.id)], message) for message in settled):
        return reload
    if settled and str(settled[-1].id) != history[-1].id:
        return reload
    fresh = messages[len(settled) :]
    kept = [] if settled else _before(fresh, history, tail)
    if kept is None:
        return reload
    known = {row.id: row for row in tail}
    if any(_is_extended(known.get(str(m.id)), m) for m in fresh):
        return reload
    texts = [m for m in fresh if not m.is_running and _is_unseen(known.get(str(m.id)), m)]
    merged = [*kept, *map(arrived, fresh)]
    return reload if len(merged) > max_tail else WindowUpdate(merged, texts)


def _differs(row: MessageItem, message: MessageView) -> bool:
    now = stored(message)
    return replace(row, parts=[], stream_id="") != replace(now, parts=[], stream_id="")


def _is_unseen(row: MessageItem | None, message: MessageView) -> bool:
    """Whether a page has not seen the text of a message that is over, and does not follow it."""
    return row is None or (row.status not in ACTIVE and row.length != len(message.text))


def _is_extended(row: MessageItem | None, message: MessageView) -> bool:
    """Whether a message that is over has another part, such as a summary, and no other text.

    A summary can be made between two readings of the thread: the page then has followed the answer
    to its end, and has not yet shown that it was over.
    """
    if row is None or message.status in ACTIVE:
        return False
    if row.status in ACTIVE:
        return is_summary_outcome(message)
    return row.count != len(message.parts) and row.length == len(message.text)


def is_summary_outcome(message: MessageView) -> bool:
    """Whether a message ends with a summary that was asked for, or that none could be made."""
    if not message.parts:
        return False
    last = message.parts[-1]
    is_failure = last["type"] == "notice" and last["code"] == "summary_failed"
    return last["type"] == "summary" or is_failure


def _before(
    fresh: Sequence[MessageView], history: Sequence[MessageItem], tail: Sequence[MessageItem]
) -> list[MessageItem] | None:
    """The tail rows that come before the window, or None when the two do not join."""
    if not fresh:
        return []
    first = str(fresh[0].id)
    for position, row in enumerate(tail):
        if row.id == first:
            return list(tail[:position])
    last = tail[-1] if tail else history[-1] if history else None
    joins = (last.id if last else "None") == str(fresh[0].parent_id)
    return list(tail) if joins else None
