"""Light, dark, or as the system says.

Reflex keeps the choice in the browser and applies it before the first paint.
"""

import reflex as rx
from reflex.style import color_mode, set_color_mode
from reflex_base.style import LiteralColorMode

from chat_app.components.icon import icon

_MODES: tuple[tuple[LiteralColorMode, str], ...] = (
    ("light", "Light"),
    ("dark", "Dark"),
    ("system", "System"),
)


def theme_control() -> rx.Component:
    """Three buttons, one of them pressed."""
    return rx.el.div(
        *(
            rx.el.button(
                icon(mode),
                rx.el.span(label),
                type="button",
                on_click=set_color_mode(mode),
                aria_pressed=color_mode == mode,
            )
            for mode, label in _MODES
        ),
        role="group",
        aria_label="Theme",
        class_name="segments",
    )
