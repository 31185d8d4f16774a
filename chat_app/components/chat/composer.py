"""The composer, where the user writes a message, its model picker, and the starters, which send
one for them."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon
from chat_app.states.model_views import ModelItem

STARTERS = (
    ("learn", "Learn", "Explain how tides work to a curious ten-year-old."),
    ("write", "Write", "Write a haiku about rain."),
    ("plan", "Plan", "Plan a quiet weekend in a city I have never visited."),
    ("code", "Code", "Write a Python function that groups words by their anagrams."),
)
"""Icon, title and text of the suggestions on an empty chat."""


def _save_spec(
    request: rx.Var[str], options: rx.Var[dict[str, Any]]
) -> tuple[rx.Var[str], rx.Var[dict[str, Any]]]:
    return request, options


def _send_spec(client_id: rx.Var[str], text: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    return client_id, text


class Composer(rx.Component):
    """The message field with its send or stop button. It is uncontrolled: typing needs no server.

    Enter sends, and is a new line where the keyboard is on the screen. Escape stops the answer.

    Args:
        children: Further tools, shown beside the send button.
        busy: An answer is running: the button stops it, and Enter does nothing.
        accepted: The client id that the server accepted last; its text leaves the field.
        opens_chat: Whether the next message begins a chat.
        refused: The client id that the server refused last; its text stays to be edited.
        notice: A message to show above the field.
        is_disconnected: Whether the websocket is disconnected; what is pending is sent again
            afterwards.
        owner: The user whose drafts the tab may show; drafts of another user are removed.
        draft_key: Names the draft in the tab's storage, one for each thread.
        max_bytes: The longest text, in bytes of UTF-8.
        placeholder: Shown in the empty field.
        on_send: Called with (client id, text). The same text keeps its id until it is accepted, so
            that the server can treat a second send as idempotent.
        on_stop: Called when the user stops the running answer.
        on_open: Called when a message that began a chat is accepted and the page is still where it
            was sent.
    """

    library = script("chat/composer")
    tag = "Composer"

    busy: rx.Var[bool]
    accepted: rx.Var[str]
    opens_chat: rx.Var[bool]
    refused: rx.Var[str]
    notice: rx.Var[str]
    is_disconnected: rx.Var[bool]
    owner: rx.Var[str]
    draft_key: rx.Var[str]
    max_bytes: rx.Var[int]
    placeholder: rx.Var[str]

    on_send: rx.EventHandler[_send_spec]
    on_stop: rx.EventHandler[rx.event.no_args_event_spec]
    on_open: rx.EventHandler[rx.event.no_args_event_spec]


class Starter(rx.Component):
    """A button that begins a chat with its text, once, however often it is clicked."""

    library = script("chat/composer")
    tag = "Starter"

    text: rx.Var[str]
    disabled: rx.Var[bool]
    is_disconnected: rx.Var[bool]
    on_send: rx.EventHandler[_send_spec]


composer = Composer.create


def starters(*, on_send: Any, busy: rx.Var[bool], is_disconnected: rx.Var[bool]) -> rx.Component:
    """Suggestions to begin an empty chat with; a list.

    Args:
        on_send: Called with (client id, text).
        busy: Whether an answer is running already.
        is_disconnected: Whether the websocket is disconnected.
    """
    return rx.el.ul(
        *(
            rx.el.li(
                Starter.create(
                    icon(picture),
                    rx.el.strong(name),
                    " ",  # else the two are read, and compared with the label, as one word
                    rx.el.span(text),
                    text=text,
                    disabled=busy,
                    is_disconnected=is_disconnected,
                    on_send=on_send,
                )
            )
            for picture, name, text in STARTERS
        ),
        class_name="starters",
        aria_label="Suggestions",
    )


class ModelPicker(rx.Component):
    """A combobox of models, or the name of the only one.

    Args:
        children: The picture beside the name.
        models: The models to choose from.
        value: The id of the chosen one; one that is not among them is shown as it is.
        on_pick: Called with the id of another one.
        on_open: Called when the list is opened.
    """

    library = script("chat/model_picker")
    tag = "ModelPicker"

    models: rx.Var[list[ModelItem]]
    value: rx.Var[str]
    on_pick: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_open: rx.EventHandler[rx.event.no_args_event_spec]


def model_picker(**props: Any) -> rx.Component:
    """The combobox; see `ModelPicker`."""
    return ModelPicker.create(icon("down"), **props)


class ChatOptionsDialog(rx.Component):
    """A button that opens a dialog with the options of the chat's next answers.

    Args:
        children: The picture in the button.
        thread: The thread on the page; empty for a new chat.
        options: What is chosen; null until that is known.
        caps: What can be chosen at most.
        models: The models; what can be chosen is what the chosen one takes.
        model: The id of the chosen one.
        saved: The last request that was stored.
        refused: The last request that was refused.
        problem: Why it was refused.
        is_disconnected: Whether the websocket is disconnected.
        on_save: Called with (request, options).
    """

    library = script("chat/chat_options")
    tag = "ChatOptions"

    thread: rx.Var[str]
    options: rx.Var[Any]
    caps: rx.Var[Any]
    models: rx.Var[list[ModelItem]]
    model: rx.Var[str]
    saved: rx.Var[str]
    refused: rx.Var[str]
    problem: rx.Var[str]
    is_disconnected: rx.Var[bool]
    on_save: rx.EventHandler[_save_spec]


def chat_options(**props: Any) -> rx.Component:
    """The button; see `ChatOptionsDialog`."""
    return ChatOptionsDialog.create(icon("settings"), **props)
