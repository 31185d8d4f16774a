"""The end of a list that has more: reaching it loads more, and so does its button."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _EndOfList(rx.Component):
    """A button that presses itself when it comes into view."""

    library = SCRIPTS["end_of_list"]
    tag = "EndOfList"

    label: rx.Var[str]
    length: rx.Var[int]
    on_reach: rx.EventHandler[rx.event.no_args_event_spec]


def end_of_list(label: str, *, length: rx.Var[int], on_reach: Any) -> rx.Component:
    """The button at the end.

    Args:
        label: What it says.
        length: How many rows there are, so that one page is asked for once.
        on_reach: Called when the reader came near.
    """
    return _EndOfList.create(label=label, length=length, on_reach=on_reach)
