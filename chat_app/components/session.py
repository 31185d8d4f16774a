"""Forms that sign in and out, and the watch that tells every tab when that happened."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS

PROBLEM_ID = "problem"
"""The element that holds the sentence of a refusal; fields are described by it."""

OFFLINE = "The server cannot be reached. Check the connection and try again."
"""What a form says when there is no answer."""

_STILL_IN = "You are still signed in."


class _AuthForm(rx.Component):
    """A native form post that keeps what was typed when it is refused."""

    library = SCRIPTS["session"]
    tag = "AuthForm"

    action: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    problem_id: rx.Var[str]


class _SignOutForm(rx.Component):
    """A native form post; the other tabs hear of it."""

    library = SCRIPTS["session"]
    tag = "SignOutForm"

    action: rx.Var[str]
    offline: rx.Var[str]
    still_in: rx.Var[str]
    comes_back: rx.Var[bool]


class _SessionWatch(rx.Component):
    """Empties the page, and loads it anew, when who is signed in may have changed."""

    library = SCRIPTS["session"]
    tag = "SessionWatch"

    route: rx.Var[str]


def auth_form(*children: Any, action: str, sentences: dict[str, str]) -> rx.Component:
    """A form that signs somebody in or up.

    Args:
        children: The fields and the button.
        action: Where it is posted.
        sentences: What each `?error=` word means; `Default` and `Offline` must be there.
    """
    return _AuthForm.create(
        *children,
        action=action,
        sentences=sentences | {"Offline": OFFLINE},
        problem_id=PROBLEM_ID,
    )


def sign_out_form(*children: Any, action: str, comes_back: bool = False) -> rx.Component:
    """A form around the button that signs out.

    Args:
        children: The button.
        action: Where it is posted.
        comes_back: Whether whoever signs in again goes to the page's own `callbackUrl`.
    """
    return _SignOutForm.create(
        *children, action=action, offline=OFFLINE, still_in=_STILL_IN, comes_back=comes_back
    )


def session_watch(*children: Any, route: str) -> rx.Component:
    """Keeps a page true to the browser's one session.

    Args:
        children: All that the page shows of a person.
        route: Where a visible page asks every five minutes who is signed in, which renews the
            cookie.
    """
    return _SessionWatch.create(*children, route=route)
