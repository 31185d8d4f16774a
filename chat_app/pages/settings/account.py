"""`/settings/account` and `/settings/data`: the name, email and picture; export and deletion."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.account import account_form, avatar, picture_field
from chat_app.components.auth.fields import submit_button, text_field
from chat_app.pages.email_links import IN_LOG, by_delivery
from chat_app.pages.settings.readings import readings
from chat_app.pages.settings.sections import action_row, form_section, section
from chat_app.reflex_ext.build import api_url
from chat_app.states.auth import AuthState

_PROBLEM = "delete-problem"


def account() -> rx.Component:
    """The user's picture, name and email."""
    return rx.fragment(_picture(), _name(), _email())


def _picture() -> rx.Component:
    route = api_url("/api/account/picture")
    picture = AuthState.user.picture
    return section(
        "Picture",
        rx.el.div(
            avatar(AuthState.user),
            picture_field(
                action=route,
                label=rx.cond(picture, "Change picture", "Choose picture"),
                on_done=AuthState.on_auth_change,
            ),
            rx.cond(
                picture,
                account_form(
                    submit_button("Remove picture", class_name="quiet-button"),
                    action=route,
                    method="DELETE",
                    on_done=AuthState.on_auth_change,
                ),
            ),
            class_name="picture",
        ),
        lead="A photo of any size. It is cropped to a square, and where it was taken is removed. "
        "Only you can see it.",
    )


def _name() -> rx.Component:
    return form_section(
        "Name",
        text_field(
            "Display name",
            "name",
            optional=True,
            default_value=AuthState.user.name,
            auto_complete="name",
            max_length=NAME_MAX_LENGTH,
        ),
        submit_button("Save"),
        action=api_url("/api/account"),
        method="PATCH",
        on_done=AuthState.on_auth_change,
        done="Saved.",
    )


def _email() -> rx.Component:
    """The email, which only the link of an email changes."""
    change = account_form(
        text_field("New email", "email", type="email", auto_complete="email", required=True),
        submit_button("Send link"),
        action=api_url("/api/account/email"),
        done=by_delivery(
            sent="Check your inbox. Your email changes when you open the link here.",
            in_log=f"{IN_LOG} Your email changes when you open it here.",
        ),
    )
    verify = account_form(
        submit_button("Verify your current email", class_name="small-button"),
        action=api_url("/api/account/verify"),
        done=by_delivery(
            sent="If it isn't verified yet, we sent you an email.",
            in_log=f"If it isn't verified yet, there is a link now. {IN_LOG}",
        ),
    )
    return section(
        "Email",
        rx.cond(AuthState.email_delivery != "none", rx.fragment(change, verify)),
        lead=rx.fragment("You are signed in as ", AuthState.user.email, "."),
    )


def account_data() -> rx.Component:
    """Everything the server keeps about the user: to take along, and to delete."""
    return rx.fragment(
        section(
            "Export",
            action_row(
                "Your account and all your chats, for people and programs to read.",
                submit_button("Download ZIP", class_name="small-button"),
                action=api_url("/api/account/export"),
                method="GET",
                file_name="chat-export.zip",
            ),
        ),
        readings(),
        form_section(
            "Delete account",
            text_field(
                "Type your email to confirm",
                "confirm",
                auto_complete="off",
                auto_capitalize="none",
                spell_check=False,
                required=True,
                aria_describedby=_PROBLEM,
            ),
            submit_button("Delete everything", class_name="button danger-button"),
            lead=rx.fragment(
                "Your account (",
                AuthState.user.email,
                ") and all your chats are deleted at once, on every device, with the ",
                "organisations that have no other member. This can't be undone.",
            ),
            action=api_url("/api/account"),
            method="DELETE",
            problem_id=_PROBLEM,
            ends_session=True,
        ),
    )
