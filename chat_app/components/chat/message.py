"""A message of the conversation, with its status and actions, and the scroller around them all."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.markdown.message_text import copy_button, message_text
from chat_app.components.ui.icons import icon, icon_button
from chat_app.states.views import MessageItem

Item = rx.vars.ObjectVar[MessageItem]

_RUNNING = ("queued", "running")
_ENDINGS = {
    "stopped": "Stopped.",
    "interrupted": "Interrupted: the server restarted while it was answering.",
    "revoked": "Stopped because the session ended.",
}


class Scroller(rx.Component):
    """The scrolling message log. It stays at the end only while the reader is there.

    Args:
        children: The rows; each message is an `article` element, at any depth.
        thread: Another value scrolls to the end: another conversation is shown.
        sent: Another value scrolls to the end: the user's own message was accepted.
        older: Whether there are older messages to load.
        newer: Whether there are newer messages to load; until then the last row is not the end.
        on_top: Called when the reader nears the top, once until rows were added above.
        on_bottom: Called when the reader nears the last row while there are newer messages, once
            until rows were added below.
        on_end: Called when the reader wants the end while there are newer messages; the scroller
            goes there as soon as there are none.
    """

    library = script("chat/scroller")
    tag = "Scroller"

    thread: rx.Var[str]
    sent: rx.Var[str]
    older: rx.Var[bool]
    newer: rx.Var[bool]

    on_top: rx.EventHandler[rx.event.no_args_event_spec]
    on_bottom: rx.EventHandler[rx.event.no_args_event_spec]
    on_end: rx.EventHandler[rx.event.no_args_event_spec]


scroller = Scroller.create


def message(item: Item, *, on_retry: Any) -> rx.Component:
    """A row of the conversation.

    Args:
        item: The message.
        on_retry: Called with the id of an answer to regenerate.
    """
    return rx.el.article(
        rx.cond(item.role == "user", _question(item), _answer(item, on_retry)),
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
            message_text(text=item.text, stream_id=item.stream_id, status=item.status, plain=True),
            class_name="bubble",
        ),
    )


def _answer(item: Item, on_retry: Any) -> rx.Component:
    return rx.fragment(
        rx.el.h2("Answer", class_name="sr-only"),
        message_text(text=item.text, stream_id=item.stream_id, status=item.status),
        rx.cond(_is_running(item) | (item.status == "complete"), None, _ending(item, on_retry)),
        rx.cond(_is_running(item), None, _actions(item, on_retry)),
    )


def _is_running(item: Item) -> rx.Var[bool]:
    return (item.status == _RUNNING[0]) | (item.status == _RUNNING[1])


def _ending(item: Item, on_retry: Any) -> rx.Component:
    sentence = rx.match(item.status, *_ENDINGS.items(), "The model couldn't answer.")
    return rx.el.div(
        rx.cond(item.status == "failed", icon("warning"), icon("stopped")),
        rx.el.span(rx.cond(item.error != "", item.error, sentence)),
        rx.el.button(
            icon("retry"),
            "Retry",
            type="button",
            class_name="small-button retry",
            on_click=on_retry(item.id),
        ),
        class_name="ending",
        custom_attrs={"data-status": item.status},
    )


def _actions(item: Item, on_retry: Any) -> rx.Component:
    return rx.el.div(
        copy_button(icon("copy"), icon("check"), text=item.text, stream_id=item.stream_id),
        rx.cond(
            item.status == "complete",
            icon_button("retry", "Regenerate", class_name="retry", on_click=on_retry(item.id)),
        ),
        class_name="message-actions",
    )
