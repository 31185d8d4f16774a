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
    newer: rx.Var[bool]

    on_top: rx.EventHandler[rx.event.no_args_event_spec]
    on_bottom: rx.EventHandler[rx.event.no_args_event_spec]
    on_end: rx.EventHandler[rx.event.no_args_event_spec]


def scroller(
    *children,
    on_top: rx.event.EventType,
    on_bottom: rx.event.EventType,
    on_end: rx.event.EventType,
    thread: rx.Var[str] | str = "",
    sent: rx.Var[str] | str = "",
    older: rx.Var[bool] | bool = True,
    newer: rx.Var[bool] | bool = False,
    **props,
) -> rx.Component:
    """The message log around its rows.

    Args:
        *children: The rows; each message is an `article` element, at any depth.
        on_top: Called when the reader nears the top, once until rows came in above.
        on_bottom: Called when they near the last row while there are newer messages below it, once
            until rows came in there.
        on_end: Called when they want to be at the end while there are newer messages: the scroller
            goes there as soon as there are none.
        thread: Another value goes to the end: another conversation is shown.
        sent: Another value goes to the end: the person's own message was taken.
        older: Whether there are older messages to ask for.
        newer: Whether there are newer messages to ask for; until then the last row is not the end.
        **props: For the outer element (`class_name`, `id`).
    """
    return Scroller.create(
        *children,
        on_top=on_top,
        on_bottom=on_bottom,
        on_end=on_end,
        thread=thread,
        sent=sent,
        older=older,
        newer=newer,
        **props,
    )
