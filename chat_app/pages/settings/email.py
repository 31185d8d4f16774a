"""A part of `/settings/profile`: the person's address, which only a letter proves or changes."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.auth_sheet import field
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section
from chat_app.states.auth import AuthState


def email() -> rx.Component:
    """The section; nothing where the server sends no letters."""
    return rx.cond(
        AuthState.letters != "none",
        section(
            "E-mail address",
            account_form(
                field(
                    "New address",
                    "email",
                    rx.el.input(
                        id="email",
                        name="email",
                        type="email",
                        class_name="field",
                        auto_complete="email",
                        required=True,
                    ),
                ),
                rx.el.button("Send the link", type="submit", class_name="button"),
                action=backend("/api/account/email"),
                done="A letter is on its way. The address changes when you open its link here.",
            ),
            account_form(
                rx.el.button(
                    "Confirm the present address", type="submit", class_name="quiet-button"
                ),
                action=backend("/api/account/verify"),
                done="If it is not confirmed yet, a letter is on its way to it.",
            ),
        ),
    )
