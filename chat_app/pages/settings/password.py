"""`/settings/password`: a password is set, changed or given up."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.auth_sheet import field
from chat_app.components.password_field import password_field
from chat_app.components.skeleton import section_skeleton
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.auth import AuthState
from chat_app.states.settings.password import PasswordState

_PROBLEM, _HINT = "password-problem", "password-hint"


def password() -> rx.Component:
    """The page."""
    return settings_page(
        "Password",
        rx.cond(
            PasswordState.loaded,
            rx.fragment(_change(), rx.cond(PasswordState.is_set, _remove())),
            section_skeleton(),
        ),
    )


def _change() -> rx.Component:
    return section(
        "New password",
        account_form(
            # A password manager files the new one under this name.
            rx.el.input(
                type="text",
                auto_complete="username",
                default_value=AuthState.person.email,
                read_only=True,
                tab_index=-1,
                class_name="unseen",
                aria_hidden="true",
            ),
            field(
                "New password",
                "password",
                password_field(
                    "password", auto_complete="new-password", described_by=f"{_HINT} {_PROBLEM}"
                ),
                rx.el.p(
                    "A few unrelated words are easy to remember and hard to guess.",
                    id=_HINT,
                    class_name="hint",
                ),
            ),
            rx.el.button(
                rx.cond(PasswordState.is_set, "Change password", "Set password"),
                type="submit",
                class_name="button",
            ),
            action=backend("/api/account/password"),
            on_done=PasswordState.load,
            problem_id=_PROBLEM,
            done="The new password is set. Every other session has been signed out.",
        ),
        lead="You stay signed in here; everywhere else you will be signed out.",
    )


def _remove() -> rx.Component:
    return section(
        "No password",
        account_form(
            rx.el.button("Remove password", type="submit", class_name="small-button"),
            action=backend("/api/account/password"),
            method="DELETE",
            on_done=PasswordState.load,
        ),
        lead="For who signs in another way, such as with a passkey or a connected account.",
    )
