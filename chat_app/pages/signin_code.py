"""`/signin/code`: somebody who has proved one factor shows the second."""

import reflex as rx

from chat_app.auth.refusals import sentences
from chat_app.components.auth_sheet import auth_sheet, otherwise
from chat_app.components.code_field import code_field
from chat_app.components.session import PROBLEM_ID, auth_form
from chat_app.pages.backend import backend
from chat_app.settings import settings


def signin_code() -> rx.Component:
    """The page."""
    days = settings().remember_device_days
    return auth_sheet(
        auth_form(
            code_field("code", described_by=PROBLEM_ID),
            *([_trust(days)] if days else []),
            rx.el.button("Sign in", type="submit", class_name="button wide"),
            action=backend("/api/auth/callback/second-factor"),
            sentences=sentences(settings()),
        ),
        title="One more step",
        lead="Your account asks for a code as well.",
        otherwise=otherwise("Took too long, or somebody else?", "Start again", "/signin"),
    )


def _trust(days: int) -> rx.Component:
    words = f"Do not ask in this browser for {days} {'day' if days == 1 else 'days'}"
    return rx.el.label(
        rx.el.input(type="checkbox", name="trust", value="1"),
        rx.el.span(words),
        class_name="check",
    )
