"""The text of a message, the feed of frames that makes it grow, and the button that copies it.

React renders an empty element once; `live_text.jsx` owns what stands in it.
"""

import reflex as rx

from chat_app.components.scripts import LIBRARIES, SCRIPTS


def _gap(run: rx.Var[str], have: rx.Var[int]) -> tuple[rx.Var[str], rx.Var[int]]:
    return run, have


class FrameFeed(rx.Component):
    """Takes the frames of the running answer into the page's frame store; shows nothing."""

    library = SCRIPTS["message_text"]
    tag = "FrameFeed"
    lib_dependencies: list[str] = LIBRARIES

    frame: rx.Var[list[str | int]]
    on_gap: rx.EventHandler[_gap]


class MessageText(rx.Component):
    """The text of one message."""

    library = SCRIPTS["message_text"]
    tag = "MessageText"
    lib_dependencies: list[str] = LIBRARIES

    text: rx.Var[str]
    run: rx.Var[str]
    status: rx.Var[str]
    plain: rx.Var[bool]


class CopyButton(rx.Component):
    """A button that puts a message's Markdown into the clipboard."""

    library = SCRIPTS["message_text"]
    tag = "CopyButton"
    lib_dependencies: list[str] = LIBRARIES

    text: rx.Var[str]
    run: rx.Var[str]
    label: rx.Var[str]


def frame_feed(frame: rx.Var[list[str | int]], on_gap: rx.event.EventType) -> rx.Component:
    """Feed the page's frame store; one on a page.

    Args:
        frame: `[run, offset, text]`, with a status as fourth at the end; `[]` is no news. The
            offset counts UTF-16 code units.
        on_gap: Called with (run, have in UTF-16 code units) when a frame does not fit: answer with
            frames from `have` or earlier.
    """
    return FrameFeed.create(frame=frame, on_gap=on_gap)


def message_text(
    *,
    text: rx.Var[str] | str = "",
    run: rx.Var[str] | str = "",
    status: rx.Var[str] | str = "",
    plain: rx.Var[bool] | bool = False,
    **props,
) -> rx.Component:
    """Show one message.

    Args:
        text: The stored text; empty while it comes as frames.
        run: The handle under which its frames come, or empty.
        status: The message's status; `queued` and `running` show that an answer is awaited.
        plain: Show the text as typed, without Markdown.
        **props: For the element around it (`class_name`, `id`).
    """
    return MessageText.create(text=text, run=run, status=status, plain=plain, **props)


def copy_button(
    *children,
    text: rx.Var[str] | str = "",
    run: rx.Var[str] | str = "",
    label: rx.Var[str] | str = "Copy message",
    **props,
) -> rx.Component:
    """A button that copies a message as Markdown and says "Copied" for two seconds.

    Args:
        *children: What the button shows.
        text: The stored text, or empty.
        run: The handle of its frames, used when `text` is empty.
        label: The button's name for a screen reader.
        **props: For the button (`class_name`, `id`).
    """
    return CopyButton.create(*children, text=text, run=run, label=label, **props)
