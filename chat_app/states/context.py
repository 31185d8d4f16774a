"""The context meter of the open thread: how full it is, and the summary that a user asks for."""

import contextlib
from typing import Any
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseError, InvalidInput, NotFound, message_of
from chat_app.services import services
from chat_app.states import current_principal, notify, try_action
from chat_app.states.chat import ChatState
from chat_app.states.chat_view import is_summary_outcome
from chat_app.states.views import ContextItem, OutlookItem, context_item
from chat_app.threads.views import MessageView, Window

_DISMISSED = 50
"""Closed warnings that a tab remembers."""


class ContextState(ChatState):
    """How much of the context window the open branch uses.

    A state of its own: the rows that read it are not rendered again when the thread changes.

    Attributes:
        context: What the meter shows; None for an empty chat.
        level: How near a summary is: `near`, `full`, or empty.
        outlook: What is summarized; None until the meter has been opened.
        compacting: Whether older messages are being summarized.
        said: What has just been done, for screen readers.
    """

    context: rx.Field[ContextItem | None] = rx.field(None)
    level: rx.Field[str] = rx.field("")
    outlook: rx.Field[OutlookItem | None] = rx.field(None)
    compacting: rx.Field[bool] = rx.field(False)
    said: rx.Field[str] = rx.field("")

    # What the figure was made of: as long as that is the same, it is not made again.
    _measured: tuple[object, ...] = ()
    # The newest message and how many parts it has: a summary is a part more of the same message.
    _newest: tuple[UUID, int] | None = None

    @rx.event
    async def look(self):
        """Look up what is summarized, and whether more can be; the meter is being opened."""
        if not self.thread or self.missing:
            return
        try:
            with contextlib.suppress(NotFound):
                found = await services().runs.contexts.outlook(
                    current_principal(), UUID(self.thread)
                )
                self.outlook = OutlookItem(found.summarized, found.can_summarize)
        except DatabaseError as error:
            notify(self, error.message)

    @rx.event
    async def compact(self, thread: str):
        """Summarize the older messages of the thread on the page."""
        self.notice = ""
        if thread:
            await try_action(self, services().runs.compact(current_principal(), UUID(thread)))


class WarningState(rx.State):
    """The warnings that a tab has closed. They stay closed when another thread is opened.

    Attributes:
        dismissed: The threads.
    """

    dismissed: rx.Field[list[str]] = rx.field(default_factory=list)

    @rx.event
    async def dismiss(self, thread: str):
        """Close the warning of a thread that its context is nearly full."""
        others = [known for known in self.dismissed if known != thread]
        self.dismissed = [*others, thread][-_DISMISSED:]


def is_compacting(window: Window) -> bool:
    """Whether the thread's active run only adds a summary to an answer that has ended."""
    return any(message.is_compacting for message in window.messages)


async def show_context(state: ContextState, principal: Principal, window: Window | None) -> None:
    """Show how much of the context window the end of the open thread uses, if that has changed.

    Args:
        state: The tab's.
        principal: The user.
        window: The newest messages of the thread; None when there is none.
    """
    last = window.messages[-1] if window and window.messages else None
    if window is None or last is None:
        if state._measured:
            _assign(state, context=None, level="", outlook=None, compacting=False, said="")
            state._measured, state._newest = (), None
        return
    measured = state.model, last.id, last.status, last.run_id, len(last.parts), len(last.text)
    if measured == state._measured:
        return
    compacting, said = is_compacting(window), ""
    if not compacting:
        said = state.said if state._newest == (last.id, len(last.parts)) else _outcome(last, state)
        state._newest = last.id, len(last.parts)
    _assign(state, compacting=compacting, said=said, outlook=None)
    try:
        model = services().models.get(state.model)
    except InvalidInput:
        # the models are not known yet, or this one is no longer offered
        _assign(state, context=None, level="")
        return
    try:
        usage = await services().runs.contexts.usage(principal, window, model)
    except DatabaseError:
        return  # the messages are shown all the same; the next news measures again
    level = "" if usage is None else usage.level
    _assign(state, context=None if usage is None else context_item(usage), level=level)
    state._measured = measured


def _outcome(message: MessageView, state: ContextState) -> str:
    """What became of a summary that was being made; empty when none was, or when it was stopped.

    The tab may have shown nothing of the making: a short one ends before the thread is read again.

    Args:
        message: The newest message as it is now.
        state: As it was when the message was last shown.
    """
    if state._newest is None or state._newest[0] != message.id:
        return ""
    if message.is_running or not is_summary_outcome(message):
        return ""
    last = message.parts[-1]
    if last["type"] == "notice":
        return message_of(last["code"], last["params"])
    return "Older messages are summarized."


def _assign(state: ContextState, **values: Any) -> None:
    """Set vars. Each that is assigned is sent, so only a change assigns it."""
    for name, value in values.items():
        if getattr(state, name) != value:
            setattr(state, name, value)
