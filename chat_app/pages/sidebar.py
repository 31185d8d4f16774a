"""The sidebar of the chat page: search, the list of threads, and the account menu."""

from typing import Any

import reflex as rx

from chat_app.components.auth.account import account_menu
from chat_app.components.chat.organisations import move_dialog, organisation_choices
from chat_app.components.chat.thread_list import (
    load_more,
    roving_list,
    row_menu,
    search_field,
    thread_title,
    title_field,
    undo_button,
)
from chat_app.components.ui.feedback import (
    dismissible,
    notice,
    search_skeleton,
    thread_list_skeleton,
)
from chat_app.components.ui.icons import brand, icon, icon_button, page_link
from chat_app.components.ui.sidebar import close_sidebar, drawer
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.organisations import CurrentOrganisationState
from chat_app.states.search import SearchState
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import HitItem, OrganisationItem, SnippetItem, ThreadItem
from chat_app.threads.search_query import MAX_QUERY

SIDEBAR = "sidebar"
"""The element's id: on a phone it is a drawer that a button opens."""

_SEARCH_DEBOUNCE_MS = 200


def sidebar() -> rx.Component:
    """The sidebar; on a phone it is a drawer."""
    return drawer(
        rx.el.div(
            page_link(brand(), to="/", class_name="home", aria_label="Chat: start a new chat"),
            close_sidebar(SIDEBAR),
            icon_button(
                "close",
                "Close the chat list",
                class_name="only-narrow",
                custom_attrs={"popoverTarget": SIDEBAR, "popoverTargetAction": "hide"},
            ),
            class_name="sidebar-head",
        ),
        page_link(
            icon("new"),
            "New chat",
            to="/",
            class_name="new-chat",
            custom_attrs={"data-testid": "new-thread"},
        ),
        search_field(
            icon("search"),
            rx.el.input(
                # Another organisation's search begins empty.
                key=ThreadListState.organisation,
                type="search",
                placeholder=_search_label(),
                aria_label=_search_label(),
                auto_complete="off",
                max_length=MAX_QUERY,
                class_name="field small",
                # The search outlives a reload; the field must not hide it.
                default_value=ThreadListState.search,
                on_change=[
                    ThreadListState.find.debounce(_SEARCH_DEBOUNCE_MS),
                    SearchState.find_messages.debounce(_SEARCH_DEBOUNCE_MS),
                ],
            ),
            class_name="find",
        ),
        rx.el.nav(_threads(), _messages(), aria_label="Chats", class_name="threads"),
        rx.el.div(SearchState.told, role="status", class_name="sr-only"),
        rx.el.div(
            notice(ThreadListState),
            undo_bar(),
            undo_move_bar(),
            class_name="sidebar-notices",
        ),
        account_menu(AuthState.user, where=_where(), choices=_choices()),
        id=SIDEBAR,
        class_name="sidebar",
        label="Your chats",
    )


def undo_bar() -> rx.Component:
    """A toast with a deletion that can still be undone; it disappears by itself.

    A page that shows it beside the sidebar too is for phones: when the open chat is deleted, the
    drawer closes with its page.
    """
    return rx.el.div(
        rx.cond(
            ThreadListState.undo_id != "",
            dismissible(
                rx.el.span("Deleted “", ThreadListState.undo_title, "”", class_name="undo-words"),
                undo_button(
                    "Undo",
                    thread=ThreadListState.undo_id,
                    on_undo=ThreadListState.undo_delete,
                ),
                icon_button("close", "Dismiss", on_click=ThreadListState.dismiss),
                key=ThreadListState.undo_id,
                class_name="undo",
            ),
        ),
        role="status",
    )


def undo_move_bar() -> rx.Component:
    """A toast with a move that can still be undone; see `undo_bar`."""
    state = CurrentOrganisationState
    return rx.el.div(
        rx.cond(
            state.moved != "",
            dismissible(
                rx.el.span(
                    f"Moved “{state.moved_title}” to {state.moved_to}", class_name="undo-words"
                ),
                undo_button("Undo", thread=state.moved, on_undo=state.undo_move),
                icon_button("close", "Dismiss", on_click=state.dismiss_move),
                key=state.moved,
                class_name="undo",
            ),
        ),
        role="status",
    )


def move_form() -> rx.Component:
    """The dialog that moves a thread of the list, while it is open."""
    state = CurrentOrganisationState
    return rx.cond(
        state.moving != "",
        move_dialog(
            title=thread_title(state.moving_title),
            choices=state.choices,
            current=ThreadListState.organisation,
            problem=state.move_problem,
            on_move=lambda organisation: state.move(state.moving, organisation),
            on_close=state.cancel_move,
            key=state.moving,
        ),
    )


def current_organisation() -> rx.Var[str]:
    """The name of the current organisation, or Personal; empty if the user belongs to none."""
    state = CurrentOrganisationState
    name = rx.cond(state.name != "", state.name, OrganisationItem().name)
    return rx.cond(state.choices.length() > 0, name, "")


def _search_label() -> rx.Var[str]:
    name = CurrentOrganisationState.name
    return rx.cond(name != "", f"Search in {name}", "Search chats")


def _where() -> rx.Component:
    """The current organisation, below the user's name."""
    name = current_organisation()
    return rx.cond(
        name != "",
        rx.el.span(
            rx.el.span(", current organisation: ", class_name="sr-only"),
            rx.el.span(name, custom_attrs={"data-testid": "organisation"}),
            class_name="organisation-name",
        ),
    )


def _choices() -> rx.Component:
    """The choice of the current organisation, and the way to the organisations themselves."""
    return rx.cond(
        CurrentOrganisationState.choices.length() > 0,
        rx.el.div(
            organisation_choices(
                choices=CurrentOrganisationState.choices,
                value=ThreadListState.organisation,
                on_pick=CurrentOrganisationState.switch,
            ),
            page_link(
                icon("people"),
                "Manage organisations",
                to="/settings/organisations",
                class_name="menu-item",
            ),
            class_name="menu-part",
        ),
    )


def _threads() -> rx.Component:
    items, older = ThreadListState.items, ThreadListState.older
    length = (items.length() + older.length()).to(int)
    is_searching = ThreadListState.search != ""
    return rx.cond(
        ThreadListState.loaded,
        rx.cond(
            items.length() > 0,
            rx.fragment(
                roving_list(rx.foreach(items, _row), rx.foreach(older, _row)),
                rx.cond(
                    ThreadListState.has_more,
                    rx.cond(
                        is_searching,
                        _more("Show more chats", ThreadListState.more),
                        load_more(label="Show more", length=length, on_reach=ThreadListState.more),
                    ),
                ),
            ),
            rx.el.p(
                rx.cond(
                    is_searching,
                    rx.fragment("No chats match “", ThreadListState.search, "”."),
                    "Your chats will appear here.",
                ),
                class_name="no-threads",
            ),
        ),
        thread_list_skeleton(),
    )


def _messages() -> rx.Component:
    """What the search has found in messages, below the titles."""
    hits = SearchState.hits
    return rx.cond(
        (ThreadListState.search != "") & ThreadListState.loaded,
        rx.el.section(
            rx.el.h2("In messages", class_name="day"),
            rx.cond(
                hits.length() > 0,
                rx.fragment(
                    roving_list(rx.foreach(hits, _hit)),
                    rx.cond(
                        SearchState.has_more_hits,
                        _more("Show more messages", SearchState.more_messages),
                    ),
                ),
            ),
            rx.cond(
                SearchState.hint != "",
                rx.el.p(SearchState.hint, class_name="no-threads"),
                rx.cond(
                    SearchState.searching,
                    rx.cond(hits.length() == 0, search_skeleton()),
                    rx.cond(
                        hits.length() == 0,
                        rx.el.p("No messages have all these words.", class_name="no-threads"),
                    ),
                ),
            ),
            aria_label="In messages",
            aria_busy=SearchState.searching,
            class_name="hits",
        ),
    )


def _hit(hit: rx.vars.ObjectVar[HitItem]) -> rx.Component:
    """A message: the title of its thread, the text around what was found, and its day."""
    return rx.el.li(
        page_link(
            rx.el.span(thread_title(hit.title), class_name="hit-title"),
            rx.el.span(rx.foreach(hit.snippet, _piece), class_name="hit-text"),
            rx.el.span(
                rx.cond(hit.role == "user", "You", "Answer"), " · ", hit.day, class_name="hit-day"
            ),
            to=hit.url,
            class_name="hit",
            custom_attrs={"data-testid": "hit"},
        ),
        key=hit.url,
    )


def _piece(piece: rx.vars.ObjectVar[SnippetItem]) -> rx.Component:
    return rx.cond(piece.is_hit, rx.el.mark(piece.text), rx.el.span(piece.text))


def _more(label: str, on_click: Any) -> rx.Component:
    return rx.el.button(label, type="button", class_name="quiet-button more", on_click=on_click)


def _row(item: rx.vars.ObjectVar[ThreadItem]) -> rx.Component:
    """A thread: its link with two actions, or its title field; above it the day, on the first."""
    title = thread_title(item.title)
    title_editor = title_field(
        title=item.title, on_save=ThreadListState.rename, on_cancel=ThreadListState.cancel_rename
    )
    can_move = CurrentOrganisationState.choices.length() > 0
    move = CurrentOrganisationState.begin_move(item.id)
    rename, delete = ThreadListState.begin_rename(item.id), ThreadListState.delete(item.id)
    answering = rx.el.span(rx.el.span("answering", class_name="sr-only"), class_name="pulse")
    return rx.el.li(
        rx.cond(item.section != "", rx.el.h2(item.section, class_name="day")),
        rx.cond(
            item.id == ThreadListState.renaming,
            title_editor,
            rx.el.div(
                page_link(
                    rx.el.span(title, class_name="row-title"),
                    rx.cond(item.archived, rx.el.span("Archived", class_name="row-note")),
                    rx.cond(ThreadListState.running.contains(item.id), answering),
                    to=f"/c/{item.id}",
                    class_name="row-link",
                    custom_attrs={
                        "data-testid": "thread",
                        "aria-current": rx.cond(item.id == ChatState.thread, "page", "false"),
                    },
                ),
                rx.el.span(
                    icon_button("rename", f"Rename {title}", on_click=rename),
                    rx.cond(can_move, icon_button("move", f"Move {title} to…", on_click=move)),
                    icon_button("delete", f"Delete {title}", on_click=delete),
                    row_menu(
                        icon("more"),
                        icon("rename"),
                        icon("delete"),
                        icon("move"),
                        label=f"Options for {title}",
                        can_move=can_move,
                        on_rename=rename,
                        on_move=move,
                        on_delete=delete,
                    ),
                    class_name="row-actions",
                ),
                class_name="row",
            ),
        ),
        key=item.id,
    )
