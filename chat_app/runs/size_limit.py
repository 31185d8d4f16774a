"""The size limit of an answer: counts what a model sends, and cuts off what does not fit. Pure."""

from chat_app.core.events import (
    PART_DELTAS,
    Event,
    Finish,
    NativeItemAdded,
    PartAdded,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolResult,
    encode_payload,
)
from chat_app.core.parts import PART_BYTES


class SizeLimit:
    """Counts the events of one answer, given in order.

    Args:
        max_bytes: The most bytes of text, reasoning and tool calls together.

    Attributes:
        is_exceeded: Whether something did not fit; nothing may follow it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.is_exceeded = False
        self._left = max_bytes

    def fit(self, event: Event, *, begins_part: bool) -> Event | None:
        """What fits of the next event: all of it, the beginning of its text, or None.

        A native item that does not fit is left out, and more may follow: readers do not see it.
        """
        if isinstance(event, NativeItemAdded):
            size = _size_of(event) + (PART_BYTES if begins_part else 0)
            if size > self._left:
                return None
            self._left -= size
            return event
        if begins_part:
            self._left -= PART_BYTES
        if not isinstance(event, PART_DELTAS):
            self._left -= _size_of(event)
            self.is_exceeded = self._left < 0 and not isinstance(event, Finish)
            return None if self.is_exceeded else event
        text = event.text
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size <= self._left:
            self._left -= size
            return event
        self.is_exceeded = True
        room, self._left = max(0, self._left), 0
        kept = text.encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore")
        return type(event)(kept) if kept else None


def _size_of(event: Event) -> int:
    match event:
        case ToolCallDelta():
            text = event.call_id + event.name + event.arguments
            return PART_BYTES + len(text.encode("utf-8", "surrogatepass"))
        case (
            PartAdded()
            | ToolApprovalRequest()
            | ToolApprovalResponse()
            | ToolResult()
            | NativeItemAdded()
        ):
            return PART_BYTES + len(encode_payload(event).encode("utf-8", "surrogatepass"))
        case _:
            return 0
