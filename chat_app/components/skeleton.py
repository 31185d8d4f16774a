"""Grey shapes where words will be. They say nothing about anybody."""

import reflex as rx


def thread_list_skeleton() -> rx.Component:
    """Rows of the list before it is known."""
    return _shapes("skeleton-rows", (62, 84, 48, 71, 90, 55), "Loading chats")


def conversation_skeleton() -> rx.Component:
    """A conversation before it is known."""
    return _shapes("skeleton-turns", (38, 92, 86, 54, 30, 90, 64), "Loading the conversation")


def section_skeleton() -> rx.Component:
    """A page of the settings before it is known."""
    return _shapes("skeleton-section", (32, 78, 64, 46), "Loading the settings")


def _shapes(class_name: str, widths: tuple[int, ...], label: str) -> rx.Component:
    return rx.el.div(
        rx.el.span(label, class_name="unseen"),
        *(rx.el.span(class_name="shape", style={"width": f"{width}%"}) for width in widths),
        role="status",
        class_name=f"skeleton {class_name}",
    )
