"""Server-sent events (HTML Standard §9.2) of the streams: headers, keepalive and bytes. Pure."""

from collections.abc import Iterable

from chat_app.core.json_values import JsonMapping, compact_json

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-accel-buffering": "no",
}
KEEPALIVE = b": keepalive\n\n"
"""A comment that clients ignore; it keeps proxies from closing the connection."""
DONE = b"data: [DONE]\n\n"
"""The last event of the streams of OpenAI and of the AI SDK."""


def data_events(texts: Iterable[str]) -> bytes:
    """Events without a name.

    Args:
        texts: The data of each, on one line.
    """
    return "".join([f"data: {text}\n\n" for text in texts]).encode("utf-8", "replace")


def typed_events(values: Iterable[JsonMapping]) -> bytes:
    """Events with names, each of which is the `type` of the event's data."""
    encoded = [f"event: {each['type']}\ndata: {compact_json(each)}\n\n" for each in values]
    return "".join(encoded).encode("utf-8", "replace")
