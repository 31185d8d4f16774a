"""Feedback of the app: notices, the offline bar and skeletons."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon, icon_button
from chat_app.reflex_ext.app import is_disconnected


class Notice(rx.Component):
    """A message that keeps the focus near it when it is dismissed.

    Args:
        children: The message, and its buttons.
    """

    library = script("ui/notice")
    tag = "Notice"


dismissible = Notice.create


def notice(state: Any) -> rx.Component:
    """The notice of a state, until it is dismissed.

    Args:
        state: A `NoticeState`.
    """
    return rx.cond(
        state.notice != "",
        dismissible(
            icon("warning"),
            rx.el.span(state.notice, key=state.notice_key, role="alert"),
            icon_button("close", "Dismiss", on_click=state.dismiss),
        ),
    )


def outcome(state: Any, class_name: str = "done") -> rx.Component:
    """What has just been done on a page, for screen readers too.

    Args:
        state: An `AdminState`.
        class_name: `sr-only` where the page shows it in another way.
    """
    said = rx.el.span(state.done, key=state.notice_key)
    return rx.el.p(rx.cond(state.done != "", said), role="status", class_name=class_name)


class OfflineBar(rx.Component):
    """Says that the server cannot be reached.

    Args:
        children: An icon.
        is_disconnected: Whether the websocket is disconnected. That the browser has no network is
            said without it.
    """

    library = script("ui/offline")
    tag = "OfflineBar"

    is_disconnected: rx.Var[bool]


def offline_bar() -> rx.Component:
    """Shown while the server cannot be reached."""
    return OfflineBar.create(icon("offline"), is_disconnected=is_disconnected)


def thread_list_skeleton() -> rx.Component:
    """Placeholder of the thread list while it loads."""
    return _skeleton("skeleton-rows", (62, 84, 48, 71, 90, 55), "Loading chats")


def search_skeleton() -> rx.Component:
    """Placeholder of what a search finds in messages."""
    return _skeleton("skeleton-hits", (54, 92, 70, 38, 88, 61), "Searching messages")


def conversation_skeleton() -> rx.Component:
    """Placeholder of a conversation while it loads."""
    return _skeleton("skeleton-messages", (38, 92, 86, 54, 30, 90, 64), "Loading the conversation")


def section_skeleton() -> rx.Component:
    """Placeholder of a section of a page while it loads."""
    return _skeleton("skeleton-section", (32, 78, 64, 46), "Loading")


def _skeleton(class_name: str, widths: tuple[int, ...], label: str) -> rx.Component:
    return rx.el.div(
        rx.el.span(label, class_name="sr-only"),
        *(rx.el.span(class_name="shape", style={"width": f"{width}%"}) for width in widths),
        role="status",
        class_name=f"skeleton {class_name}",
    )
