"""Fields of sign-in and account forms (email, password, one-time code), and their buttons."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.reflex_ext.build import baked_settings

PROBLEM_ID = "problem"
"""The element with the error of a sign-in form; its fields are described by it."""

_HINT_ID = "password-hint"


class PasswordField(rx.Component):
    """The field named `password`, which is its id too, with a button that shows what was typed.

    Args:
        auto_complete: `new-password`, or `current-password` by default.
        described_by: Ids of the elements that explain it.
    """

    library = script("auth/fields")
    tag = "PasswordField"

    auto_complete: rx.Var[str]
    described_by: rx.Var[str]


class CodeField(rx.Component):
    """The field named `code`, for a one-time code or a backup code, with its label.

    Args:
        described_by: Ids of the elements that explain it.
        offers_backup: Whether a backup code may be used instead.
    """

    library = script("auth/fields")
    tag = "CodeField"

    described_by: rx.Var[str]
    offers_backup: rx.Var[bool]


code_field = CodeField.create


def field(
    label: str, name: str, control: rx.Component, *after: rx.Component, optional: bool = False
) -> rx.Component:
    """A control with its label.

    Args:
        label: The label's text.
        name: The id of the control.
        control: The control.
        after: What explains it.
        optional: Whether it may stay empty.
    """
    return rx.el.div(
        rx.el.label(label, *_optional(optional), html_for=name),
        *(control, *after),
        class_name="labelled",
    )


def labelled(
    label: Any,
    control: rx.Component,
    *after: rx.Component,
    optional: bool = False,
    class_name: str = "labelled",
    **props: Any,
) -> rx.Component:
    """A control inside its label, so that it needs no id.

    The form of an event needs this one: Reflex reads a field with an id through a reference, and
    fields of one id overwrite each other; a field without one is read by its name.

    Args:
        label: The label's text.
        control: The control.
        after: What explains it.
        optional: Whether it may stay empty.
        class_name: The classes of the label.
        props: Further attributes of the label.
    """
    # With a space between them: a screen reader takes the label and the first option for one word.
    parts = [piece for one in (control, *after) for piece in (" ", one)]
    return rx.el.label(
        rx.el.span(label, *_optional(optional)), *parts, class_name=class_name, **props
    )


def _optional(is_so: bool) -> list[Any]:
    return [" ", rx.el.span("(optional)", class_name="optional")] if is_so else []


def text_field(label: str, name: str, *, optional: bool = False, **props: Any) -> rx.Component:
    """A labelled input, whose id is its name.

    Args:
        label: The label's text.
        name: Its name and id.
        optional: Whether it may stay empty.
        props: Further attributes of the input.
    """
    props.setdefault("id", name)
    control = rx.el.input(name=name, class_name="field", **props)
    return field(label, props["id"], control, optional=optional)


def submit_button(*label: Any, class_name: str = "button", **props: Any) -> rx.Component:
    """The button that sends a form."""
    return rx.el.button(*label, type="submit", class_name=class_name, **props)


def email_field(*, auto_focus: bool = False) -> rx.Component:
    """The user's email, as their user name.

    Args:
        auto_focus: Whether it has the focus at first.
    """
    return text_field(
        "Email",
        "email",
        type="email",
        auto_complete="username",
        auto_focus=auto_focus,
        required=True,
        aria_describedby=PROBLEM_ID,
    )


def password_field(described_by: str = PROBLEM_ID) -> rx.Component:
    """The user's present password.

    Args:
        described_by: Ids of the elements that explain it.
    """
    return field("Password", "password", PasswordField.create(described_by=described_by))


def new_password_field(label: str, described_by: str = PROBLEM_ID) -> rx.Component:
    """A password that the user chooses now.

    Args:
        label: The label's text.
        described_by: Ids of the elements that explain it, besides its hint.
    """
    return field(
        label,
        "password",
        PasswordField.create(
            auto_complete="new-password", described_by=f"{_HINT_ID} {described_by}"
        ),
        rx.el.p(
            f"At least {baked_settings().password_min_length} characters. "
            "A few unrelated words are easy to remember and hard to guess.",
            id=_HINT_ID,
            class_name="hint",
        ),
    )
