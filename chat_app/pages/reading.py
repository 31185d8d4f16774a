"""`/reading/{grant}`: what an admin reads of a member's chats; `/reading/new/{org}` asks for it."""

from typing import Any

import reflex as rx

from chat_app.components.auth.fields import labelled, submit_button
from chat_app.components.auth.sign_in import require_auth
from chat_app.components.chat.message import message_to_read
from chat_app.components.chat.thread_list import thread_title
from chat_app.components.markdown.message_text import chunk_feed
from chat_app.components.ui.document import keep_focus
from chat_app.components.ui.feedback import (
    conversation_skeleton,
    notice,
    offline_bar,
    section_skeleton,
)
from chat_app.components.ui.icons import icon, page_link
from chat_app.orgs.reading import REASON_LENGTH, ReadingSwitchedOff
from chat_app.pages.settings.organisations import PATH as ORGANISATIONS
from chat_app.states.reading import (
    MINUTES_OFFERED,
    PATH,
    ReadingRequestState,
    ReadingState,
    ReadThreadItem,
    SubjectItem,
)

_CONTENT = "reading-content"


def _layout(*content: Any) -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to the content", href=f"#{_CONTENT}", class_name="skip"),
        rx.el.header(
            page_link(icon("back"), "Back to your chats", to="/", class_name="quiet-button"),
            class_name="reading-head",
        ),
        offline_bar(),
        rx.el.main(*content, keep_focus(), id=_CONTENT, tab_index=-1, class_name="reading-content"),
        class_name="reading",
    )


def _waiting() -> rx.Component:
    return _layout(rx.el.h1("Reading chats", class_name="sr-only"), conversation_skeleton())


def _signed_in() -> rx.Component:
    state = ReadingState
    return rx.fragment(
        _layout(
            notice(state),
            rx.match(
                state.phase,
                ("open", _open()),
                ("over", _over("This reading has ended, or the link is wrong.")),
                ("off", _over(ReadingSwitchedOff().message)),
                rx.fragment(
                    rx.el.h1("Reading chats", class_name="sr-only"), conversation_skeleton()
                ),
            ),
        ),
        chunk_feed(chunk=state.f, on_resync=state.resync),
    )


reading = require_auth(_signed_in, waiting=_waiting)
"""The page."""


def _over(why: str) -> rx.Component:
    return rx.el.div(
        icon("nothing"),
        rx.el.h1("There is nothing to read here"),
        rx.el.p(why),
        class_name="reading-over",
        role="status",
    )


def _to_organisation(state: type[ReadingState] | type[ReadingRequestState]) -> rx.Component:
    return rx.cond(
        state.organisation != "",
        page_link(
            *(icon("back"), state.organisation),
            to=f"{ORGANISATIONS}/" + state.org_id.to(str),
            class_name="quiet-button",
        ),
    )


def _open() -> rx.Component:
    state = ReadingState
    return rx.fragment(
        _to_organisation(state),
        rx.el.section(
            rx.el.h1("Reading the chats of ", state.subject),
            rx.el.p(
                rx.cond(state.email != state.subject, rx.fragment(state.email, " · ")),
                state.organisation,
                " · ",
                state.left,
            ),
            rx.el.p("Reason: ", rx.el.q(state.reason)),
            rx.el.p("They see who reads, why, and each chat that is opened.", class_name="hint"),
            rx.el.button(
                "End reading", type="button", class_name="small-button", on_click=state.end
            ),
            aria_label="What you are reading",
            class_name="reading-banner",
        ),
        rx.cond(
            state.missing,
            rx.fragment(_to_list(), rx.el.p("Chat not found.", class_name="section-lead")),
            rx.cond(state.thread != "", _chat(), _list()),
        ),
    )


def _to_list() -> rx.Component:
    return page_link(
        icon("back"),
        "All chats",
        to=f"{PATH}/" + ReadingState.grant.to(str),
        class_name="quiet-button",
    )


def _list() -> rx.Component:
    state = ReadingState
    return rx.fragment(
        rx.el.h2("Chats in ", state.organisation),
        rx.cond(
            state.threads.length() > 0,
            rx.el.ul(rx.foreach(state.threads, _thread), class_name="read-threads"),
            rx.el.p("There are no chats.", class_name="section-lead"),
        ),
        rx.el.nav(
            rx.cond(state.is_first, rx.fragment(), _to_newest("Newest chats")),
            rx.cond(
                state.older != "",
                page_link("Older chats", to=state.older, class_name="small-button"),
            ),
            aria_label="Pages of the list",
            class_name="buttons",
        ),
    )


def _to_newest(label: str) -> rx.Component:
    path = f"{PATH}/" + ReadingState.grant.to(str)
    return page_link(label, to=path, class_name="small-button")


def _thread(item: rx.vars.ObjectVar[ReadThreadItem]) -> rx.Component:
    return rx.el.li(
        page_link(
            rx.el.span(
                item.title,
                rx.cond(item.archived, rx.el.span(" Archived", class_name="tag")),
            ),
            rx.el.span(item.day, class_name="hint"),
            to=item.url,
        ),
        key=item.id,
    )


def _chat() -> rx.Component:
    state = ReadingState
    here = f"{PATH}/" + state.grant.to(str) + "?chat=" + state.thread.to(str)
    return rx.fragment(
        _to_list(),
        rx.el.h2(thread_title(state.title)),
        rx.cond(
            state.earlier != "",
            page_link(icon("up"), "Earlier messages", to=state.earlier, class_name="quiet-button"),
        ),
        rx.el.div(rx.foreach(state.messages, message_to_read), class_name="messages"),
        rx.cond(
            state.running,
            rx.el.p(
                "An answer is being written in this chat. It is here once it is complete.",
                role="status",
                class_name="section-lead",
            ),
        ),
        rx.cond(
            state.is_first,
            rx.fragment(),
            page_link(icon("down"), "Latest messages", to=here, class_name="quiet-button"),
        ),
    )


def _ask_waiting() -> rx.Component:
    return _layout(rx.el.h1("Read a member's chats"), section_skeleton())


def _ask() -> rx.Component:
    state = ReadingRequestState
    return _layout(
        _to_organisation(state),
        rx.el.h1("Read a member's chats"),
        notice(state),
        rx.cond(
            state.loaded,
            rx.cond(state.refused != "", rx.el.p(state.refused, role="alert"), _form()),
            section_skeleton(),
        ),
    )


ask_to_read = require_auth(_ask, waiting=_ask_waiting)
"""The form."""


def _form() -> rx.Component:
    state, (least, most) = ReadingRequestState, REASON_LENGTH
    has_none = (state.members.length() == 0) & (state.former.length() == 0)
    form = rx.el.form(
        rx.el.fieldset(
            labelled(
                "Whose chats",
                rx.el.select(
                    rx.el.option("Choose a member", value=""),
                    rx.el.optgroup(rx.foreach(state.members, _option), label="Members"),
                    rx.cond(
                        state.former.length() > 0,
                        rx.el.optgroup(
                            rx.foreach(state.former, _option), label="Former members with chats"
                        ),
                    ),
                    name="member",
                    default_value=state.chosen,
                    required=True,
                    class_name="field",
                ),
            ),
            labelled(
                "Reason",
                rx.el.textarea(
                    name="reason",
                    rows="3",
                    min_length=least,
                    max_length=most,
                    required=True,
                    class_name="field",
                    aria_describedby="reason-hint",
                ),
                rx.el.span(
                    "The member sees it, word for word.", id="reason-hint", class_name="hint"
                ),
            ),
            labelled(
                "For how long",
                rx.el.select(
                    *(rx.el.option(one.label, value=one.minutes) for one in MINUTES_OFFERED),
                    name="minutes",
                    default_value=MINUTES_OFFERED[0].minutes,
                    class_name="field",
                ),
            ),
            submit_button("Begin reading"),
        ),
        on_submit=state.ask,
        class_name="account-form",
    )
    return rx.fragment(
        rx.el.p(
            "You can read their chats in ",
            state.organisation,
            ", not their private ones. They see your name and email, the reason, and each "
            "chat that you open. The audit log has who read which chat, and no reason.",
            class_name="section-lead",
        ),
        rx.cond(has_none, rx.el.p("There is no other member.", class_name="section-lead"), form),
    )


def _option(one: rx.vars.ObjectVar[SubjectItem]) -> rx.Component:
    return rx.el.option(one.label, value=one.id)
