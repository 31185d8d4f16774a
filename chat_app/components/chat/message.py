"""A message of the conversation, with its status and actions, and the scroller around them all."""

import functools
import operator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.markdown.message_text import copy_button, message_text
from chat_app.components.ui.icons import icon, icon_button
from chat_app.reflex_ext.build import api_url
from chat_app.states.views import ROOT, MessageItem, MetricItem

Item = rx.vars.ObjectVar[MessageItem]

_RUNNING = ("queued", "running")
_ENDINGS = {
    "stopped": "Stopped",
    "interrupted": "Interrupted: the server restarted while it was answering.",
    "revoked": "Stopped: the device that asked was signed out.",
}
_FAILED = "The model couldn't answer."
_CUT = {
    "length": "Reached the length limit.",
    "size": "Reached this server's size limit.",
    "content-filter": "The provider withheld the rest of this answer.",
}
"""What is said of an answer that is complete but not whole, by its reason."""


class Scroller(rx.Component):
    """The scrolling message log. It stays at the end only while the reader is there.

    Args:
        children: The rows; each message is an `article` element, at any depth.
        thread: Another value scrolls to the end: another conversation is shown.
        sent: Another value scrolls to the end: the user's own message was accepted.
        sought: The id of a message that the URL names: it is brought into view once a visit.
        older: Whether there are older messages to load.
        newer: Whether there are newer messages to load; until then the last row is not the end.
        source: The HTTP route of the threads, where printing reads what is not on the page.
        endings: What is said of an answer there, by its status or by the reason why it ended.
        on_top: Called when the reader nears the top, once until rows were added above.
        on_bottom: Called when the reader nears the last row while there are newer messages, once
            until rows were added below.
        on_end: Called when the reader wants the end while there are newer messages; the scroller
            goes there as soon as there are none.
        on_seek: Called with the id in `sought` when that message is not on the page.
    """

    library = script("chat/scroller")
    tag = "Scroller"

    thread: rx.Var[str]
    sent: rx.Var[str]
    sought: rx.Var[str]
    older: rx.Var[bool]
    newer: rx.Var[bool]
    source: rx.Var[str]
    endings: rx.Var[dict[str, str]]

    on_top: rx.EventHandler[rx.event.no_args_event_spec]
    on_bottom: rx.EventHandler[rx.event.no_args_event_spec]
    on_end: rx.EventHandler[rx.event.no_args_event_spec]
    on_seek: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class AnswerDetails(rx.Component):
    """A button that shows what an answer took, and the list of it.

    Args:
        children: The content of the button.
        message: The answer's id.
        shown_message: The id of the answer whose details are shown; empty for none.
        items: Those details.
        loading: Whether they are still being read.
        on_show: Called with the id of the answer whose details are wanted, or empty to close them.
    """

    library = script("chat/answer_details")
    tag = "AnswerDetails"

    message: rx.Var[str]
    shown_message: rx.Var[str]
    items: rx.Var[list[MetricItem]]
    loading: rx.Var[bool]
    on_show: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class Clamped(rx.Component):
    """A long text of which the first lines are shown, with a button that shows the rest."""

    library = script("chat/clamped")
    tag = "Clamped"


class VersionPicker(rx.Component):
    """Which version of a message is shown, and buttons to the others, where there are several.

    Args:
        message: Its id.
        versions: The ids of all versions, the oldest first.
        on_choose: Called with the id of the version to show.
    """

    library = script("chat/versions")
    tag = "VersionPicker"

    message: rx.Var[str]
    versions: rx.Var[list[str]]
    on_choose: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class UndoBranch(rx.Component):
    """A button that undoes the deletion of a branch. It takes the focus, and gives it back.

    Args:
        children: Its label.
        message: The id of the deleted message.
        on_undo: Called at a click.
    """

    library = script("chat/versions")
    tag = "UndoBranch"

    message: rx.Var[str]
    on_undo: rx.EventHandler[rx.event.no_args_event_spec]


class EditButton(rx.Component):
    """A button that opens the form of a message.

    Args:
        children: Its icon.
        message: The message's id.
    """

    library = script("chat/edit_message")
    tag = "EditButton"

    message: rx.Var[str]


def _edit_spec(
    client_id: rx.Var[str], message: rx.Var[str], text: rx.Var[str]
) -> tuple[rx.Var[str], rx.Var[str], rx.Var[str]]:
    return client_id, message, text


class EditForm(rx.Component):
    """The form in which a sent message is edited, while it is; it sends another version.

    Args:
        message: The message's id.
        parts: Its stored parts, or none.
        stream_id: The id of its chunks, used when there are no parts.
        accepted: The client id of the edit that the server accepted last.
        refused: That of the edit that the server refused last; its text stays.
        max_bytes: The longest text, in bytes of UTF-8.
        on_send: Called with (client id, message id, text).
    """

    library = script("chat/edit_message")
    tag = "EditForm"

    message: rx.Var[str]
    parts: rx.Var[list[dict[str, Any]]]
    stream_id: rx.Var[str]
    accepted: rx.Var[str]
    refused: rx.Var[str]
    max_bytes: rx.Var[int]
    on_send: rx.EventHandler[_edit_spec]


@dataclass(frozen=True)
class MessageEvents:
    """What a user does to a message; each is called with its id.

    Args:
        retry: Another answer is wanted.
        go_on: The answer is to be continued.
        choose: Another version is to be shown; called with the id of that.
        delete: The message and all below it are to be deleted.
    """

    retry: Any
    go_on: Any
    choose: Any
    delete: Any


clamped = Clamped.create
edit_form = EditForm.create
undo_branch = UndoBranch.create


def scroller(*rows: rx.Component, **props: Any) -> rx.Component:
    """The message log; see `Scroller`."""
    endings = {**_ENDINGS, **_CUT, "failed": _FAILED}
    return Scroller.create(*rows, source=api_url("/api/threads"), endings=endings, **props)


def answer_details(**props: Any) -> rx.Component:
    """The button and the list; see `AnswerDetails`."""
    return AnswerDetails.create(icon("details"), **props)


def message(
    item: Item,
    events: MessageEvents,
    *,
    can_continue: rx.Var[bool],
    details: rx.Component,
    editor: rx.Component,
) -> rx.Component:
    """A row of the conversation.

    Args:
        item: The message.
        events: What the user does to it.
        can_continue: Whether it is an answer that can be continued.
        details: What the answer took, shown on request among the actions.
        editor: The form in which a question is edited.
    """
    return rx.el.article(
        rx.cond(
            item.role == "user",
            _question(item, events, editor),
            _answer(item, events, can_continue, details),
        ),
        class_name="message",
        custom_attrs={
            "data-testid": "message",
            "data-message": item.id,
            "data-place": item.place,
            "data-role": item.role,
            "data-status": item.status,
        },
    )


def message_to_read(item: Item) -> rx.Component:
    """A row of another user's conversation: its text and how it ended, and nothing to do."""
    is_question = item.role == "user"
    is_whole = (item.status == "complete") & ~_is_cut(item)
    return rx.el.article(
        rx.cond(
            is_question,
            rx.fragment(
                rx.el.h3("Question", class_name="sr-only"),
                rx.el.div(clamped(_text(item, plain=True)), class_name="bubble"),
            ),
            rx.fragment(
                rx.el.h3("Answer", class_name="sr-only"),
                _text(item),
                rx.cond(is_whole, None, _ending_of(item)),
            ),
        ),
        key=item.id,
        class_name="message",
        custom_attrs={
            "data-testid": "message",
            "data-role": item.role,
            "data-status": item.status,
        },
    )


def _question(item: Item, events: MessageEvents, editor: rx.Component) -> rx.Component:
    is_first = item.place == ROOT
    return rx.fragment(
        rx.el.h2("You said", class_name="sr-only"),
        rx.el.div(clamped(_text(item, plain=True)), key=item.id, class_name="bubble"),
        rx.el.div(
            _copy(item, label="Copy your message"),
            EditButton.create(icon("rename"), message=item.id),
            rx.cond(_is_version(item) | ~is_first, _delete(item, events)),
            _versions(item, events),
            class_name="message-actions of-question",
        ),
        editor,
    )


def _answer(
    item: Item, events: MessageEvents, can_continue: rx.Var[bool], details: rx.Component
) -> rx.Component:
    is_whole = (item.status == "complete") & ~_is_cut(item)
    return rx.fragment(
        rx.el.h2("Answer", class_name="sr-only"),
        _text(item, key=item.id),
        rx.cond(_is_running(item) | is_whole, None, _ending(item, events, can_continue)),
        rx.cond(
            _is_running(item),
            rx.cond(_is_version(item), _running_actions(item, events)),
            _actions(item, events, details),
        ),
    )


def _text(item: Item, **props: Any) -> rx.Component:
    return message_text(
        parts=item.parts, stream_id=item.stream_id, status=item.status, message=item.id, **props
    )


def _copy(item: Item, **props: Any) -> rx.Component:
    return copy_button(
        icon("copy"), icon("check"), parts=item.parts, stream_id=item.stream_id, **props
    )


def _versions(item: Item, events: MessageEvents) -> rx.Component:
    return VersionPicker.create(message=item.id, versions=item.versions, on_choose=events.choose)


def _delete(item: Item, events: MessageEvents) -> rx.Component:
    label = rx.cond(_is_version(item), "Delete this version", "Delete from here")
    return icon_button(
        "delete", label, class_name="delete-branch needs-idle", on_click=events.delete(item.id)
    )


def _is_running(item: Item) -> rx.Var[bool]:
    return (item.status == _RUNNING[0]) | (item.status == _RUNNING[1])


def _is_version(item: Item) -> rx.Var[bool]:
    return item.versions.length() > 1


def _is_cut(item: Item) -> rx.Var[bool]:
    return functools.reduce(operator.or_, (item.reason == reason for reason in _CUT))


def _ending(item: Item, events: MessageEvents, can_continue: rx.Var[bool]) -> rx.Component:
    is_complete = item.status == "complete"  # then "Regenerate" stands among the actions
    go_on = _small_button("continue", "Continue", events.go_on(item.id))
    retry = _small_button("retry", "Retry", events.retry(item.id))
    return _ending_of(item, rx.cond(can_continue, go_on), rx.cond(is_complete, None, retry))


def _ending_of(item: Item, *actions: rx.Component) -> rx.Component:
    """How an answer ended that is not whole."""
    cut = rx.match(item.reason, *_CUT.items(), "")
    sentence = rx.match(item.status, ("complete", cut), *_ENDINGS.items(), _FAILED)
    return rx.el.div(
        rx.match(
            item.status,
            ("failed", icon("warning")),
            ("complete", icon("cut")),
            ("stopped", rx.fragment()),
            icon("stopped"),
        ),
        rx.el.span(rx.cond(item.error != "", item.error, sentence)),
        *actions,
        class_name="ending",
        custom_attrs={"data-status": item.status, "data-reason": item.reason},
    )


def _small_button(name: str, label: str, on_click: Any) -> rx.Component:
    return rx.el.button(
        icon(name),
        label,
        type="button",
        class_name=f"small-button {name} starts-answer needs-idle",
        on_click=on_click,
    )


def _actions(item: Item, events: MessageEvents, details: rx.Component) -> rx.Component:
    return rx.el.div(
        _versions(item, events),
        _copy(item),
        rx.cond(
            item.status == "complete",
            icon_button(
                "retry",
                "Regenerate",
                class_name="retry starts-answer needs-idle",
                on_click=events.retry(item.id),
            ),
        ),
        details,
        rx.cond(_is_version(item), _delete(item, events)),
        class_name="message-actions",
    )


def _running_actions(item: Item, events: MessageEvents) -> rx.Component:
    """Which version is being written."""
    return rx.el.div(_versions(item, events), class_name="message-actions")
