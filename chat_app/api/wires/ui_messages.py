"""UI messages that a client appends, as the parts that a message stores.

What a client says is no answer of a model: only what can be shown as such is taken from it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat_app.core.errors import InvalidInput
from chat_app.core.json_values import json_value
from chat_app.core.parts import Part, ToolApproval, ToolCallPart
from chat_app.core.text import repair_surrogates

FORMAT = "ai-sdk/v6"
"""What assistant-ui calls them (`packages/ai-sdk/src/adapters/aiSDKFormatAdapter.ts`)."""

_DATA_NAME = re.compile(r"[a-z0-9-]{1,64}")
_MAX_NAME = 200
_MAX_URL = 2_000
_MAX_PARTS = 200

_CALL_STATES: dict[str, Literal["streaming", "called", "done", "failed", "denied"]] = {
    "input-streaming": "streaming",
    "input-available": "called",
    "approval-requested": "called",
    "approval-responded": "called",
    "output-available": "done",
    "output-error": "failed",
    "output-denied": "denied",
}


class UiMessage(BaseModel):
    """A UI message without its id; its metadata is not kept, because the server measures its own.

    Other fields are ignored, as a later version of the client may send some.
    """

    model_config = ConfigDict(strict=True)

    role: Literal["user", "assistant"]
    parts: Annotated[list[dict[str, Any]], Field(max_length=1_000)]

    @property
    def stored_parts(self) -> list[Part]:
        """The parts as a message stores them.

        Raises:
            InvalidInput: One of them is malformed, or of a type that cannot be stored; or there
                are too many.
        """
        return storable(read_part(part) for part in self.parts if part.get("type") != "step-start")


def ui_message(content: Mapping[str, Any]) -> UiMessage:
    """A UI message.

    Raises:
        InvalidInput: It is none.
    """
    try:
        return UiMessage.model_validate(content)
    except ValidationError:
        raise InvalidInput(
            "`content` must have the role user or assistant, and a list of parts."
        ) from None


def storable(parts: Iterable[Part]) -> list[Part]:
    """The parts of a message, without empty texts.

    Raises:
        InvalidInput: There are too many.
    """
    stored = [part for part in parts if not _is_empty(part)]
    if len(stored) > _MAX_PARTS:
        raise InvalidInput(f"A message can have at most {_MAX_PARTS} parts.")
    return stored


def read_part(part: Mapping[str, Any]) -> Part:
    """A part of a UI message as a message stores it.

    Raises:
        InvalidInput: It is malformed, or of a type that cannot be stored.
    """
    kind = text_field(part, "type", _MAX_NAME)
    read = _READ.get(kind)
    if kind.startswith("data-"):
        read = _data
    elif kind.startswith("tool-"):
        read = _tool_call
    if read is None:
        raise InvalidInput(f"A message with a part of the type {kind!r} can't be stored.")
    return read(part)


def _is_empty(part: Part) -> bool:
    """Whether a part is a text without a character; nothing is shown of it."""
    return (part["type"] == "text" or part["type"] == "reasoning") and not part["text"]


def text_field(part: Mapping[str, Any], key: str, most: int | None = None) -> str:
    """A text of a part.

    Args:
        part: The part.
        key: The name of the text.
        most: The most characters, if it must have one at least; None for any text.

    Raises:
        InvalidInput: It is none, or too long.
    """
    value = part.get(key)
    if not isinstance(value, str) or (most is not None and not 1 <= len(value) <= most):
        raise InvalidInput(f"`{key}` of a part is not valid.")
    return repair_surrogates(value)


def _source(part: Mapping[str, Any]) -> Part:
    url = text_field(part, "url", _MAX_URL)
    if not url.startswith(("https://", "http://")):
        raise InvalidInput("`url` of a part is not valid.")
    title = text_field(part, "title", _MAX_URL) if part.get("title") else ""
    return {
        "type": "source",
        "id": text_field(part, "sourceId", _MAX_NAME),
        "url": url,
        "title": title,
    }


def _data(part: Mapping[str, Any]) -> Part:
    name = part["type"].removeprefix("data-")
    if not _DATA_NAME.fullmatch(name):
        raise InvalidInput("`type` of a part is not valid.")
    return {"type": "data", "name": name, "data": json_value(part.get("data"))}


def _tool_call(part: Mapping[str, Any]) -> Part:
    state = _CALL_STATES.get(text_field(part, "state", _MAX_NAME))
    if state is None:
        raise InvalidInput("`state` of a part is not valid.")
    is_dynamic = part["type"] == "dynamic-tool"
    name = part.get("toolName") if is_dynamic else part["type"].removeprefix("tool-")
    call: ToolCallPart = {
        "type": "tool-call",
        "call_id": text_field(part, "toolCallId", _MAX_NAME),
        "name": text_field({"toolName": name}, "toolName", _MAX_NAME),
        "arguments": json.dumps(json_value(part.get("input", {})), ensure_ascii=False),
        "state": state,
    }
    if state == "done":
        call["result"] = json_value(part.get("output"))
    elif state == "failed":
        call["error"] = "internal_error"
    elif state == "denied":
        call["approval"] = denial(part)
    return call


def denial(part: Mapping[str, Any]) -> ToolApproval:
    """Why a call was denied. Other approvals are not kept, because no run waits for them."""
    approval = part.get("approval")
    said = approval if isinstance(approval, dict) else {}
    found: ToolApproval = {
        "id": text_field({"id": said.get("id", part["toolCallId"])}, "id", _MAX_NAME),
        "approved": False,
    }
    if said.get("reason"):
        found["reason"] = text_field(said, "reason", _MAX_URL)
    return found


_READ: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": lambda part: {"type": "text", "text": text_field(part, "text")},
    "reasoning": lambda part: {"type": "reasoning", "text": text_field(part, "text")},
    "source-url": _source,
    "dynamic-tool": _tool_call,
}
