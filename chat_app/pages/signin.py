"""`/signin`: somebody who has an account comes in."""

import reflex as rx

from chat_app.auth.refusals import sentences
from chat_app.components.auth_fields import email_field
from chat_app.components.auth_sheet import auth_sheet, field, otherwise
from chat_app.components.passkeys import passkey_sign_in
from chat_app.components.password_field import password_field
from chat_app.components.provider_buttons import provider_buttons
from chat_app.components.session import PROBLEM_ID, auth_form
from chat_app.pages.backend import backend
from chat_app.settings import settings
from chat_app.states.auth import AuthState


def signin() -> rx.Component:
    """The page."""
    return auth_sheet(
        rx.fragment(
            auth_form(
                email_field(auto_focus=True),
                field(
                    "Password",
                    "password",
                    password_field(
                        "password", auto_complete="current-password", described_by=PROBLEM_ID
                    ),
                ),
                rx.el.label(
                    rx.el.input(type="checkbox", name="remember", value="1"),
                    rx.el.span("Keep me signed in on this device"),
                    class_name="check",
                ),
                rx.el.button("Sign in", type="submit", class_name="button wide"),
                *([_passkey()] if settings().has_passkeys else []),
                action=backend("/api/auth/callback/credentials"),
                sentences=sentences(settings()),
            ),
            provider_buttons(start=backend("/api/auth/signin/"), sentences=sentences(settings())),
        ),
        title="Welcome back",
        lead="Sign in to go on where you left off.",
        otherwise=rx.fragment(
            rx.cond(AuthState.letters != "none", _by_letter()),
            rx.cond(
                AuthState.welcomes_strangers,
                otherwise("New here?", "Create an account", "/signup"),
            ),
        ),
    )


def _by_letter() -> rx.Component:
    """For who has no password at hand."""
    return rx.fragment(
        otherwise("No password?", "Sign in by e-mail", "/signin/link"),
        otherwise("Forgot it?", "Choose a new one", "/reset"),
    )


def _passkey() -> rx.Component:
    return passkey_sign_in(
        "Sign in with a passkey",
        options=backend("/api/auth/passkey/options"),
        action=backend("/api/auth/callback/passkey"),
        sentences=sentences(settings()),
    )
