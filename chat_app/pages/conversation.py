"""The open thread: its head, its messages and the composer."""

from typing import Any

import reflex as rx

from chat_app.components.buttons import icon_button, page_link
from chat_app.components.composer import composer
from chat_app.components.icon import icon
from chat_app.components.message import message
from chat_app.components.notices import OFFLINE, notice, offline_bar
from chat_app.components.scroller import scroller
from chat_app.components.skeleton import conversation_skeleton
from chat_app.components.starters import starters
from chat_app.components.thread_row import thread_title
from chat_app.pages.sidebar import SIDEBAR
from chat_app.settings import settings
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.stretch import SLOTS
from chat_app.states.views import MessageItem

CONVERSATION = "conversation"
"""The element's id, for who skips the list."""


def conversation() -> rx.Component:
    """The main part of the chat page."""
    return rx.el.main(
        _top_bar(),
        offline_bar(),
        rx.cond(
            ChatState.missing,
            _not_here(),
            rx.fragment(
                rx.cond(ChatState.thread == "", _beginning(), _messages()),
                _dock(),
            ),
        ),
        id=CONVERSATION,
        tab_index=-1,
        class_name="conversation",
    )


def _top_bar() -> rx.Component:
    return rx.el.header(
        icon_button(
            "menu",
            "Your chats",
            class_name="only-narrow",
            custom_attrs={"popoverTarget": SIDEBAR},
        ),
        rx.el.h1(
            rx.cond(
                ChatState.loading,
                rx.el.span("Loading", class_name="unseen"),
                rx.cond(ChatState.missing, "Not found", thread_title(ChatState.title)),
            ),
            class_name="thread-title",
        ),
        _models(),
        class_name="top-bar",
    )


def _models() -> rx.Component:
    return rx.cond(
        ChatState.models.length() > 1,
        rx.el.label(
            rx.el.span("Model", class_name="unseen"),
            rx.el.select(
                rx.foreach(
                    ChatState.models, lambda model: rx.el.option(model.name, value=model.id)
                ),
                value=ChatState.model,
                on_change=ChatState.pick_model,
            ),
            icon("down"),
            class_name="models",
        ),
        rx.el.span(
            rx.foreach(ChatState.models, lambda model: rx.fragment(model.name)),
            class_name="only-model",
        ),
    )


def _messages() -> rx.Component:
    return scroller(
        rx.el.div(
            rx.cond(
                ChatState.has_older,
                rx.el.button(
                    icon("up"),
                    "Show earlier messages",
                    type="button",
                    class_name="quiet-button",
                    on_click=ChatState.older,
                ),
            ),
            rx.cond(ChatState.loading, conversation_skeleton()),
            rx.foreach(ChatState.order, _page),
            # What comes after this button is not shown until all before it is (conversation.css).
            rx.cond(
                ChatState.has_newer,
                rx.el.button(
                    icon("down"),
                    "Show later messages",
                    type="button",
                    class_name="quiet-button later",
                    on_click=ChatState.newer,
                ),
            ),
            rx.foreach(ChatState.recent, _turn),
            class_name="turns",
        ),
        on_top=ChatState.older,
        on_bottom=ChatState.newer,
        on_end=ChatState.latest,
        thread=ChatState.thread,
        sent=ChatState.accepted,
        older=ChatState.has_older,
        newer=ChatState.has_newer,
    )


def _page(slot: rx.vars.NumberVar[int]) -> rx.Component:
    slots = rx.Var.create([getattr(ChatState, f"page{number}") for number in range(SLOTS)])
    rows = slots.to(list[list[MessageItem]])[slot]
    return rx.fragment(rx.foreach(rows, _turn), key=rows[0].id)


def _turn(item: rx.vars.ObjectVar[MessageItem]) -> rx.Component:
    return rx.fragment(_row(item=item), key=item.id)


# A row that has not changed is not rendered again when others come and go.
@rx.memo
def _row(item: rx.Var[MessageItem]) -> rx.Component:
    return message(item.to(MessageItem), on_retry=ChatState.retry)


def _beginning() -> rx.Component:
    name = AuthState.person.name.split(" ")[0]
    return rx.el.div(
        rx.el.div(
            rx.el.p(rx.cond(name != "", rx.fragment("Hello, ", name, "."), "Hello.")),
            rx.el.h2("What shall we think about?"),
            starters(on_send=_send, busy=ChatState.busy),
            class_name="beginning",
        ),
        class_name="scroll",
    )


def _send(client_id: rx.Var[str], text: rx.Var[str]) -> Any:
    """Ask in the thread that the page shows."""
    return ChatState.send(client_id, ChatState.thread, text)


def _not_here() -> rx.Component:
    return rx.el.div(
        icon("nothing"),
        rx.el.h2("This chat is not here"),
        rx.el.p("It was deleted, or the address is not quite right."),
        page_link("Start a new chat", to="/", class_name="button"),
        class_name="not-here",
    )


def _dock() -> rx.Component:
    return rx.el.div(
        notice(ChatState.notice, ChatState.dismiss),
        composer(
            busy=ChatState.busy,
            offline=OFFLINE,
            accepted=ChatState.accepted,
            refused=ChatState.refused,
            owner=AuthState.person.id,
            draft_key=rx.cond(
                ChatState.thread != "", "draft:" + ChatState.thread.to(str), "draft:new"
            ),
            on_send=_send,
            on_stop=ChatState.stop(ChatState.thread),
            max_bytes=settings().message_bytes,
            placeholder="Ask anything",
        ),
        rx.el.p("Answers can be wrong. Check what matters.", class_name="small-print"),
        class_name="dock",
    )
