"""`/` and `/c/{thread}`: the chat page, with the open thread's messages and the composer."""

import functools
import operator
from typing import Any

import reflex as rx

from chat_app.components.auth.sign_in import require_auth
from chat_app.components.chat.composer import chat_options, composer, model_picker, starters
from chat_app.components.chat.context_meter import context_meter, context_status
from chat_app.components.chat.message import (
    MessageEvents,
    answer_details,
    edit_form,
    message,
    scroller,
    undo_branch,
)
from chat_app.components.chat.thread_list import thread_title
from chat_app.components.markdown.message_text import chunk_feed
from chat_app.components.ui.document import page_effects
from chat_app.components.ui.feedback import (
    conversation_skeleton,
    dismissible,
    notice,
    offline_bar,
    thread_list_skeleton,
)
from chat_app.components.ui.icons import PRODUCT, brand, icon, icon_button, page_link
from chat_app.components.ui.sidebar import open_sidebar, sidebar_shortcut
from chat_app.pages.announcements import announcements
from chat_app.pages.sidebar import (
    SIDEBAR,
    current_organisation,
    move_form,
    sidebar,
    undo_bar,
    undo_move_bar,
)
from chat_app.reflex_ext.app import is_disconnected
from chat_app.reflex_ext.build import baked_settings
from chat_app.states.auth import AuthState
from chat_app.states.branches import BranchState
from chat_app.states.chat import ChatState
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.context import ContextState, WarningState
from chat_app.states.details import DetailsState
from chat_app.states.feed import Feed
from chat_app.states.organisations import CurrentOrganisationState
from chat_app.states.page_window import MAX_PAGES
from chat_app.states.readers import ReadersState
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import MessageItem

_CONVERSATION = "conversation"  # the id that the skip link goes to

_GAP = MessageItem(
    id="", role="", parts=[], stream_id="", status="", error="", place="later messages"
)
"""No message: where those are left out that come before the tail."""


def _signed_in() -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to the conversation", href=f"#{_CONVERSATION}", class_name="skip"),
        sidebar(),
        _conversation(),
        move_form(),
        chunk_feed(chunk=Feed.f, on_resync=Feed.resync),
        page_effects(
            thread=ChatState.thread,
            title=ChatState.title,
            product=PRODUCT,
            deleted=ThreadListState.undo_id,
            on_zone=ThreadListState.set_zone,
            on_deleted=rx.redirect("/"),
        ),
        class_name="app",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        rx.el.aside(
            rx.el.div(brand(), class_name="sidebar-head"),
            thread_list_skeleton(),
            aria_label="Your chats",
            class_name="sidebar waiting",
        ),
        rx.el.main(
            rx.el.h1(PRODUCT, class_name="sr-only"),
            rx.el.div(conversation_skeleton(), class_name="scroll"),
            class_name="conversation",
        ),
        class_name="app",
    )


chat = require_auth(_signed_in, waiting=_waiting)
"""The page."""


def _conversation() -> rx.Component:
    return rx.el.main(
        _top_bar(),
        offline_bar(),
        announcements(),
        _readers(),
        rx.el.div(
            notice(CurrentOrganisationState),
            class_name="page-undo",
        ),
        rx.el.div(undo_bar(), undo_move_bar(), class_name="page-undo only-narrow"),
        rx.cond(
            ChatState.missing,
            _not_found(),
            rx.fragment(
                rx.cond(ChatState.thread == "", _beginning(), _messages()),
                _dock(),
                rx.cond(ChatState.thread == "", _suggestions()),
                rx.el.p("AI can make mistakes. Check important answers.", class_name="small-print"),
            ),
        ),
        id=_CONVERSATION,
        tab_index=-1,
        class_name="conversation",
    )


def _readers() -> rx.Component:
    """Says that an admin of an organisation read this chat, and why."""
    readers = ReadersState.readers
    return rx.cond(
        readers.length() > 0,
        rx.el.div(
            rx.el.p(readers[0].text, " Reason: ", rx.el.q(readers[0].reason)),
            page_link(
                "Who read your chats", to="/settings/data#readings", class_name="text-button"
            ),
            role="status",
            class_name="readers",
        ),
    )


def _top_bar() -> rx.Component:
    return rx.el.header(
        icon_button(
            "menu",
            "Your chats",
            class_name="only-narrow",
            custom_attrs={"popoverTarget": SIDEBAR},
        ),
        open_sidebar(SIDEBAR),
        page_link(
            icon("new"),
            to="/",
            class_name="icon-button no-sidebar",
            title="Start a new chat",
            aria_label="Start a new chat",
        ),
        sidebar_shortcut(sidebar=SIDEBAR),
        rx.el.h1(
            rx.cond(
                ChatState.loading,
                rx.el.span("Loading", class_name="sr-only"),
                rx.cond(ChatState.missing, "Not found", thread_title(ChatState.title)),
            ),
            class_name="thread-title",
        ),
        # Where the sidebar is open it says so.
        rx.cond(
            (CurrentOrganisationState.name != "") & (ChatState.thread != ""),
            rx.el.span(CurrentOrganisationState.name, class_name="thread-where"),
        ),
        class_name="top-bar",
    )


def _messages() -> rx.Component:
    return scroller(
        rx.el.div(
            rx.cond(
                ChatState.has_older, _page_button("up", "Show earlier messages", ChatState.older)
            ),
            rx.cond(ChatState.loading, conversation_skeleton()),
            rx.fragment(rx.foreach(_rows(), _message), key=ChatState.thread),
            class_name="messages",
            custom_attrs={"data-busy": ChatState.busy},
        ),
        on_top=ChatState.older,
        on_bottom=ChatState.newer,
        on_end=ChatState.latest,
        thread=ChatState.thread,
        sent=ChatState.accepted,
        sought=ChatState.sought,
        on_seek=ChatState.seek,
        older=ChatState.has_older,
        newer=ChatState.has_newer,
    )


def _page_button(
    picture: str, label: str, on_click: Any, class_name: str = "quiet-button"
) -> rx.Component:
    return rx.el.button(
        icon(picture), label, type="button", class_name=class_name, on_click=on_click
    )


def _rows() -> rx.vars.ArrayVar[list[MessageItem]]:
    """All rows as one list: one that moves from the tail to a page stays as it is on the page."""
    numbers = range(MAX_PAGES)
    pages = rx.Var.create([getattr(ChatState, f"page{number}") for number in numbers])
    pages = pages.to(list[list[MessageItem]])
    shown = [
        rx.cond(ChatState.order.length() > place, pages[ChatState.order[place]], [])
        for place in numbers
    ]
    gap = rx.cond(ChatState.has_newer, [_GAP], [])
    lists = (part.to(list[MessageItem]) for part in (*shown, gap, ChatState.tail))
    return functools.reduce(operator.add, lists).to(list[MessageItem])


def _message(item: rx.vars.ObjectVar[MessageItem]) -> rx.Component:
    can_continue = item.id == ChatState.continuable
    # What comes after this button is not shown until all before it is (conversation.css).
    later = _page_button("down", "Show later messages", ChatState.newer, "quiet-button later")
    row = rx.cond(item.id == "", later, _row(item=item, can_continue=can_continue))
    # A version takes the row of another one, so that its buttons keep the focus and their place.
    return rx.fragment(row, key=item.place)


# A row that has not changed is not rendered again when others come and go.
@rx.memo
def _row(item: rx.Var[MessageItem], can_continue: rx.Var[bool]) -> rx.Component:
    shown = item.to(MessageItem)
    return message(
        shown,
        MessageEvents(
            retry=ChatState.retry,
            go_on=BranchState.continue_answer,
            choose=BranchState.choose,
            delete=BranchState.delete,
        ),
        can_continue=can_continue,
        details=_details(message_id=shown.id),
        editor=_editor(message_id=shown.id, parts=shown.parts, stream_id=shown.stream_id),
    )


# Sending an edit renders no other row again.
@rx.memo
def _editor(
    message_id: rx.Var[str], parts: rx.Var[list[dict[str, Any]]], stream_id: rx.Var[str]
) -> rx.Component:
    return edit_form(
        message=message_id,
        parts=parts,
        stream_id=stream_id,
        accepted=BranchState.edited,
        refused=BranchState.refused_edit,
        max_bytes=baked_settings().message_bytes,
        on_send=BranchState.edit,
    )


# Opening the details of one answer renders no other row again.
@rx.memo
def _details(message_id: rx.Var[str]) -> rx.Component:
    return answer_details(
        message=message_id,
        shown_message=DetailsState.message_id,
        items=DetailsState.items,
        loading=DetailsState.loading_details,
        on_show=DetailsState.show,
    )


def _beginning() -> rx.Component:
    # "Lovelace, Ada" begins with a comma after the first word.
    name = AuthState.user.name.split(" ")[0].replace(",", "")
    organisation = current_organisation()
    return rx.el.div(
        rx.el.p(rx.cond(name != "", rx.fragment("Hello, ", name, "."), "Hello.")),
        rx.el.h2("What can I help with?"),
        rx.cond(
            organisation != "",
            rx.el.p("New chat in ", organisation, class_name="beginning-where"),
        ),
        class_name="beginning",
    )


# After the composer, which stands between the heading and them where there is room for it
# (conversation.css).
def _suggestions() -> rx.Component:
    return rx.el.div(
        starters(on_send=_send, busy=ChatState.busy, is_disconnected=is_disconnected),
        class_name="suggestions",
    )


def _send(client_id: rx.Var[str], text: rx.Var[str]) -> Any:
    """Send to the thread that the page shows, for the model and the options that it shows."""
    options = rx.cond(ChatState.thread == "", ChatState.options, None)
    return ChatState.send(  # pyright: ignore[reportCallIssue] Reflex types four arguments
        *(client_id, ChatState.thread, text, ChatState.model, options),
        ThreadListState.organisation,
    )


def _options() -> rx.Component:
    return chat_options(
        thread=ChatState.thread,
        options=ChatState.options,
        caps=ChatDefaultsState.caps,
        models=ChatState.models,
        model=ChatState.model,
        saved=ChatState.options_saved,
        refused=ChatState.options_refused,
        problem=ChatState.options_problem,
        is_disconnected=is_disconnected,
        on_save=lambda request, options: ChatState.set_options(request, ChatState.thread, options),
    )


def _not_found() -> rx.Component:
    return rx.el.div(
        icon("nothing"),
        rx.el.h2("Chat not found"),
        rx.el.p("It was deleted, or the link is wrong."),
        page_link("Start a new chat", to="/", class_name="button"),
        class_name="not-found",
    )


def _undo_branch() -> rx.Component:
    """A toast with the deletion of a branch, while it can be undone; it disappears by itself."""
    return rx.el.div(
        rx.cond(
            BranchState.deleted_message != "",
            dismissible(
                rx.el.span("Messages deleted", class_name="undo-words"),
                undo_branch(
                    "Undo",
                    message=BranchState.deleted_message,
                    on_undo=BranchState.undo_delete,
                ),
                icon_button("close", "Dismiss", on_click=BranchState.dismiss_undo),
                key=BranchState.deleted_message,
                class_name="undo",
            ),
        ),
        role="status",
        class_name="branch-undo",
    )


def _context_meter() -> rx.Component:
    return context_meter(
        context=ContextState.context,
        outlook=ContextState.outlook,
        busy=ChatState.busy,
        compacting=ContextState.compacting,
        is_disconnected=is_disconnected,
        on_look=ContextState.look,
        on_compact=ContextState.compact(ChatState.thread),
    )


def _context_status() -> rx.Component:
    is_dismissed = WarningState.dismissed.contains(ChatState.thread)
    return context_status(
        level=rx.cond(is_dismissed, "", ContextState.level),
        compacting=ContextState.compacting,
        said=ContextState.said,
        busy=ChatState.busy,
        on_compact=ContextState.compact(ChatState.thread),
        on_dismiss=WarningState.dismiss(ChatState.thread),
    )


def _archived() -> rx.Component:
    """Says that the chat is in the archive, and brings it back."""
    return rx.el.div(
        rx.el.span("This chat is archived. A new message brings it back."),
        rx.el.button(
            "Unarchive",
            type="button",
            class_name="text-button",
            on_click=ChatState.unarchive(ChatState.thread),
        ),
        role="status",
        class_name="archived",
    )


def _dock() -> rx.Component:
    return rx.el.div(
        notice(ChatState),
        _undo_branch(),
        rx.cond(ChatState.archived, _archived()),
        rx.cond(
            ChatState.model_note != "",
            rx.el.div(rx.el.span(ChatState.model_note), role="status", class_name="archived"),
        ),
        _context_status(),
        composer(
            model_picker(
                models=ChatState.models,
                value=ChatState.model,
                on_pick=ChatState.pick_model,
                on_open=ChatState.refresh_models,
            ),
            _options(),
            _context_meter(),
            busy=ChatState.busy,
            is_disconnected=is_disconnected,
            accepted=ChatState.accepted,
            opens_chat=ChatState.thread == "",
            refused=ChatState.refused,
            owner=AuthState.user.id,
            draft_key=rx.cond(
                ChatState.thread != "", "draft:" + ChatState.thread.to(str), "draft:new"
            ),
            on_send=_send,
            on_stop=ChatState.stop(ChatState.thread),
            on_open=rx.redirect("/c/" + ChatState.opened.to(str)),
            max_bytes=baked_settings().message_bytes,
            placeholder="Ask anything",
        ),
        class_name="dock",
    )
