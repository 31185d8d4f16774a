"""`/settings/confirm`: a signed-in user proves again who they are (step-up)."""

import reflex as rx

from chat_app.components.auth.account import account_form, callback_url
from chat_app.components.auth.fields import code_field, password_field
from chat_app.components.auth.mfa import passkey_confirm
from chat_app.components.auth.sign_in import sign_out_form
from chat_app.components.ui.feedback import section_skeleton
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import ConfirmState

_PROBLEM = "confirm-problem"


def confirm() -> rx.Component:
    """The page."""
    return settings_page(
        "Confirm it's you",
        rx.cond(
            ConfirmState.loaded,
            rx.fragment(
                rx.cond(ConfirmState.by_passkey, _passkey(), rx.fragment()),
                rx.cond(
                    ConfirmState.by_code,
                    _form("With a code", code_field(described_by=_PROBLEM)),
                    rx.fragment(),
                ),
                rx.cond(
                    ConfirmState.by_password,
                    _form(
                        "With your password",
                        password_field(described_by=_PROBLEM),
                        lead="This change is sensitive, and you signed in a while ago.",
                    ),
                    rx.fragment(),
                ),
                _sign_in_again(),
            ),
            section_skeleton(),
        ),
    )


def _passkey() -> rx.Component:
    return section(
        "With a passkey",
        passkey_confirm(
            "Use a passkey",
            options=api_url("/api/account/step-up/passkey/options"),
            action=api_url("/api/account/step-up/passkey"),
        ),
    )


def _form(title: str, control: rx.Component, lead: str | None = None) -> rx.Component:
    return section(
        title,
        account_form(
            callback_url(),
            control,
            rx.el.button("Confirm", type="submit", class_name="button"),
            action=api_url("/api/account/step-up"),
            problem_id=_PROBLEM,
        ),
        lead=lead,
    )


def _sign_in_again() -> rx.Component:
    return section(
        "Another way",
        sign_out_form(
            rx.el.button("Sign in again", type="submit", class_name="small-button"),
            action=api_url("/api/auth/signout"),
            comes_back=True,
        ),
        lead="Sign out, then sign in again any way you like. That confirms it too.",
    )
