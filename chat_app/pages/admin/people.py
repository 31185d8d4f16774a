"""`/admin/people`: the users of the installation."""

from typing import Any

import reflex as rx

from chat_app.auth.account.people import LINK_LIFETIME
from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.fields import labelled, submit_button
from chat_app.components.ui.feedback import notice
from chat_app.components.ui.shown_once import shown_once
from chat_app.pages.settings.sections import (
    confirmed_event,
    disclosure,
    match_count,
    pager,
    search_input,
    section,
    when_loaded,
    which,
)
from chat_app.states.admin.people import ListedUserItem, PeopleState

Item = rx.vars.ObjectVar[ListedUserItem]
_ADMIN = "An admin can do everything on these pages, also to other admins."


def people() -> rx.Component:
    """A form that adds a user, and the list with a search."""
    state = PeopleState
    return rx.fragment(
        notice(state),
        section(
            "Users",
            disclosure("Add a user", _add_user()),
            rx.cond(state.link.url != "", _link()),
            search_input("Search users", "Email or name", state),
            when_loaded(
                state,
                match_count(state, "user", "users"),
                rx.el.ul(rx.foreach(state.items, _user), class_name="entries"),
                pager(state),
            ),
        ),
    )


def _add_user() -> rx.Component:
    plain: dict[str, Any] = {"class_name": "field", "auto_complete": "off"}
    return rx.el.form(
        rx.el.fieldset(
            labelled("Email", rx.el.input(name="email", type="email", required=True, **plain)),
            labelled(
                "Name",
                rx.el.input(name="name", max_length=NAME_MAX_LENGTH, **plain),
                optional=True,
            ),
            submit_button("Add user"),
        ),
        on_submit=PeopleState.add_user,
        class_name="account-form",
        key=PeopleState.made.to_string(),
    )


def _link() -> rx.Component:
    link = PeopleState.link
    return shown_once(
        title="Copy the link for " + link.email.to(str),
        lead=f"Send it to them yourself. It works once and expires in {LINK_LIFETIME.days} days. "
        "Anyone who opens it can set the password. You won't see it again.",
        value=link.url,
        on_done=PeopleState.hide_link,
    )


def _user(one: Item) -> rx.Component:
    tags = (
        (one.is_me, "You"),
        (one.is_admin, "Admin"),
        (one.is_disabled, "Disabled"),
        (~one.is_verified, "Unverified"),
        (one.has_two_factor, "Two-factor"),
    )
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                rx.cond(one.name, one.name, one.email),
                *(rx.cond(is_so, rx.el.span(" ", word, class_name="tag")) for is_so, word in tags),
            ),
            rx.cond(one.name, rx.el.span(one.email)),
            rx.el.span(one.detail),
            class_name="entry",
        ),
        rx.el.details(
            rx.el.summary("Manage", which(one.email), class_name="small-button"),
            rx.el.div(*_actions(one), class_name="person-actions"),
            class_name="disclosure revoke",
        ),
        key=one.id,
        custom_attrs={"data-email": one.email},
    )


def _actions(one: Item) -> list[rx.Component]:
    state = PeopleState
    return [
        rx.cond(
            one.is_admin,
            confirmed_event(
                *("Remove admin role", "Remove role", one.email),
                rx.cond(
                    one.is_me,
                    "You lose access to these pages at once.",
                    "They lose access to these pages at once, also in open tabs.",
                ),
                state.demote(one.id),
            ),
            confirmed_event(
                *("Make admin", "Make admin", one.email),
                rx.cond(
                    one.is_verified,
                    _ADMIN,
                    f"{_ADMIN} This email is not verified: ask the user whether the account is "
                    "theirs.",
                ),
                state.promote(one.id),
            ),
        ),
        rx.cond(one.is_me, rx.fragment(), rx.fragment(*_actions_on_others(one))),
    ]


def _actions_on_others(one: Item) -> list[rx.Component]:
    state = PeopleState
    return [
        confirmed_event(
            *("Password link", "Create link", one.email),
            "Creates a link to choose a new password. Anyone who has it can sign in as this user.",
            state.reset_link(one.id),
        ),
        rx.cond(
            one.has_sessions,
            confirmed_event(
                *("End sessions", "Sign out everywhere", one.email),
                "They are signed out everywhere at once; running answers stop.",
                state.end_sessions(one.id),
            ),
        ),
        rx.cond(
            one.has_two_factor,
            confirmed_event(
                *("Reset two-factor", "Turn off two-factor", one.email),
                "They can sign in with only their password until they turn it on again.",
                state.reset_two_factor(one.id),
            ),
        ),
        rx.cond(
            one.is_disabled,
            confirmed_event(
                *("Enable", "Enable", one.email),
                "They can sign in again. Old sessions stay ended.",
                state.enable(one.id),
            ),
            confirmed_event(
                *("Disable", "Disable", one.email),
                "They can't sign in; sessions, API keys and running answers end at once. "
                "Their chats are kept.",
                state.disable(one.id),
            ),
        ),
        confirmed_event(
            *("Delete", "Delete user", one.email),
            "The account and all its chats are deleted. This can't be undone.",
            state.delete(one.id),
        ),
    ]
