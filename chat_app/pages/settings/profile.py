"""`/settings/profile`: what a person is called and looks like."""

import reflex as rx

from chat_app.auth.names import NAME_MAX_LENGTH
from chat_app.auth.pictures import MAX_BYTES
from chat_app.components.account_form import account_form, picture_field
from chat_app.components.account_menu import face
from chat_app.components.auth_sheet import field
from chat_app.pages.backend import backend
from chat_app.pages.settings.email import email
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.auth import AuthState


def profile() -> rx.Component:
    """The page."""
    return settings_page("Profile", _name(), email(), _picture())


def _name() -> rx.Component:
    return section(
        "Name",
        account_form(
            field(
                "What you are called",
                "name",
                rx.el.input(
                    id="name",
                    name="name",
                    default_value=AuthState.person.name,
                    class_name="field",
                    auto_complete="name",
                    max_length=NAME_MAX_LENGTH,
                ),
                optional=True,
            ),
            rx.el.button("Save", type="submit", class_name="button"),
            action=backend("/api/account"),
            method="PATCH",
            on_done=AuthState.on_auth_change,
            done="Saved.",
        ),
        lead=rx.fragment("You are signed in as ", AuthState.person.email, "."),
    )


def _picture() -> rx.Component:
    route = backend("/api/account/picture")
    person = AuthState.person
    return section(
        "Picture",
        rx.el.div(
            face(person, route),
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
        lead=f"PNG, JPEG or WebP, at most {MAX_BYTES // 1000} kB. Only you see it.",
    )
