"""The text of a message, the feed of stream chunks that makes it grow, and the copy button.

React renders an empty element once; `message_view.jsx` owns the DOM inside it.
"""

import reflex as rx

from chat_app.components import LIBRARIES, script


def _resync_spec(stream_id: rx.Var[str], have: rx.Var[int]) -> tuple[rx.Var[str], rx.Var[int]]:
    return stream_id, have


class ChunkFeed(rx.Component):
    """Takes the chunks of the running answer into the page's chunk store; one on a page.

    Args:
        chunk: `[stream_id, offset, text]`, with a status as fourth at the end; `[]` is no news. The
            offset counts UTF-16 code units.
        on_resync: Called with (stream_id, have in UTF-16 code units) when a chunk does not fit:
            answer with chunks from `have` or earlier.
    """

    library = script("markdown/message_text")
    tag = "ChunkFeed"
    lib_dependencies: list[str] = LIBRARIES

    chunk: rx.Var[list[str | int]]
    on_resync: rx.EventHandler[_resync_spec]


class MessageText(rx.Component):
    """The text of one message.

    Args:
        text: The stored text; empty while it arrives as chunks.
        stream_id: The id of its chunks, or empty.
        status: The message's status; `queued` and `running` show that an answer is awaited.
        plain: Show the text as typed, without Markdown.
    """

    library = script("markdown/message_text")
    tag = "MessageText"
    lib_dependencies: list[str] = LIBRARIES

    text: rx.Var[str]
    stream_id: rx.Var[str]
    status: rx.Var[str]
    plain: rx.Var[bool]


class CopyButton(rx.Component):
    """A button that copies a message as Markdown and shows "Copied" for two seconds.

    Args:
        children: The content of the button.
        text: The stored text, or empty.
        stream_id: The id of its chunks, used when `text` is empty.
        label: The button's name for a screen reader.
    """

    library = script("markdown/message_text")
    tag = "CopyButton"
    lib_dependencies: list[str] = LIBRARIES

    text: rx.Var[str]
    stream_id: rx.Var[str]
    label: rx.Var[str]


chunk_feed = ChunkFeed.create
message_text = MessageText.create
copy_button = CopyButton.create
