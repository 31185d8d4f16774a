"""`/signup`: somebody new makes an account."""

import reflex as rx

from chat_app.auth.refusals import sentences
from chat_app.components.auth_fields import chosen_password_field, email_field
from chat_app.components.auth_sheet import auth_sheet, field, otherwise
from chat_app.components.letters import when_in_address
from chat_app.components.session import PROBLEM_ID, auth_form
from chat_app.pages.backend import backend
from chat_app.pages.letters import sent
from chat_app.settings import settings
from chat_app.states.auth import AuthState


def signup() -> rx.Component:
    """The page."""
    is_open = AuthState.welcomes_strangers
    sheet = auth_sheet(
        rx.cond(is_open, _form(), rx.fragment()),
        title=rx.cond(is_open, "Make yourself at home", "By invitation"),
        lead=rx.cond(
            is_open, "Your conversations stay yours.", "New accounts are made by the operator here."
        ),
        otherwise=otherwise("Been here before?", "Sign in", "/signin"),
    )
    return when_in_address("sent", sent("Confirm your address"), sheet)


def _form() -> rx.Component:
    return auth_form(
        field(
            "Name",
            "name",
            rx.el.input(
                id="name",
                name="name",
                class_name="field",
                auto_complete="name",
                auto_focus=True,
                max_length=100,
                aria_describedby=PROBLEM_ID,
            ),
            optional=True,
        ),
        email_field(),
        chosen_password_field("Password"),
        rx.el.button("Create account", type="submit", class_name="button wide"),
        action=backend("/api/auth/signup"),
        sentences=sentences(settings()),
    )
