"""`/setup`: what the link leads to that a start prints while there is no admin."""

import reflex as rx

from chat_app.auth.account.setup import SETUP_PAGE
from chat_app.components.auth.sign_in import auth_sheet, setup_link
from chat_app.reflex_ext.build import api_url


def setup() -> rx.Component:
    """Says who becomes the admin, with a way to sign in first."""
    return auth_sheet(
        setup_link(
            action=api_url("/api/account/setup"),
            session=api_url("/api/auth/session"),
            path=SETUP_PAGE,
        ),
        title="Set up this chat",
        lead="While this chat has no admin, the link makes you the admin. It works once.",
        otherwise=rx.fragment(),
    )
