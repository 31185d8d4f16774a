"""A run as the AI SDK's UI message stream (versions 5, 6 and 7 read it).

Only keys that every version knows are sent: older clients reject a chunk with any other.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from uuid import UUID

from chat_app.runs.follow import EndEvent, TextEvent

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
}
"""`packages/ai/src/ui-message-stream/ui-message-stream-headers.ts`"""
KEEPALIVE = b": keepalive\n\n"
"""A comment that clients ignore; it keeps proxies from closing the connection."""
DONE = b"data: [DONE]\n\n"

INTERRUPTED = "The answer was interrupted. Try again."

_TEXT_ID = "t1"
_TEXT_END = {"type": "text-end", "id": _TEXT_ID}
_FINISH_STEP = {"type": "finish-step"}


def start(message_id: UUID, thread_id: UUID) -> bytes:
    """The chunks before the first text.

    Args:
        message_id: The answer; a client that has it already continues it.
        thread_id: Sent as metadata, for a client that does not know it.
    """
    metadata = {"threadId": str(thread_id)}
    return _events(
        {"type": "start", "messageId": str(message_id), "messageMetadata": metadata},
        {"type": "start-step"},
        {"type": "text-start", "id": _TEXT_ID},
    )


def delta(text: str) -> bytes:
    """The chunk of a piece of text."""
    return _events({"type": "text-delta", "id": _TEXT_ID, "delta": text})


def end(event: EndEvent) -> bytes:
    """The chunks after the last text, and the end of the stream."""
    match event.status:
        case "complete":
            last = [{"type": "finish", "finishReason": "stop"}]
        case "stopped" | "revoked":
            last = [{"type": "abort"}]
        case "failed" | "interrupted":
            last = [
                {"type": "error", "errorText": event.error or INTERRUPTED},
                {"type": "finish", "finishReason": "error"},
            ]
    return _events(_TEXT_END, _FINISH_STEP, *last) + DONE


async def encoded(
    events: AsyncGenerator[TextEvent | EndEvent], *, message_id: UUID, thread_id: UUID
) -> AsyncGenerator[bytes]:
    """Encode a run from its start as the bytes of the stream.

    Args:
        events: The run, followed from 0.
        message_id: The answer.
        thread_id: Its thread.
    """
    yield start(message_id, thread_id)
    async with aclosing(events):
        async for event in events:
            yield delta(event.text) if isinstance(event, TextEvent) else end(event)


def _events(*chunks: Mapping[str, object]) -> bytes:
    return "".join(f"data: {_dump(chunk)}\n\n" for chunk in chunks).encode()


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
