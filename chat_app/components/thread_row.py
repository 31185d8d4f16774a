"""One thread in the list."""

from typing import Any

import reflex as rx

from chat_app.components.buttons import icon_button, page_link
from chat_app.components.title_field import title_field
from chat_app.states.views import ThreadItem

UNTITLED = "New chat"


def thread_row(
    item: rx.vars.ObjectVar[ThreadItem],
    *,
    is_open: rx.Var[bool],
    is_running: rx.Var[bool],
    is_renaming: rx.Var[bool],
    on_begin_rename: Any,
    on_rename: Any,
    on_cancel_rename: Any,
    on_delete: Any,
) -> rx.Component:
    """A list item: the day where a new one begins, the link, and its two actions.

    Args:
        item: The thread.
        is_open: Whether it is the one on screen.
        is_running: Whether an answer is being made in it.
        is_renaming: Whether its title is a field now.
        on_begin_rename: Called with its id.
        on_rename: Called with `{"title": …}`.
        on_cancel_rename: Called when the title stays.
        on_delete: Called with its id.
    """
    return rx.el.li(
        rx.cond(item.section != "", rx.el.h3(item.section, class_name="day")),
        rx.cond(
            is_renaming,
            title_field(item.title, on_save=on_rename, on_cancel=on_cancel_rename),
            rx.el.div(
                page_link(
                    rx.el.span(thread_title(item.title), class_name="row-title"),
                    rx.cond(
                        is_running,
                        rx.el.span(
                            rx.el.span("answering", class_name="unseen"), class_name="pulse"
                        ),
                    ),
                    to=f"/c/{item.id}",
                    class_name="row-link",
                    custom_attrs={"aria-current": rx.cond(is_open, "page", "false")},
                ),
                rx.el.span(
                    icon_button(
                        "rename",
                        f"Rename {thread_title(item.title)}",
                        on_click=on_begin_rename(item.id),
                    ),
                    icon_button(
                        "delete", f"Delete {thread_title(item.title)}", on_click=on_delete(item.id)
                    ),
                    class_name="row-actions",
                ),
                class_name="row",
            ),
        ),
        key=item.id,
    )


def thread_title(title: rx.Var[str]) -> rx.Var[str]:
    """The title, or what a thread without one is called."""
    return rx.cond(title != "", title, UNTITLED)
