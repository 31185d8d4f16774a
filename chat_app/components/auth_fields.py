"""The fields that more than one page around signing in asks for."""

import reflex as rx

from chat_app.components.auth_sheet import field
from chat_app.components.password_field import password_field
from chat_app.components.session import PROBLEM_ID

_HINT = "password-hint"


def email_field(*, auto_focus: bool = False) -> rx.Component:
    """Somebody's address, as their user name.

    Args:
        auto_focus: Whether it is what people type first.
    """
    return field(
        "E-mail",
        "email",
        rx.el.input(
            id="email",
            name="email",
            type="email",
            class_name="field",
            auto_complete="username",
            auto_focus=auto_focus,
            required=True,
            aria_describedby=PROBLEM_ID,
        ),
    )


def chosen_password_field(label: str) -> rx.Component:
    """A password that is chosen now.

    Args:
        label: What the page calls it.
    """
    return field(
        label,
        "password",
        password_field(
            "password", auto_complete="new-password", described_by=f"{_HINT} {PROBLEM_ID}"
        ),
        rx.el.p(
            "A few unrelated words are easy to remember and hard to guess.",
            id=_HINT,
            class_name="hint",
        ),
    )
