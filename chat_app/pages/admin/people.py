"""`/admin/people`: the users of the installation."""

from typing import Any

import reflex as rx

from chat_app.auth.account.people import LINK_LIFETIME
from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.fields import submit_button
from chat_app.components.ui.feedback import notice
from chat_app.pages.settings.sections import disclosure, section, when_loaded
from chat_app.states.admin.people import ListedUserItem, PeopleState

Item = rx.vars.ObjectVar[ListedUserItem]
_ADMIN = "An admin can do everything on these pages, also to other admins."


def people() -> rx.Component:
    """A form that adds a user, and the list with a search."""
    state = PeopleState
    return rx.fragment(
        notice(state.notice, state.dismiss),
        section(
            "Users",
            disclosure("Add a user", _add_user()),
            rx.cond(state.link_of != "", _link()),
            rx.el.input(
                type="search",
                class_name="field",
                placeholder="Email or name",
                aria_label="Search users",
                default_value=state.text,
                on_change=state.find.debounce(250),
                max_length=200,
            ),
            when_loaded(
                state,
                rx.el.p(state.total, " found", class_name="section-lead", role="status"),
                rx.el.ul(rx.foreach(state.items, _user), class_name="entries"),
                _pages(),
            ),
        ),
    )


def _add_user() -> rx.Component:
    return rx.el.form(
        rx.el.fieldset(
            _input("Email", "email", type="email", required=True),
            _input("Name", "name", optional=True, max_length=NAME_MAX_LENGTH),
            submit_button("Add user"),
        ),
        on_submit=PeopleState.add_user,
        reset_on_submit=True,
        class_name="account-form",
    )


def _input(label: str, name: str, *, optional: bool = False, **props: Any) -> rx.Component:
    """A field inside its label. With an id, Reflex would read it through a reference instead."""
    hint = [" ", rx.el.span("(optional)", class_name="optional")] if optional else []
    return rx.el.label(
        rx.el.span(label, *hint),
        rx.el.input(name=name, class_name="field", auto_complete="off", **props),
        class_name="labelled",
    )


def _link() -> rx.Component:
    return rx.el.div(
        rx.el.h3("A link for ", PeopleState.link_of),
        rx.el.p(
            f"Send it to them yourself. It works once and expires in {LINK_LIFETIME.days} days. "
            "Anyone who opens it can set the password. You won't see it again.",
            class_name="section-lead",
        ),
        rx.el.code(PeopleState.link, class_name="secret"),
        rx.el.button(
            "Done", type="button", class_name="small-button", on_click=PeopleState.hide_link
        ),
        class_name="new-key",
        role="status",
    )


def _pages() -> rx.Component:
    state = PeopleState
    return rx.cond(
        (state.number > 0) | state.has_more,
        rx.el.div(
            rx.el.button(
                "Previous page",
                type="button",
                class_name="small-button",
                on_click=state.previous_page,
                disabled=state.number == 0,
            ),
            rx.el.span("Page ", state.number + 1),
            rx.el.button(
                "Next page",
                type="button",
                class_name="small-button",
                on_click=state.next_page,
                disabled=~state.has_more,
            ),
            class_name="buttons",
        ),
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
            rx.el.summary("Manage", _of(one), class_name="small-button"),
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
            _confirmed(
                *(one, "Remove admin role", "Remove role"),
                "They lose access to these pages at once, also in open tabs.",
                state.demote,
            ),
            _confirmed(
                *(one, "Make admin", "Make admin"),
                rx.cond(
                    one.is_verified,
                    _ADMIN,
                    f"{_ADMIN} This email is not verified: ask the user whether the account is "
                    "theirs.",
                ),
                state.promote,
            ),
        ),
        rx.cond(one.is_me, rx.fragment(), rx.fragment(*_actions_on_others(one))),
    ]


def _actions_on_others(one: Item) -> list[rx.Component]:
    state = PeopleState
    return [
        _confirmed(
            *(one, "Password link", "Create link"),
            "Creates a link to choose a new password. Anyone who has it can sign in as this user.",
            state.reset_link,
        ),
        rx.cond(
            one.has_sessions,
            _confirmed(
                *(one, "End sessions", "Sign out everywhere"),
                "They are signed out everywhere at once; running answers stop.",
                state.end_sessions,
            ),
        ),
        rx.cond(
            one.has_two_factor,
            _confirmed(
                *(one, "Reset two-factor", "Turn off two-factor"),
                "They can sign in with only their password until they turn it on again.",
                state.reset_two_factor,
            ),
        ),
        rx.cond(
            one.is_disabled,
            _confirmed(
                *(one, "Enable", "Enable"),
                "They can sign in again. Old sessions stay ended.",
                state.enable,
            ),
            _confirmed(
                *(one, "Disable", "Disable"),
                "They can't sign in; sessions, API keys and running answers end at once. "
                "Their chats are kept.",
                state.disable,
            ),
        ),
        _confirmed(
            *(one, "Delete", "Delete user"),
            "The account and all its chats are deleted. This can't be undone.",
            state.delete,
        ),
    ]


def _confirmed(one: Item, label: str, button: str, consequence: Any, handler: Any) -> rx.Component:
    """What an action will do, and the button that does it, behind a label."""
    return rx.el.details(
        rx.el.summary(label, _of(one), class_name="small-button"),
        rx.el.p(consequence),
        rx.el.button(
            button,
            _of(one),
            type="button",
            class_name="small-button danger",
            on_click=handler(one.id),
        ),
        class_name="disclosure revoke",
        key=label,  # what takes its place must not be open
        custom_attrs={"data-action": label},
    )


def _of(one: Item) -> rx.Component:
    return rx.el.span(" ", one.email, class_name="sr-only")
