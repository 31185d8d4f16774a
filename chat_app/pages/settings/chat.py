"""`/settings/chat`: how the app looks."""

import reflex as rx

from chat_app.components.auth.account import theme_control
from chat_app.pages.settings.sections import section


def chat() -> rx.Component:
    """The color mode of this browser."""
    return section(
        "Appearance",
        rx.el.div(theme_control(), class_name="theme"),
        lead="Light, dark, or as your system has it. This browser remembers it.",
    )
