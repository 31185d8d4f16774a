"""Four ways to begin, on an empty chat."""

from typing import Any

import reflex as rx

from chat_app.components.icon import icon
from chat_app.components.scripts import SCRIPTS

STARTERS = (
    ("learn", "Learn", "Explain how tides work to a curious ten-year-old."),
    ("write", "Write", "Write a haiku about rain."),
    ("plan", "Plan", "Plan a quiet weekend in a city I have never visited."),
    ("code", "Code", "Write a Python function that groups words by their anagrams."),
)


def _sent(client_id: rx.Var[str], text: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    return client_id, text


class _Starter(rx.Component):
    """A button that sends its text, once."""

    library = SCRIPTS["starters"]
    tag = "Starter"

    text: rx.Var[str]
    disabled: rx.Var[bool]
    on_send: rx.EventHandler[_sent]


def starters(*, on_send: Any, busy: rx.Var[bool]) -> rx.Component:
    """The buttons.

    Args:
        on_send: Called with a client id and the text.
        busy: Whether an answer is being made already.
    """
    return rx.el.ul(
        *(
            rx.el.li(
                _Starter.create(
                    icon(picture),
                    rx.el.strong(name),
                    rx.el.span(text),
                    text=text,
                    disabled=busy,
                    on_send=on_send,
                )
            )
            for picture, name, text in STARTERS
        ),
        class_name="starters",
        aria_label="Ways to begin",
    )
