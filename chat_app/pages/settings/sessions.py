"""`/settings/sessions`: where the user is signed in, and signing out there."""

import reflex as rx

from chat_app.components.auth.account import account_form
from chat_app.components.ui.feedback import section_skeleton
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import SessionItem, SessionsState


def sessions() -> rx.Component:
    """The page."""
    return settings_page("Sessions", _list(), _others(), _everywhere())


def _list() -> rx.Component:
    return section(
        "Where you're signed in",
        rx.cond(
            SessionsState.loaded,
            rx.el.ul(rx.foreach(SessionsState.items, _row), class_name="entries"),
            section_skeleton(),
        ),
        lead="Location is the network the session started on.",
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
                    rx.el.span(" ", item.device, class_name="sr-only"),
                    type="submit",
                    class_name="small-button",
                ),
                action=f"{api_url('/api/account/sessions')}/{item.id}",
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
            rx.el.button("Sign out other sessions", type="submit", class_name="small-button"),
            action=api_url("/api/account/sessions/revoke-others"),
            on_done=SessionsState.load,
            done="Only this session is left.",
        ),
        lead="Your other devices are signed out at once; running answers stop.",
    )


def _everywhere() -> rx.Component:
    return section(
        "Everywhere",
        account_form(
            rx.el.button("Sign out everywhere", type="submit", class_name="small-button"),
            action=api_url("/api/account/sessions/revoke-all"),
            ends_session=True,
        ),
        lead="Including this device: you'll have to sign in again.",
    )
