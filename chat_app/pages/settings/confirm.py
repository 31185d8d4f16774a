"""`/settings/confirm`: the step-up, which makes a session fresh again."""

import reflex as rx

from chat_app.components.auth.account import callback_url
from chat_app.components.auth.fields import code_field, password_field, submit_button
from chat_app.components.auth.mfa import passkey_confirm
from chat_app.components.auth.sign_in import sign_out_form
from chat_app.pages.settings.sections import form_section, section, when_loaded
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import ConfirmState

_STEP_UP = "/api/account/step-up"
_PROBLEM = "confirm-problem"


def confirm() -> rx.Component:
    """One section for each method of step-up that the user has, and signing in again."""
    methods = ConfirmState.methods
    by_passkey = passkey_confirm(
        "Use a passkey",
        options=api_url(f"{_STEP_UP}/passkey/options"),
        action=api_url(f"{_STEP_UP}/passkey"),
    )
    by_password = _step_up_form(
        "With your password",
        password_field(described_by=_PROBLEM),
        lead="This change is sensitive, and you signed in a while ago.",
    )
    by_code = _step_up_form("With a code", code_field(described_by=_PROBLEM))
    return when_loaded(
        ConfirmState,
        rx.cond(methods.passkey, section("With a passkey", by_passkey)),
        rx.cond(methods.code, by_code),
        rx.cond(methods.password, by_password),
        section(
            "Another way",
            sign_out_form(
                submit_button("Sign in again", class_name="small-button"),
                action=api_url("/api/auth/signout"),
                comes_back=True,
            ),
            lead="Sign out, then sign in again any way you like. That confirms it too.",
        ),
    )


def _step_up_form(title: str, field: rx.Component, lead: str | None = None) -> rx.Component:
    return form_section(
        title,
        callback_url(),
        field,
        submit_button("Confirm"),
        lead=lead,
        action=api_url(_STEP_UP),
        problem_id=_PROBLEM,
    )
