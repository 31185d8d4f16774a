"""`/settings/sessions`: where a person is signed in, and how to end it."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.skeleton import section_skeleton
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.settings.sessions import SessionItem, SessionsState


def sessions() -> rx.Component:
    """The page."""
    return settings_page("Sessions", _list(), _others(), _everywhere())


def _list() -> rx.Component:
    return section(
        "Where you are signed in",
        rx.cond(
            SessionsState.loaded,
            rx.el.ul(rx.foreach(SessionsState.items, _row), class_name="entries"),
            section_skeleton(),
        ),
        lead="The place is the network a session was opened from.",
    )


def _row(item: rx.vars.ObjectVar[SessionItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                item.device,
                rx.cond(item.is_current, rx.el.span("This device", class_name="tag")),
            ),
            rx.el.span(
                rx.cond(item.place, rx.fragment(item.place, " · "), ""),
                "used ",
                item.seen,
                " · signed in with ",
                item.method,
            ),
            class_name="entry",
        ),
        rx.cond(
            item.is_current,
            rx.fragment(),
            account_form(
                rx.el.button(
                    "Sign out",
                    rx.el.span(" ", item.device, class_name="unseen"),
                    type="submit",
                    class_name="small-button",
                ),
                action=f"{backend('/api/account/sessions')}/{item.id}",
                method="DELETE",
                on_done=SessionsState.load,
            ),
        ),
        key=item.id,
    )


def _others() -> rx.Component:
    return section(
        "All other sessions",
        account_form(
            rx.el.button("Sign out the others", type="submit", class_name="small-button"),
            action=backend("/api/account/sessions/revoke-others"),
            on_done=SessionsState.load,
            done="Only this one is left.",
        ),
        lead="Everywhere else, what is open goes blank and answers under way are stopped.",
    )


def _everywhere() -> rx.Component:
    return section(
        "Everywhere",
        account_form(
            rx.el.button("Sign out everywhere", type="submit", class_name="small-button"),
            action=backend("/api/account/sessions/revoke-all"),
            ends_session=True,
        ),
        lead="This device too: you will have to sign in again.",
    )
