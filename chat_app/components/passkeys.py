"""Buttons that ask the browser for a passkey."""

from typing import Any

import reflex as rx

from chat_app.components.account_form import CONFIRM_PAGE, SENTENCES
from chat_app.components.scripts import SCRIPTS

_SENTENCES = {
    **SENTENCES,
    "PasskeyRefused": "This passkey was not accepted; try again, or take another way.",
    "NoPasskeys": "This browser has no passkeys.",
    "Known": "There is a passkey of yours on this device already.",
    "Added": "Added. You can sign in with it from now on.",
}


class _Ceremony(rx.Component):
    """A button for one ceremony."""

    library = SCRIPTS["passkeys"]

    options: rx.Var[str]
    action: rx.Var[str]
    sentences: rx.Var[dict[str, str]]


class _PasskeySignIn(_Ceremony):
    tag = "PasskeySignIn"


class _PasskeyConfirm(_Ceremony):
    tag = "PasskeyConfirm"


class _PasskeyAdd(_Ceremony):
    tag = "PasskeyAdd"

    confirm_page: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


def passkey_sign_in(
    *children: Any, options: str, action: str, sentences: dict[str, str]
) -> rx.Component:
    """A button that signs in without a user name.

    Args:
        children: Its words.
        options: The route that says what to ask the browser for.
        action: The route that takes what it brings.
        sentences: What each `?error=` word means.
    """
    return _PasskeySignIn.create(
        *children, options=options, action=action, sentences=_SENTENCES | sentences
    )


def passkey_confirm(*children: Any, options: str, action: str) -> rx.Component:
    """A button by which somebody signed in proves again who they are.

    Args:
        children: Its words.
        options: The route that says what to ask the browser for.
        action: The route that takes what it brings; its answer says where to go.
    """
    return _PasskeyConfirm.create(*children, options=options, action=action, sentences=_SENTENCES)


def passkey_add(*children: Any, options: str, action: str, on_done: Any) -> rx.Component:
    """A form that makes a passkey.

    Args:
        children: Its field `name` and its button.
        options: The route that says what to ask the browser for.
        action: The route that keeps what it makes.
        on_done: The event that follows.
    """
    return _PasskeyAdd.create(
        *children,
        options=options,
        action=action,
        sentences=_SENTENCES,
        confirm_page=CONFIRM_PAGE,
        on_done=on_done,
    )
