"""Short sentences that appear when something happened."""

from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from chat_app.components.buttons import icon_button
from chat_app.components.icon import icon

OFFLINE = has_connection_errors
"""Whether the socket is gone; Reflex keeps trying by itself."""


def notice(sentence: rx.Var[str], on_dismiss: Any) -> rx.Component:
    """What went wrong, until it is read."""
    return rx.cond(
        sentence != "",
        rx.el.div(
            icon("warning"),
            rx.el.span(sentence, role="alert"),
            icon_button("close", "Dismiss", on_click=on_dismiss),
            class_name="notice",
        ),
    )


def undo_bar(
    undo_id: rx.Var[str], title: rx.Var[str], *, on_undo: Any, on_dismiss: Any
) -> rx.Component:
    """A deletion that can still be taken back; it leaves by itself."""
    return rx.el.div(
        rx.cond(
            undo_id != "",
            rx.el.div(
                rx.el.span("Deleted “", title, "”", class_name="undo-words"),
                rx.el.button(
                    "Undo",
                    type="button",
                    class_name="text-button",
                    # The row that had the focus is gone.
                    auto_focus=True,
                    on_click=on_undo,
                ),
                icon_button("close", "Dismiss", on_click=on_dismiss),
                key=undo_id,
                class_name="undo",
            ),
        ),
        role="status",
    )


def offline_bar() -> rx.Component:
    """Says that the socket is gone."""
    return rx.el.div(
        rx.cond(
            OFFLINE,
            rx.el.p(icon("offline"), "Connection lost. Reconnecting…", class_name="offline"),
        ),
        role="status",
    )
