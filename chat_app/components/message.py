"""One bubble: what was said, how it ended, and what can be done with it."""

from typing import Any

import reflex as rx

from chat_app.components.buttons import icon_button
from chat_app.components.icon import icon
from chat_app.components.message_text import copy_button, message_text
from chat_app.states.views import MessageItem

Item = rx.vars.ObjectVar[MessageItem]

_LIVE = ("queued", "running")
_ENDINGS = {
    "stopped": "Stopped.",
    "interrupted": "Interrupted: the server was restarted while it was answering.",
    "revoked": "Stopped because the session ended.",
}


def message(item: Item, *, on_retry: Any) -> rx.Component:
    """A row of the conversation.

    Args:
        item: The message.
        on_retry: Called with the id of an answer that is wanted again.
    """
    return rx.el.article(
        rx.cond(item.role == "user", _question(item), _answer(item, on_retry)),
        class_name="turn",
        custom_attrs={
            "data-message": item.id,
            "data-role": item.role,
            "data-status": item.status,
        },
    )


def _question(item: Item) -> rx.Component:
    return rx.fragment(
        rx.el.h2("You said", class_name="unseen"),
        rx.el.div(
            message_text(text=item.text, run=item.handle, status=item.status, plain=True),
            class_name="bubble",
        ),
    )


def _answer(item: Item, on_retry: Any) -> rx.Component:
    return rx.fragment(
        rx.el.h2("Answer", class_name="unseen"),
        message_text(text=item.text, run=item.handle, status=item.status),
        rx.cond(_is_live(item) | (item.status == "complete"), None, _ending(item, on_retry)),
        rx.cond(_is_live(item), None, _actions(item, on_retry)),
    )


def _is_live(item: Item) -> rx.Var[bool]:
    return (item.status == _LIVE[0]) | (item.status == _LIVE[1])


def _ending(item: Item, on_retry: Any) -> rx.Component:
    sentence = rx.match(item.status, *_ENDINGS.items(), "The model could not answer.")
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
        copy_button(icon("copy"), icon("check"), text=item.text, run=item.handle),
        rx.cond(
            item.status == "complete",
            icon_button("retry", "Answer again", class_name="retry", on_click=on_retry(item.id)),
        ),
        class_name="turn-actions",
    )
