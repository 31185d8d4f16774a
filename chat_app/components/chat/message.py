"""A message of the conversation, with its status and actions, and the scroller around them all."""

import functools
import operator
from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.markdown.message_text import copy_button, message_text
from chat_app.components.ui.icons import icon, icon_button
from chat_app.reflex_ext.build import api_url
from chat_app.states.views import MessageItem, MetricItem

Item = rx.vars.ObjectVar[MessageItem]

_RUNNING = ("queued", "running")
_ENDINGS = {
    "stopped": "Stopped",
    "interrupted": "Interrupted: the server restarted while it was answering.",
    "revoked": "Stopped: the device that asked was signed out.",
}
_FAILED = "The model couldn't answer."
_CUT = {
    "length": "Reached the length limit.",
    "size": "Reached this server's size limit.",
    "content-filter": "The provider withheld the rest of this answer.",
}
"""What is said of an answer that is complete but not whole, by its reason."""


class Scroller(rx.Component):
    """The scrolling message log. It stays at the end only while the reader is there.

    Args:
        children: The rows; each message is an `article` element, at any depth.
        thread: Another value scrolls to the end: another conversation is shown.
        sent: Another value scrolls to the end: the user's own message was accepted.
        sought: The id of a message that the URL names: it is brought into view once a visit.
        older: Whether there are older messages to load.
        newer: Whether there are newer messages to load; until then the last row is not the end.
        source: The HTTP route of the threads, where printing reads what is not on the page.
        endings: What is said of an answer there, by its status or by the reason why it ended.
        on_top: Called when the reader nears the top, once until rows were added above.
        on_bottom: Called when the reader nears the last row while there are newer messages, once
            until rows were added below.
        on_end: Called when the reader wants the end while there are newer messages; the scroller
            goes there as soon as there are none.
        on_seek: Called with the id in `sought` when that message is not on the page.
    """

    library = script("chat/scroller")
    tag = "Scroller"

    thread: rx.Var[str]
    sent: rx.Var[str]
    sought: rx.Var[str]
    older: rx.Var[bool]
    newer: rx.Var[bool]
    source: rx.Var[str]
    endings: rx.Var[dict[str, str]]

    on_top: rx.EventHandler[rx.event.no_args_event_spec]
    on_bottom: rx.EventHandler[rx.event.no_args_event_spec]
    on_end: rx.EventHandler[rx.event.no_args_event_spec]
    on_seek: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class AnswerDetails(rx.Component):
    """A button that shows what an answer took, and the list of it.

    Args:
        children: The content of the button.
        message: The answer's id.
        shown_message: The id of the answer whose details are shown; empty for none.
        items: Those details.
        loading: Whether they are still being read.
        on_show: Called with the id of the answer whose details are wanted, or empty to close them.
    """

    library = script("chat/answer_details")
    tag = "AnswerDetails"

    message: rx.Var[str]
    shown_message: rx.Var[str]
    items: rx.Var[list[MetricItem]]
    loading: rx.Var[bool]
    on_show: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class Clamped(rx.Component):
    """A long text of which the first lines are shown, with a button that shows the rest."""

    library = script("chat/clamped")
    tag = "Clamped"


clamped = Clamped.create


def scroller(*rows: rx.Component, **props: Any) -> rx.Component:
    """The message log; see `Scroller`."""
    endings = {**_ENDINGS, **_CUT, "failed": _FAILED}
    return Scroller.create(*rows, source=api_url("/api/threads"), endings=endings, **props)


def answer_details(**props: Any) -> rx.Component:
    """The button and the list; see `AnswerDetails`."""
    return AnswerDetails.create(icon("details"), **props)


def message(
    item: Item, *, can_retry: rx.Var[bool], on_retry: Any, details: rx.Component
) -> rx.Component:
    """A row of the conversation.

    Args:
        item: The message.
        can_retry: Whether it is an answer that can be regenerated.
        on_retry: Called with its id to do so.
        details: What the answer took, shown on request among the actions.
    """
    return rx.el.article(
        rx.cond(item.role == "user", _question(item), _answer(item, can_retry, on_retry, details)),
        class_name="message",
        custom_attrs={
            "data-testid": "message",
            "data-message": item.id,
            "data-role": item.role,
            "data-status": item.status,
        },
    )


def _question(item: Item) -> rx.Component:
    return rx.fragment(
        rx.el.h2("You said", class_name="sr-only"),
        rx.el.div(
            clamped(_text(item, plain=True)),
            _copy(item, label="Copy your message"),
            class_name="bubble",
        ),
    )


def _answer(
    item: Item, can_retry: rx.Var[bool], on_retry: Any, details: rx.Component
) -> rx.Component:
    retry = on_retry(item.id)
    is_whole = (item.status == "complete") & ~_is_cut(item)
    return rx.fragment(
        rx.el.h2("Answer", class_name="sr-only"),
        _text(item),
        rx.cond(_is_running(item) | is_whole, None, _ending(item, can_retry, retry)),
        rx.cond(_is_running(item), None, _actions(item, can_retry, retry, details)),
    )


def _text(item: Item, **props: Any) -> rx.Component:
    return message_text(
        parts=item.parts, stream_id=item.stream_id, status=item.status, message=item.id, **props
    )


def _copy(item: Item, **props: Any) -> rx.Component:
    return copy_button(
        icon("copy"), icon("check"), parts=item.parts, stream_id=item.stream_id, **props
    )


def _is_running(item: Item) -> rx.Var[bool]:
    return (item.status == _RUNNING[0]) | (item.status == _RUNNING[1])


def _is_cut(item: Item) -> rx.Var[bool]:
    return functools.reduce(operator.or_, (item.reason == reason for reason in _CUT))


def _ending(item: Item, can_retry: rx.Var[bool], retry: Any) -> rx.Component:
    cut = rx.match(item.reason, *_CUT.items(), "")
    sentence = rx.match(item.status, ("complete", cut), *_ENDINGS.items(), _FAILED)
    is_complete = item.status == "complete"  # then "Regenerate" stands among the actions
    button = rx.el.button(
        icon("retry"), "Retry", type="button", class_name="small-button retry", on_click=retry
    )
    return rx.el.div(
        rx.match(
            item.status,
            ("failed", icon("warning")),
            ("complete", icon("cut")),
            ("stopped", rx.fragment()),
            icon("stopped"),
        ),
        rx.el.span(rx.cond(item.error != "", item.error, sentence)),
        rx.cond(can_retry & ~is_complete, button),
        class_name="ending",
        custom_attrs={"data-status": item.status, "data-reason": item.reason},
    )


def _actions(
    item: Item, can_retry: rx.Var[bool], retry: Any, details: rx.Component
) -> rx.Component:
    return rx.el.div(
        _copy(item),
        rx.cond(
            can_retry & (item.status == "complete"),
            icon_button("retry", "Regenerate", class_name="retry", on_click=retry),
        ),
        details,
        class_name="message-actions",
    )
