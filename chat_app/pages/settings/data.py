"""`/settings/data`: a person takes everything along, or leaves."""

import reflex as rx

from chat_app.components.account_form import account_form, download_form
from chat_app.components.auth_sheet import field
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.auth import AuthState

_PROBLEM = "delete-problem"


def data() -> rx.Component:
    """The page."""
    return settings_page("Your data", _export(), _delete())


def _export() -> rx.Component:
    return section(
        "Export",
        download_form(
            rx.el.button("Download a zip", type="submit", class_name="small-button"),
            action=backend("/api/account/export"),
            file_name="chat-export.zip",
        ),
        lead="Your account and all your chats, to be read and to be used by programs.",
    )


def _delete() -> rx.Component:
    return section(
        "Delete the account",
        account_form(
            field(
                "Your e-mail address, to confirm",
                "confirm",
                rx.el.input(
                    id="confirm",
                    name="confirm",
                    class_name="field",
                    auto_complete="off",
                    auto_capitalize="none",
                    spell_check=False,
                    required=True,
                    aria_describedby=_PROBLEM,
                ),
            ),
            rx.el.button("Delete everything", type="submit", class_name="button danger-button"),
            action=backend("/api/account"),
            method="DELETE",
            problem_id=_PROBLEM,
            ends_session=True,
        ),
        lead=rx.fragment(
            "Your account (",
            AuthState.person.email,
            ") and all your chats are deleted at once, on every device. ",
            "Nobody can bring them back.",
        ),
    )
