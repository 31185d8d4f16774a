"""The section of `/settings/data` that says who was let read the user's chats."""

import reflex as rx

from chat_app.components.ui.icons import page_link
from chat_app.pages.settings.sections import section, when_loaded
from chat_app.states.readers import OpenedChatItem, PastReadingItem, PastReadingsState


def readings() -> rx.Component:
    """Who was let read the user's chats in an organisation, and which ones they opened."""
    state = PastReadingsState
    return section(
        "Who read your chats",
        when_loaded(
            state,
            rx.cond(
                state.items.length() > 0,
                rx.el.ul(rx.foreach(state.items, _reading), class_name="entries"),
                rx.el.p("No admin has asked to read your chats.", class_name="section-lead"),
            ),
            rx.cond(
                state.has_more,
                rx.el.button(
                    "Show older", type="button", class_name="small-button", on_click=state.more
                ),
            ),
        ),
        id="readings",
        lead=rx.cond(
            state.is_off,
            "Reading is switched off on this server: no admin can read your chats.",
            "Where an organisation allows it, its admins can read your chats in it for a limited "
            "time, with a reason. Private chats are never shown.",
        ),
    )


def _reading(one: rx.vars.ObjectVar[PastReadingItem]) -> rx.Component:
    chats = one.chats.to(list[OpenedChatItem])
    return rx.el.li(
        rx.el.div(
            rx.el.strong(one.who, rx.cond(one.is_open, rx.el.span(" Open", class_name="tag"))),
            rx.el.span(one.time),
            rx.el.span("Reason: ", rx.el.q(one.reason)),
            rx.cond(one.listed != "", rx.el.span(one.listed)),
            rx.cond(
                chats.length() > 0,
                rx.el.details(
                    rx.el.summary(
                        "Chats opened: ", one.count.to_string(), class_name="small-button"
                    ),
                    rx.el.ul(
                        rx.foreach(chats, _opened_chat),
                        rx.cond(one.more != "", rx.el.li(one.more)),
                        class_name="opened-chats",
                    ),
                    class_name="disclosure",
                ),
                rx.el.span("No chat was opened."),
            ),
            class_name="entry",
        ),
        key=one.id,
    )


def _opened_chat(chat: rx.vars.ObjectVar[OpenedChatItem]) -> rx.Component:
    return rx.el.li(
        rx.cond(chat.url != "", page_link(chat.title, to=chat.url), rx.el.span(chat.title)),
        rx.el.span(" ", chat.at),
        key=chat.id,
    )
