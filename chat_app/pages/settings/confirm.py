"""`/settings/confirm`: somebody signed in proves again that it is they."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.auth_sheet import field
from chat_app.components.code_field import code_field
from chat_app.components.passkeys import passkey_confirm
from chat_app.components.password_field import password_field
from chat_app.components.session import sign_out_form
from chat_app.components.skeleton import section_skeleton
from chat_app.components.step_up import back_address
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.settings.confirm import ConfirmState

_PROBLEM = "confirm-problem"


def confirm() -> rx.Component:
    """The page."""
    return settings_page(
        "Is it you?",
        rx.cond(
            ConfirmState.loaded,
            rx.fragment(
                rx.cond(ConfirmState.by_passkey, _passkey(), rx.fragment()),
                rx.cond(ConfirmState.by_code, _code(), rx.fragment()),
                rx.cond(ConfirmState.by_password, _password(), rx.fragment()),
                _again(),
            ),
            section_skeleton(),
        ),
    )


def _passkey() -> rx.Component:
    return section(
        "With a passkey",
        passkey_confirm(
            "Use a passkey",
            options=backend("/api/account/step-up/passkey/options"),
            action=backend("/api/account/step-up/passkey"),
        ),
    )


def _code() -> rx.Component:
    return section(
        "With a code",
        account_form(
            back_address(),
            code_field("code", described_by=_PROBLEM),
            rx.el.button("Confirm", type="submit", class_name="button"),
            action=backend("/api/account/step-up"),
            problem_id=_PROBLEM,
        ),
    )


def _password() -> rx.Component:
    return section(
        "With your password",
        account_form(
            back_address(),
            field(
                "Password",
                "password",
                password_field("password", auto_complete="current-password", described_by=_PROBLEM),
            ),
            rx.el.button("Confirm", type="submit", class_name="button"),
            action=backend("/api/account/step-up"),
            problem_id=_PROBLEM,
        ),
        lead="What you are about to change matters, and you signed in a while ago.",
    )


def _again() -> rx.Component:
    return section(
        "Another way",
        sign_out_form(
            rx.el.button("Sign in again", type="submit", class_name="small-button"),
            action=backend("/api/auth/signout"),
            comes_back=True,
        ),
        lead="Sign out, and in again the way you like: that proves it as well.",
    )
