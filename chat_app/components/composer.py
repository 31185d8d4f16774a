"""Where a person writes: an uncontrolled text field that gives its text away only once."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS


def _send(client_id: rx.Var[str], text: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    return client_id, text


class Composer(rx.Component):
    """The message field with its send or stop button."""

    library = SCRIPTS["composer"]
    tag = "Composer"

    busy: rx.Var[bool]
    accepted: rx.Var[str]
    refused: rx.Var[str]
    notice: rx.Var[str]
    offline: rx.Var[bool]
    owner: rx.Var[str]
    draft_key: rx.Var[str]
    max_bytes: rx.Var[int]
    placeholder: rx.Var[str]

    on_send: rx.EventHandler[_send]
    on_stop: rx.EventHandler[rx.event.no_args_event_spec]


def composer(
    *children,
    on_send: Any,
    on_stop: rx.event.EventType,
    busy: rx.Var[bool] | bool = False,
    accepted: rx.Var[str] | str = "",
    refused: rx.Var[str] | str = "",
    notice: rx.Var[str] | str = "",
    offline: rx.Var[bool] | bool = False,
    owner: rx.Var[str] | str = "",
    draft_key: rx.Var[str] | str = "new",
    max_bytes: rx.Var[int] | int = 100_000,
    placeholder: rx.Var[str] | str = "",
    **props,
) -> rx.Component:
    """The composer.

    Args:
        *children: Further tools, shown beside the send button.
        on_send: Called with (client id, text). The same text keeps its id until it is accepted.
        on_stop: Called when the person stops the running answer.
        busy: An answer is running: the button stops it, and Enter does nothing.
        accepted: The client id the server took last; its text leaves the field.
        refused: The client id the server refused last; its text stays to be edited.
        notice: A sentence to show above the field.
        offline: Whether the server cannot be reached; what waits is sent again afterwards.
        owner: Whose drafts the tab may show; another person's are removed.
        draft_key: Names the draft in the tab's storage, one for each thread.
        max_bytes: The longest text, in bytes of UTF-8.
        placeholder: Shown in the empty field.
        **props: For the form (`class_name`, `id`).
    """
    return Composer.create(
        *children,
        on_send=on_send,
        on_stop=on_stop,
        busy=busy,
        accepted=accepted,
        refused=refused,
        notice=notice,
        offline=offline,
        owner=owner,
        draft_key=draft_key,
        max_bytes=max_bytes,
        placeholder=placeholder,
        **props,
    )
