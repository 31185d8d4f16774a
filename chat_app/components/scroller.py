"""The conversation's scrolling: stays at the end only while the reader is there."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class Scroller(rx.Component):
    """The message log."""

    library = SCRIPTS["scroller"]
    tag = "Scroller"

    thread: rx.Var[str]
    sent: rx.Var[str]
    older: rx.Var[bool]

    on_top: rx.EventHandler[rx.event.no_args_event_spec]


def scroller(
    *children,
    on_top: rx.event.EventType,
    thread: rx.Var[str] | str = "",
    sent: rx.Var[str] | str = "",
    older: rx.Var[bool] | bool = True,
    **props,
) -> rx.Component:
    """The message log around its rows.

    Args:
        *children: The rows; each message is an `article` element, at any depth.
        on_top: Called when the reader nears the top, once until rows came in above.
        thread: Another value goes to the end: another conversation is shown.
        sent: Another value goes to the end: the person's own message was taken.
        older: Whether there are older messages to ask for.
        **props: For the outer element (`class_name`, `id`).
    """
    return Scroller.create(*children, on_top=on_top, thread=thread, sent=sent, older=older, **props)
