"""What comes of a letter: the page that says it is on its way, and the one its link leads to."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS
from chat_app.components.session import OFFLINE, PROBLEM_ID

_ENTERS = {"sign_in_link": True, "sign_up": True}
_WORDS = {
    "says": {
        "sign_in_link": "You will be signed in as",
        "sign_up": "An account will be made for",
        "verify_email": "You confirm that this is your address:",
        "change_email": "From now on this will be your address:",
    },
    "button": {
        "sign_in_link": "Sign in",
        "sign_up": "Create account",
        "verify_email": "Confirm",
        "change_email": "Use this address",
    },
    "enters": _ENTERS,
    "remember": "Keep me signed in on this device",
    "password": "You asked for it in another browser. Enter the password that you chose there.",
    "session": "Sign in here as the person who asked for this letter; then open its link again.",
}


class _WhenInAddress(rx.Component):
    """One of two children, by a word in the address."""

    library = SCRIPTS["letters"]
    tag = "WhenInAddress"

    word: rx.Var[str]


class _LetterToken(rx.Component):
    """A hidden field with the token from the address."""

    library = SCRIPTS["letters"]
    tag = "LetterToken"

    purpose: rx.Var[str]


class _Letter(rx.Component):
    """A form that does what a letter is for."""

    library = SCRIPTS["letters"]
    tag = "Letter"

    look: rx.Var[str]
    actions: rx.Var[dict[str, str]]
    words: rx.Var[dict[str, Any]]
    sentences: rx.Var[dict[str, str]]
    problem_id: rx.Var[str]


def when_in_address(word: str, then: rx.Component, otherwise: rx.Component) -> rx.Component:
    """One thing when the query of the address has a word, else another.

    Args:
        word: The word, for example `sent`.
        then: What is shown when it is there.
        otherwise: What is shown when it is not, and before that is known.
    """
    return _WhenInAddress.create(otherwise, then, word=word)


def letter_token(purpose: str) -> rx.Component:
    """The field of a form that holds what the address has behind its `#`.

    Args:
        purpose: What the token is for.
    """
    return _LetterToken.create(purpose=purpose)


def letter(
    password: rx.Component, *, look: str, actions: dict[str, str], sentences: dict[str, str]
) -> rx.Component:
    """What the link of a letter leads to: it says what it will do, and does it at a click.

    Args:
        password: A field for the password, for who opens it in another browser.
        look: The route that says what a token stands for.
        actions: The route of each purpose.
        sentences: What each `?error=` word means.
    """
    return _Letter.create(
        password,
        look=look,
        actions=actions,
        words=_WORDS,
        sentences=sentences | {"Offline": OFFLINE},
        problem_id=PROBLEM_ID,
    )
