"""The parts of a message, the feed of stream chunks that makes them grow, and the copy button.

React renders an empty element once; `message_view.jsx` owns the DOM inside it.
"""

from typing import Any

import reflex as rx

from chat_app.components import LIBRARIES, script


def _resync_spec(
    stream_id: rx.Var[str], part: rx.Var[int], have: rx.Var[int]
) -> tuple[rx.Var[str], rx.Var[int], rx.Var[int]]:
    return stream_id, part, have


class ChunkFeed(rx.Component):
    """Takes the chunks of the running answer into the page's chunk store; one on a page.

    Args:
        chunk: A chunk or several, as `states.chunks` encodes them; `[]` is no news.
        on_resync: Called with (stream_id, part, have in UTF-16 code units) when a chunk does not
            fit, or when reasoning is opened whose text is not on the page: answer with the chunks
            of this part from `have` or earlier, and with those of the parts after it.
    """

    library = script("markdown/message_text")
    tag = "ChunkFeed"
    lib_dependencies: list[str] = LIBRARIES

    chunk: rx.Var[list[Any]]
    on_resync: rx.EventHandler[_resync_spec]


class MessageText(rx.Component):
    """The parts of one message.

    Args:
        parts: The stored parts, reasoning without its text; none while they arrive as chunks.
        stream_id: The id of its chunks, or empty.
        status: The message's status; `queued` and `running` show that an answer is awaited.
        message: Its id.
        plain: Show the text alone, as typed, without Markdown.
    """

    library = script("markdown/message_text")
    tag = "MessageText"
    lib_dependencies: list[str] = LIBRARIES

    parts: rx.Var[list[dict[str, Any]]]
    stream_id: rx.Var[str]
    status: rx.Var[str]
    message: rx.Var[str]
    plain: rx.Var[bool]


class CopyButton(rx.Component):
    """A button that copies a message as Markdown and shows "Copied" for two seconds.

    Args:
        children: The content of the button.
        parts: The stored parts, or none; only text is copied.
        stream_id: The id of its chunks, used when there are no parts.
        label: The button's name for a screen reader.
    """

    library = script("markdown/message_text")
    tag = "CopyButton"
    lib_dependencies: list[str] = LIBRARIES

    parts: rx.Var[list[dict[str, Any]]]
    stream_id: rx.Var[str]
    label: rx.Var[str]


chunk_feed = ChunkFeed.create
message_text = MessageText.create
copy_button = CopyButton.create
