"""`/settings/profile`: the user's name, email and picture."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH, PICTURE_MAX_BYTES
from chat_app.components.auth.account import account_form, avatar, picture_field
from chat_app.components.auth.fields import text_field
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url
from chat_app.states.auth import AuthState


def profile() -> rx.Component:
    """The page."""
    return settings_page("Profile", _name(), _email(), _picture())


def _name() -> rx.Component:
    return section(
        "Name",
        account_form(
            text_field(
                "Display name",
                "name",
                optional=True,
                default_value=AuthState.user.name,
                auto_complete="name",
                max_length=NAME_MAX_LENGTH,
            ),
            rx.el.button("Save", type="submit", class_name="button"),
            action=api_url("/api/account"),
            method="PATCH",
            on_done=AuthState.on_auth_change,
            done="Saved.",
        ),
        lead=rx.fragment("You are signed in as ", AuthState.user.email, "."),
    )


def _email() -> rx.Component:
    """The email, which only the link of an email changes; nothing where none can be sent."""
    return rx.cond(
        AuthState.email_delivery != "none",
        section(
            "Email",
            account_form(
                text_field(
                    "New email", "email", type="email", auto_complete="email", required=True
                ),
                rx.el.button("Send link", type="submit", class_name="button"),
                action=api_url("/api/account/email"),
                done="Check your inbox. Your email changes when you open the link here.",
            ),
            account_form(
                rx.el.button("Verify your current email", type="submit", class_name="quiet-button"),
                action=api_url("/api/account/verify"),
                done="If it isn't verified yet, we sent you an email.",
            ),
        ),
    )


def _picture() -> rx.Component:
    route = api_url("/api/account/picture")
    person = AuthState.user
    return section(
        "Picture",
        rx.el.div(
            avatar(person, route),
            picture_field(
                action=route,
                label=rx.cond(person.picture, "Change picture", "Choose picture"),
                on_done=AuthState.on_auth_change,
            ),
            rx.cond(
                person.picture,
                account_form(
                    rx.el.button("Remove picture", type="submit", class_name="quiet-button"),
                    action=route,
                    method="DELETE",
                    on_done=AuthState.on_auth_change,
                ),
            ),
            class_name="picture",
        ),
        lead=f"PNG, JPEG or WebP, up to {PICTURE_MAX_BYTES // 1000} kB. Only you can see it.",
    )
