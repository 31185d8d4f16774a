"""Who is signed in, and what they can change about it."""

import reflex as rx

from chat_app.components.buttons import page_link
from chat_app.components.icon import icon
from chat_app.components.session import sign_out_form
from chat_app.components.theme_control import theme_control
from chat_app.states.views import PersonItem

_MENU = "account-menu"


def account_menu(
    person: rx.vars.ObjectVar[PersonItem], *, settings: str, sign_out: str, picture: str
) -> rx.Component:
    """A button with the person's name that opens a small menu.

    Args:
        person: The signed-in person.
        settings: The page where they change what is theirs.
        sign_out: Where the sign-out form is posted.
        picture: The route that answers with their picture.
    """
    return rx.el.div(
        rx.el.button(
            face(person, picture),
            rx.el.span(
                rx.el.span("Account of ", class_name="unseen"),
                _name(person),
                class_name="person-name",
            ),
            icon("updown"),
            type="button",
            class_name="account-button",
            custom_attrs={"popoverTarget": _MENU},
        ),
        rx.el.div(
            rx.el.div(
                face(person, picture),
                rx.el.div(
                    rx.el.strong(_name(person)),
                    rx.el.span(person.email),
                    class_name="person",
                ),
                class_name="who",
            ),
            theme_control(),
            page_link(icon("settings"), "Settings", to=settings, class_name="menu-item"),
            sign_out_form(
                rx.el.button(icon("sign_out"), "Sign out", type="submit", class_name="menu-item"),
                action=sign_out,
            ),
            id=_MENU,
            class_name="menu",
            role="group",
            aria_label="Account",
            custom_attrs={"popover": "auto"},
        ),
        class_name="account",
    )


def _name(person: rx.vars.ObjectVar[PersonItem]) -> rx.Var[str]:
    return rx.cond(person.name, person.name, person.email)


def face(person: rx.vars.ObjectVar[PersonItem], picture: str) -> rx.Component:
    """The person's picture, or their first letter.

    Args:
        person: The signed-in person.
        picture: The route that answers with their picture.
    """
    return rx.el.span(
        rx.cond(
            person.picture,
            rx.el.img(src=f"{picture}?{person.picture}", alt=""),
            person.initial,
        ),
        class_name="face",
        aria_hidden="true",
    )
