"""What a signed-in user sees of their account: the account menu, and forms that change it."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.auth.fields import submit_button
from chat_app.components.auth.sign_in import ErrorCodeComponent, sign_out_form
from chat_app.components.ui.icons import icon, page_link
from chat_app.reflex_ext.app import LiteralColorMode, color_mode, set_color_mode
from chat_app.reflex_ext.build import api_url
from chat_app.states.auth import AuthState
from chat_app.states.views import UserItem

_MENU_ID = "account-menu"
_COLOR_MODES: dict[LiteralColorMode, str] = {"light": "Light", "dark": "Dark", "system": "System"}


class AccountForm(rx.Component):
    """A form whose fields are sent as one JSON object, with texts as values; with GET, nothing is.

    An error is shown above the fields, in the server's own words. A user who needs a step-up first
    is sent to the page for that, and comes back. An answer with a `url` is followed.

    Args:
        children: The fields and the button.
        action: The route.
        method: The HTTP method, POST by default.
        values: What is sent besides the fields.
        missing: What is said where the thing in the route is not there any more.
        resets: Whether a success empties the fields.
        problem_id: The id of the element with the error, for fields that are described by it.
        done: The message after a success.
        file_name: The name of the file that the response is saved as.
        ends_session: Whether a success ends this session: the page goes blank and every tab of the
            browser is told.
        on_done: The event that follows a success, such as the `load` of the page's state.
    """

    library = script("auth/account_form")
    tag = "AccountForm"

    action: rx.Var[str]
    method: rx.Var[str]
    values: rx.Var[dict[str, Any]]
    missing: rx.Var[str]
    resets: rx.Var[bool]
    problem_id: rx.Var[str]
    done: rx.Var[str]
    file_name: rx.Var[str]
    ends_session: rx.Var[bool]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class PictureField(rx.Component):
    """A button that asks for a picture and uploads it as a small square.

    Args:
        action: The route, which takes the bytes with PUT.
        label: The button's text.
        on_done: The event that follows.
    """

    library = script("auth/picture")
    tag = "PictureField"

    action: rx.Var[str]
    label: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class UrlProblem(ErrorCodeComponent):
    """The message of the `?error=` code in the page's URL."""

    library = script("auth/account_form")
    tag = "UrlProblem"


class CallbackUrl(rx.Component):
    """The hidden field `callbackUrl`: the page to go back to, out of the URL of this one."""

    library = script("auth/forms")
    tag = "CallbackUrl"


account_form = AccountForm.create
picture_field = PictureField.create
url_problem = UrlProblem.create
callback_url = CallbackUrl.create


def account_menu(
    person: rx.vars.ObjectVar[UserItem], where: rx.Component, choices: rx.Component
) -> rx.Component:
    """A button with the signed-in user's name that opens a menu.

    Args:
        person: The user.
        where: The current organisation, below their name in the button.
        choices: The choice of it, in the menu.
    """
    name = rx.cond(person.name, person.name, person.email)
    return rx.el.div(
        rx.el.button(
            avatar(person),
            rx.el.span(
                rx.el.span(
                    rx.el.span("Account of ", class_name="sr-only"), name, class_name="person-name"
                ),
                where,
                class_name="person-where",
            ),
            icon("updown"),
            type="button",
            class_name="account-button",
            custom_attrs={"popoverTarget": _MENU_ID, "data-testid": "account-menu"},
        ),
        rx.el.div(
            rx.el.div(
                avatar(person),
                rx.el.div(rx.el.strong(name), rx.el.span(person.email), class_name="person"),
                class_name="account-user",
            ),
            choices,
            theme_control(),
            page_link(icon("settings"), "Settings", to="/settings", class_name="menu-item"),
            rx.cond(
                AuthState.is_admin,
                page_link(icon("admin"), "Administration", to="/admin", class_name="menu-item"),
            ),
            sign_out_form(
                submit_button(
                    icon("sign_out"),
                    "Sign out",
                    class_name="menu-item",
                    custom_attrs={"data-testid": "sign-out"},
                ),
                action=api_url("/api/auth/signout"),
            ),
            id=_MENU_ID,
            class_name="menu",
            role="group",
            aria_label="Account",
            custom_attrs={"popover": "auto"},
        ),
        class_name="account",
    )


def avatar(person: rx.vars.ObjectVar[UserItem]) -> rx.Component:
    """The signed-in user's picture, or their initial."""
    picture = rx.el.img(
        src=f"{api_url('/api/account/picture')}?{person.picture}",
        alt="",
        # A server on another host gives it to a page that says who asks, and to no other.
        cross_origin="use-credentials",
    )
    return rx.el.span(
        rx.cond(person.picture, picture, person.initial), class_name="avatar", aria_hidden="true"
    )


def theme_control() -> rx.Component:
    """Three buttons for the color mode, one of them pressed: light, dark, or as the system has it.

    Reflex keeps the choice in the browser and applies it before the first paint.
    """
    return rx.el.div(
        *(
            rx.el.button(
                icon(mode),
                rx.el.span(label),
                type="button",
                on_click=set_color_mode(mode),
                aria_pressed=color_mode == mode,
            )
            for mode, label in _COLOR_MODES.items()
        ),
        role="group",
        aria_label="Theme",
        class_name="segments",
    )
