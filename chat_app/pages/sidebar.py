"""The list of threads at the side of the chat page."""

import reflex as rx

from chat_app.components.account_menu import account_menu
from chat_app.components.brand import brand
from chat_app.components.buttons import icon_button, page_link
from chat_app.components.end_of_list import end_of_list
from chat_app.components.icon import icon
from chat_app.components.notices import notice, undo_bar
from chat_app.components.roving import roving_list
from chat_app.components.skeleton import thread_list_skeleton
from chat_app.components.thread_row import thread_row
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import path_of
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import ThreadItem

SIDEBAR = "sidebar"
"""The element's id: on a phone it is a drawer that a button opens."""

_FIND_AFTER_MS = 200


def sidebar() -> rx.Component:
    """Everything about threads but the open one."""
    return rx.el.aside(
        rx.el.div(
            page_link(brand(), to="/", class_name="home", aria_label="Chat: start a new chat"),
            icon_button(
                "close",
                "Close the list",
                class_name="only-narrow",
                custom_attrs={"popoverTarget": SIDEBAR, "popoverTargetAction": "hide"},
            ),
            class_name="sidebar-head",
        ),
        page_link(icon("new"), "New chat", to="/", class_name="new-chat"),
        rx.el.div(
            icon("search"),
            rx.el.input(
                type="search",
                placeholder="Find a chat",
                aria_label="Find a chat by its title",
                auto_complete="off",
                class_name="field small",
                # What is looked for outlives a reload; the field must not hide it.
                default_value=ThreadListState.search,
                on_change=ThreadListState.find.debounce(_FIND_AFTER_MS),
            ),
            class_name="find",
        ),
        rx.el.nav(_threads(), aria_label="Chats", class_name="threads"),
        rx.el.div(
            notice(ThreadListState.notice, ThreadListState.dismiss),
            undo_bar(
                ThreadListState.undo_id,
                ThreadListState.undo_title,
                on_undo=ThreadListState.undo_delete,
                on_dismiss=ThreadListState.dismiss,
            ),
            class_name="sidebar-notices",
        ),
        account_menu(
            AuthState.person,
            settings=path_of("profile"),
            sign_out=backend("/api/auth/signout"),
            picture=backend("/api/account/picture"),
        ),
        id=SIDEBAR,
        class_name="sidebar",
        aria_label="Your chats",
        custom_attrs={"popover": "auto"},
    )


def _threads() -> rx.Component:
    return rx.cond(
        ThreadListState.loaded,
        rx.cond(
            ThreadListState.items.length() > 0,
            rx.fragment(
                roving_list(
                    rx.foreach(ThreadListState.items, _row),
                    rx.foreach(ThreadListState.older, _row),
                ),
                rx.cond(
                    ThreadListState.has_more,
                    end_of_list(
                        "Show more",
                        length=(ThreadListState.items.length() + ThreadListState.older.length()).to(
                            int
                        ),
                        on_reach=ThreadListState.more,
                    ),
                ),
            ),
            rx.el.p(
                rx.cond(
                    ThreadListState.search != "",
                    rx.fragment("No chat is called like “", ThreadListState.search, "”."),
                    "Your chats will be kept here.",
                ),
                class_name="no-threads",
            ),
        ),
        thread_list_skeleton(),
    )


def _row(item: rx.vars.ObjectVar[ThreadItem]) -> rx.Component:
    return thread_row(
        item,
        is_open=item.id == ChatState.thread,
        is_running=ThreadListState.running.contains(item.id),
        is_renaming=item.id == ThreadListState.renaming,
        on_begin_rename=ThreadListState.begin_rename,
        on_rename=ThreadListState.rename,
        on_cancel_rename=ThreadListState.cancel_rename,
        on_delete=ThreadListState.delete,
    )
