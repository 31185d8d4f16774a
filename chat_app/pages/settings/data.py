"""`/settings/data`: the user exports everything, or deletes the account."""

import reflex as rx

from chat_app.components.auth.account import account_form, download_form
from chat_app.components.auth.fields import text_field
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url
from chat_app.states.auth import AuthState

_PROBLEM = "delete-problem"


def data() -> rx.Component:
    """The page."""
    return settings_page("Your data", _export(), _delete())


def _export() -> rx.Component:
    return section(
        "Export",
        download_form(
            rx.el.button("Download ZIP", type="submit", class_name="small-button"),
            action=api_url("/api/account/export"),
            file_name="chat-export.zip",
        ),
        lead="Your account and all your chats, for people and programs to read.",
    )


def _delete() -> rx.Component:
    return section(
        "Delete account",
        account_form(
            text_field(
                "Type your email to confirm",
                "confirm",
                auto_complete="off",
                auto_capitalize="none",
                spell_check=False,
                required=True,
                aria_describedby=_PROBLEM,
            ),
            rx.el.button("Delete everything", type="submit", class_name="button danger-button"),
            action=api_url("/api/account"),
            method="DELETE",
            problem_id=_PROBLEM,
            ends_session=True,
        ),
        lead=rx.fragment(
            "Your account (",
            AuthState.user.email,
            ") and all your chats are deleted at once, on every device. ",
            "This can't be undone.",
        ),
    )
