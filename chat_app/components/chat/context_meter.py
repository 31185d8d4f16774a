"""The context meter in the composer, and the warning above it when the context is nearly full."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.feedback import dismissible
from chat_app.components.ui.icons import icon_button

_WARNINGS = {
    "near": "This chat is getting long: older messages will soon be summarized.",
    "full": "This chat is long: older messages will be summarized before the next answer.",
}
"""By the level of the context."""


class ContextMeter(rx.Component):
    """A button that shows how much of the context window is used, and a card that says more.

    Args:
        context: What it shows; null for nothing.
        outlook: What is summarized, and whether more can be; null until it has been looked up.
        busy: Whether an answer is running.
        compacting: Whether older messages are being summarized.
        is_disconnected: Whether the websocket is disconnected.
        on_look: Called when the card needs an outlook.
        on_compact: Called when the user wants older messages summarized.
    """

    library = script("chat/context_meter")
    tag = "ContextMeter"

    context: rx.Var[Any]
    outlook: rx.Var[Any]
    busy: rx.Var[bool]
    compacting: rx.Var[bool]
    is_disconnected: rx.Var[bool]
    on_look: rx.EventHandler[rx.event.no_args_event_spec]
    on_compact: rx.EventHandler[rx.event.no_args_event_spec]


context_meter = ContextMeter.create


def context_status(
    *,
    level: rx.Var[str],
    compacting: rx.Var[bool],
    said: rx.Var[str],
    busy: rx.Var[bool],
    on_compact: Any,
    on_dismiss: Any,
) -> rx.Component:
    """What is said above the composer: that the context is nearly full, or is being summarized.

    Args:
        level: That of the context; empty for no warning.
        compacting: Whether older messages are being summarized.
        said: What has just been done, for screen readers.
        busy: Whether an answer is running.
        on_compact: Called when the user wants older messages summarized.
        on_dismiss: Called when the user closes the warning.
    """
    return rx.el.div(
        rx.cond(
            compacting,
            rx.el.p("Summarizing older messages…", class_name="context-busy"),
            rx.cond(
                level != "",
                dismissible(
                    rx.el.span(rx.match(level, *_WARNINGS.items(), "")),
                    rx.el.button(
                        "Summarize now",
                        type="button",
                        class_name="quiet-button",
                        disabled=busy,
                        on_click=on_compact,
                    ),
                    icon_button("close", "Dismiss", on_click=on_dismiss),
                    class_name="context-warning",
                ),
            ),
        ),
        rx.el.span(said, class_name="sr-only"),
        role="status",
        class_name="context-status",
    )
