"""How few bytes each streaming format can have: the floor that a server cannot go under.

A floor is made of the shortest events that are valid: what the format's own clients require, ids of
one character, no spaces, nothing optional. Beside it stands what the format's own server sends, as
its documentation shows it.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chat_app.core.json_values import compact_json

Event = Callable[[int, str, str], str]
"""An event with a piece of text, given its number, the model's id and the text as JSON."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """A streaming format.

    Args:
        shortest: The shortest valid event.
        usual: What the format's own server sends.
        repeats: How many times the end of a stream repeats the whole text.
    """

    shortest: Event
    usual: Event
    repeats: int = 0

    def floor(self, texts: Iterable[str], model: str) -> float:
        """The fewest bytes for each piece of a text, on average."""
        return self._bytes(self.shortest, list(texts), model)

    def usual_bytes(self, texts: Iterable[str], model: str) -> float:
        """The same of what the format's own server sends."""
        return self._bytes(self.usual, list(texts), model)

    def _bytes(self, event: Event, texts: list[str], model: str) -> float:
        sent = "".join(event(number, model, compact_json(one)) for number, one in enumerate(texts))
        text = len(compact_json("".join(texts)).encode())
        return (len(sent.encode()) + self.repeats * text) / len(texts)


def _data(shape: object) -> Event:
    """An event without a name; `TEXT`, `MODEL` and -1 stand for what differs."""
    template = json.dumps(shape, separators=(",", ":"))

    def event(number: int, model: str, text: str) -> str:
        made = template.replace('"TEXT"', text).replace("MODEL", model).replace("-1", str(number))
        return f"data: {made}\n\n"

    return event


def _typed(shape: dict[str, object]) -> Event:
    """An event whose name is its type."""
    data = _data(shape)
    return lambda *given: f"event: {shape['type']}\n{data(*given)}"


def _completion(id_: str, **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": "TEXT"}, "finish_reason": None}
    head = {"id": id_, "object": "chat.completion.chunk", "created": 1700000000, "model": "MODEL"}
    return {**head, "choices": [choice], **more}


def _response(item: str, **more: object) -> dict[str, object]:
    head = {"type": "response.output_text.delta", "sequence_number": -1, "item_id": item}
    at = {"output_index": 0, "content_index": 0}
    return {**head, **at, "delta": "TEXT", "logprobs": [], **more}


_UUID = "00000000-0000-4000-8000-000000000000"
_MESSAGE = _typed(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "TEXT"}}
)
FORMATS: dict[str, StreamFormat] = {
    "/api/chat": StreamFormat(
        _data({"type": "text-delta", "id": "0", "delta": "TEXT"}),
        _data({"type": "text-delta", "id": "txt-0", "delta": "TEXT"}),
    ),
    "/api/ag-ui": StreamFormat(
        _data({"type": "TEXT_MESSAGE_CHUNK", "delta": "TEXT"}),
        _data({"type": "TEXT_MESSAGE_CONTENT", "messageId": _UUID, "delta": "TEXT"}),
    ),
    "/v1/chat/completions": StreamFormat(
        _data(_completion("0")),
        _data(
            _completion(
                f"chatcmpl-{'0' * 29}",
                service_tier="default",
                system_fingerprint="fp_0000000000",
                obfuscation="0" * 8,
            )
        ),
    ),
    "/v1/responses": StreamFormat(
        _typed(_response("0")),
        _typed(_response(f"msg_{'0' * 48}", obfuscation="0" * 12)),
        repeats=4,  # in the end of the text, of its part, of its item, and of the response
    ),
    "/v1/messages": StreamFormat(_MESSAGE, _MESSAGE),
}
"""The streaming formats by their routes.

Sources: `ui-message-chunks.ts` of the AI SDK and the type ids of its providers; the schema of AG-UI
1.0 and the events that its SDKs write; platform.openai.com/docs/api-reference/chat-streaming and
…/responses-streaming; platform.claude.com/docs/en/build-with-claude/streaming.
"""
