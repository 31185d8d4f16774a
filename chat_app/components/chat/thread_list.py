"""The thread list: its rows, the field that renames one, keyboard navigation, infinite scroll."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon_button, page_link
from chat_app.states.views import ThreadItem

UNTITLED = "New chat"


class RovingList(rx.Component):
    """A `ul` with a roving tabindex: one tab stop, whose arrow keys go from row to row.

    Args:
        children: Each is an `li` with a link, and perhaps buttons.
    """

    library = script("chat/thread_list")
    tag = "RovingList"


class TitleField(rx.Component):
    """A field that renames a thread in place: Enter or blur saves, Escape cancels.

    Args:
        title: The present title.
        on_save: Called with `{"title": …}`.
        on_cancel: Called when nothing was changed.
    """

    library = script("chat/thread_list")
    tag = "TitleField"

    title: rx.Var[str]
    on_save: rx.EventHandler[rx.event.passthrough_event_spec(dict[str, str])]
    on_cancel: rx.EventHandler[rx.event.no_args_event_spec]


class LoadMore(rx.Component):
    """A button at the end of a paginated list that presses itself when it comes into view.

    Args:
        label: The button's text.
        length: How many rows there are, so that each page is requested once.
        on_reach: Called when the reader comes near.
    """

    library = script("chat/thread_list")
    tag = "LoadMore"

    label: rx.Var[str]
    length: rx.Var[int]
    on_reach: rx.EventHandler[rx.event.no_args_event_spec]


roving_list = RovingList.create
load_more = LoadMore.create


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
    """A row: the day where a new one begins, the link, and its two actions.

    Args:
        item: The thread.
        is_open: Whether it is the one on screen.
        is_running: Whether an answer is running in it.
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
            TitleField.create(title=item.title, on_save=on_rename, on_cancel=on_cancel_rename),
            rx.el.div(
                page_link(
                    rx.el.span(thread_title(item.title), class_name="row-title"),
                    rx.cond(
                        is_running,
                        rx.el.span(
                            rx.el.span("answering", class_name="sr-only"), class_name="pulse"
                        ),
                    ),
                    to=f"/c/{item.id}",
                    class_name="row-link",
                    custom_attrs={
                        "data-testid": "thread",
                        "aria-current": rx.cond(is_open, "page", "false"),
                    },
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
    """The title, or the default title of a thread without one."""
    return rx.cond(title != "", title, UNTITLED)
