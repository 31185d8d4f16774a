"""`/signin`, `/signin/code` and `/signup`: signing in, the second factor, and a new account."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.fields import (
    PROBLEM_ID,
    code_field,
    email_field,
    new_password_field,
    password_field,
    submit_button,
    text_field,
)
from chat_app.components.auth.mfa import passkey_sign_in
from chat_app.components.auth.sign_in import (
    auth_form,
    auth_sheet,
    identity_provider_buttons,
    if_query,
    otherwise,
)
from chat_app.pages.email_links import sent
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.auth import AuthState, SignUpState


def sign_in() -> rx.Component:
    """`/signin`: every login method of a user who has an account."""
    return auth_sheet(
        auth_form(
            email_field(auto_focus=True),
            password_field(),
            _checkbox("remember", "Keep me signed in on this device"),
            submit_button(
                "Sign in", class_name="button wide", custom_attrs={"data-testid": "sign-in"}
            ),
            _passkey() if baked_settings().has_passkeys else rx.fragment(),
            action=api_url("/api/auth/callback/credentials"),
        ),
        identity_provider_buttons(),
        title="Welcome back",
        lead="Sign in to pick up where you left off.",
        otherwise=rx.fragment(
            rx.cond(
                AuthState.email_delivery != "none",
                rx.fragment(
                    otherwise("No password?", "Sign in by email", "/signin/link"),
                    otherwise("Forgot your password?", "Reset it", "/reset"),
                ),
            ),
            rx.cond(
                SignUpState.is_open,
                otherwise("New here?", "Create an account", "/signup"),
            ),
        ),
    )


def _passkey() -> rx.Component:
    return passkey_sign_in(
        "Sign in with a passkey",
        options=api_url("/api/auth/passkey/options"),
        action=api_url("/api/auth/callback/passkey"),
    )


def _checkbox(name: str, label: str) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name=name, value="1"), rx.el.span(label), class_name="check"
    )


def second_factor() -> rx.Component:
    """`/signin/code`: the code of a user who has proved the first factor."""
    days = baked_settings().remember_device_days
    trust = f"Don't ask on this browser for {days} {'day' if days == 1 else 'days'}"
    return auth_sheet(
        auth_form(
            code_field(described_by=PROBLEM_ID),
            _checkbox("trust", trust) if days else rx.fragment(),
            submit_button("Sign in", class_name="button wide"),
            action=api_url("/api/auth/callback/second-factor"),
        ),
        title="Enter your code",
        lead="Your account is protected by two-factor authentication.",
        otherwise=otherwise("Took too long, or not you?", "Start over", "/signin"),
    )


def sign_up() -> rx.Component:
    """`/signup`: a new account, where sign-up is open; and afterwards, that an email was sent."""
    is_open = SignUpState.is_open
    form = auth_form(
        text_field(
            "Name",
            "name",
            optional=True,
            auto_complete="name",
            auto_focus=True,
            max_length=NAME_MAX_LENGTH,
            aria_describedby=PROBLEM_ID,
        ),
        email_field(),
        new_password_field("Password"),
        submit_button("Create account", class_name="button wide"),
        action=api_url("/api/auth/signup"),
    )
    sheet = auth_sheet(
        rx.cond(is_open, form),
        title=rx.cond(is_open, "Create your account", "Sign-up is closed"),
        lead=rx.cond(
            is_open,
            rx.cond(SignUpState.hint != "", SignUpState.hint, "Your conversations stay yours."),
            "Ask your administrator for an account.",
        ),
        otherwise=otherwise("Already have an account?", "Sign in", "/signin"),
    )
    return if_query("sent", sent("/signup", "Verify your email"), sheet)
