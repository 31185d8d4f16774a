"""`/` and `/c/{thread}`: the chat itself."""

import reflex as rx

from chat_app.components.brand import PRODUCT, brand
from chat_app.components.environment import environment
from chat_app.components.message_text import frame_feed
from chat_app.components.skeleton import conversation_skeleton, thread_list_skeleton
from chat_app.pages.conversation import CONVERSATION, conversation
from chat_app.pages.protect import require_auth
from chat_app.pages.sidebar import sidebar
from chat_app.states.chat import ChatState
from chat_app.states.live import Live
from chat_app.states.thread_list import ThreadListState


def _signed_in() -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to the conversation", href=f"#{CONVERSATION}", class_name="skip"),
        sidebar(),
        conversation(),
        frame_feed(frame=Live.f.to(list[str | int]), on_gap=Live.gap),
        environment(title=ChatState.title, product=PRODUCT, on_zone=ThreadListState.set_zone),
        class_name="app",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.div(brand(), class_name="sidebar-head"),
            thread_list_skeleton(),
            class_name="sidebar waiting",
        ),
        rx.el.main(
            rx.el.h1(PRODUCT, class_name="unseen"),
            rx.el.div(conversation_skeleton(), class_name="scroll"),
            class_name="conversation",
        ),
        class_name="app",
    )


chat = require_auth(_signed_in, waiting=_waiting)
"""The page."""
