"""Forms of signed-in people: what changes an account is posted as JSON, and answered in place."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS
from chat_app.components.session import OFFLINE

CONFIRM_PAGE = "/settings/confirm"
"""Where somebody proves again who they are, before a sensitive change."""

SENTENCES = {"Default": "That did not work; try again.", "Offline": OFFLINE}
"""What is said when a change comes to nothing and the server did not say why."""


class _AccountForm(rx.Component):
    """A form that sends its fields as one JSON object."""

    library = SCRIPTS["account_form"]
    tag = "AccountForm"

    action: rx.Var[str]
    method: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    problem_id: rx.Var[str]
    done: rx.Var[str]
    confirm_page: rx.Var[str]
    ends_session: rx.Var[bool]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class _DownloadForm(rx.Component):
    """A button that saves what a route answers with."""

    library = SCRIPTS["account_form"]
    tag = "DownloadForm"

    action: rx.Var[str]
    file_name: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    confirm_page: rx.Var[str]


class _PictureField(rx.Component):
    """A button that asks for a file and sends it."""

    library = SCRIPTS["account_form"]
    tag = "PictureField"

    action: rx.Var[str]
    label: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    confirm_page: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class _AddressProblem(rx.Component):
    """The sentence of the word in the address."""

    library = SCRIPTS["account_form"]
    tag = "AddressProblem"

    sentences: rx.Var[dict[str, str]]


def account_form(
    *children: Any,
    action: str | rx.Var[str],
    method: str = "POST",
    on_done: Any = None,
    sentences: dict[str, str] | None = None,
    problem_id: str = "",
    done: str = "",
    ends_session: bool = False,
    **props: Any,
) -> rx.Component:
    """A form whose fields are sent as JSON, with texts as values.

    A refusal is shown above the fields, in the server's own sentence. Who must prove first that it
    is them is sent to the page for that, and comes back. An answer with a `url` is followed.

    Args:
        children: The fields and the button.
        action: The route.
        method: The HTTP method.
        on_done: The event that follows a success, such as the `load` of the page's state.
        sentences: Besides the usual ones: `Default` for an answer without a sentence, `Offline`
            for none.
        problem_id: The id of the element with the refusal, for fields that are described by it.
        done: What is said after a success.
        ends_session: Whether a success ends this session: the page goes blank and every tab of the
            browser is told.
        props: Further attributes of the form, such as `class_name`.
    """
    if on_done is not None:
        props["on_done"] = on_done
    return _AccountForm.create(
        *children,
        action=action,
        method=method,
        sentences=SENTENCES | (sentences or {}),
        problem_id=problem_id,
        done=done,
        confirm_page=CONFIRM_PAGE,
        ends_session=ends_session,
        **props,
    )


def download_form(*children: Any, action: str, file_name: str) -> rx.Component:
    """A form that saves what a route answers with, once the person has proved that it is them.

    Args:
        children: The button.
        action: The route, asked with GET.
        file_name: What the file is called.
    """
    return _DownloadForm.create(
        *children,
        action=action,
        file_name=file_name,
        sentences=SENTENCES,
        confirm_page=CONFIRM_PAGE,
    )


def picture_field(*, action: str, label: str | rx.Var[str], on_done: Any) -> rx.Component:
    """A button that asks for a picture and sends it at once.

    Args:
        action: The route, which takes the bytes with PUT.
        label: The button's words.
        on_done: The event that follows.
    """
    return _PictureField.create(
        action=action,
        label=label,
        sentences=SENTENCES,
        confirm_page=CONFIRM_PAGE,
        on_done=on_done,
    )


def address_problem(*, sentences: dict[str, str]) -> rx.Component:
    """What the `?error=` word in the page's address means.

    Args:
        sentences: What each word means; `Default` must be there.
    """
    return _AddressProblem.create(sentences=sentences)
