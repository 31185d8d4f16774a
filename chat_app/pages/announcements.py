"""What is announced to every user, on top of the chat and of the pages with a menu."""

import reflex as rx

from chat_app.components.ui.feedback import dismissible
from chat_app.components.ui.icons import icon_button
from chat_app.states.announcements import AnnouncementItem, AnnouncementState


def announcements() -> rx.Component:
    """The announcements that the user has not dismissed.

    The element is there without one too: a screen reader says what comes into it, politely, and
    nothing else.
    """
    return rx.el.div(
        rx.foreach(AnnouncementState.items, _announcement),
        role="status",
        aria_live="polite",
        aria_atomic="false",
        aria_relevant="additions text",
        class_name="announcements",
    )


def _announcement(one: rx.vars.ObjectVar[AnnouncementItem]) -> rx.Component:
    return dismissible(
        rx.el.p(one.text, dir="auto"),
        icon_button(
            "close",
            "Dismiss this announcement",
            on_click=AnnouncementState.dismiss(one.id, one.version),
        ),
        class_name="announcement",
        key=f"{one.id}:{one.version}",
    )
