"""The thread list: keyboard navigation, the menu of a row, title field, undo, infinite scroll."""

import reflex as rx

from chat_app.components import script

UNTITLED = "New chat"


class RovingList(rx.Component):
    """A `ul` with a roving tabindex: one tab stop, whose arrow keys go from row to row.

    Args:
        children: Each is an `li` with a link, and perhaps buttons.
    """

    library = script("chat/thread_list")
    tag = "RovingList"


class RowMenu(rx.Component):
    """A button with a menu of what can be done to a row, for devices without a hovering pointer.

    Args:
        children: The icons of the button and of its items.
        label: The button's name.
        can_move: Whether there is the item that moves.
        on_rename: The first item.
        on_move: The one after it.
        on_delete: The last item.
    """

    library = script("chat/thread_list")
    tag = "RowMenu"

    label: rx.Var[str]
    can_move: rx.Var[bool]
    on_rename: rx.EventHandler[rx.event.no_args_event_spec]
    on_move: rx.EventHandler[rx.event.no_args_event_spec]
    on_delete: rx.EventHandler[rx.event.no_args_event_spec]


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


class SearchField(rx.Component):
    """A search field above a list: Enter and the arrow down go from it to the first result.

    Args:
        children: An icon and the field.
    """

    library = script("chat/thread_list")
    tag = "SearchField"


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


class UndoButton(rx.Component):
    """A button that undoes what took a row. It takes the focus, and gives it to the row that comes
    back.

    Args:
        children: Its label.
        thread: The id of the thread.
        on_undo: Called at a click.
    """

    library = script("chat/thread_list")
    tag = "UndoButton"

    thread: rx.Var[str]
    on_undo: rx.EventHandler[rx.event.no_args_event_spec]


roving_list = RovingList.create
search_field = SearchField.create
row_menu = RowMenu.create
title_field = TitleField.create
load_more = LoadMore.create
undo_button = UndoButton.create


def thread_title(title: rx.Var[str]) -> rx.Var[str]:
    """The title, or the default title of a thread without one."""
    return rx.cond(title != "", title, UNTITLED)
