"""Messages in the formats in which AssistantCloud stores them. Pure.

`aui/v0` is assistant-ui's own (`packages/core/src/react/runtimes/cloud/auiV0.ts`), `ai-sdk/v6` the
AI SDK's; see `ui_messages`. A message is stored once, and read in either.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat_app.api.wires import ai_sdk
from chat_app.api.wires.ui_messages import denial, read_part, storable, text_field, ui_message
from chat_app.core.crypto import hash_token
from chat_app.core.errors import InvalidInput, message_of
from chat_app.core.json_values import json_value
from chat_app.core.parts import Part, ToolCallPart, notice_values, summary_values
from chat_app.core.text import is_client_id
from chat_app.runs.follow import RunMetrics
from chat_app.threads.views import MessageView

Format = Literal["ai-sdk/v6", "aui/v0"]
FORMATS: tuple[Format, ...] = get_args(Format)

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class CloudContent:
    """What a client stores of a message.

    Args:
        role: Whose it is.
        parts: Its parts.
    """

    role: Literal["user", "assistant"]
    parts: list[Part]


def check_format(text: str) -> Format:
    """The format that a client names.

    Raises:
        InvalidInput: It is none of ours.
    """
    for known in FORMATS:
        if text == known:
            return known
    raise InvalidInput(f"`format` must be {' or '.join(FORMATS)}.")


def client_id_of(external_id: str) -> str:
    """The client id of a message that a client names; a name that can be none is hashed."""
    if is_client_id(external_id):
        return external_id
    return f"external-{hash_token(external_id)[:48]}"


def read_content(format: Format, content: Mapping[str, Any]) -> CloudContent:
    """The content of a message that a client stores.

    Raises:
        InvalidInput: It is malformed, or has something that cannot be stored.
    """
    if format == "aui/v0":
        return _read_aui(content)
    message = ui_message(content)
    return CloudContent(message.role, message.stored_parts)


def read_unnamed_content(content: Mapping[str, Any]) -> CloudContent:
    """The same where a client names no format: the two have their parts under different keys.

    Raises:
        InvalidInput: It is malformed, or has something that cannot be stored.
    """
    return read_content("ai-sdk/v6" if "parts" in content else "aui/v0", content)


def content_of(
    format: Format, message: MessageView, metrics: RunMetrics | None = None
) -> dict[str, Any]:
    """The content of a stored message.

    Args:
        format: How the client wants it.
        message: The message.
        metrics: What it took, if a model wrote it.
    """
    known = _metadata(message, metrics)
    if format == "aui/v0":
        return _aui_content(message, known)
    return {"role": message.role, "metadata": known, "parts": ai_sdk.ui_parts(message.parts)}


def heights(messages: Sequence[MessageView]) -> dict[UUID, int]:
    """How many messages are above each one.

    Args:
        messages: The messages of a thread, each after the one above it.
    """
    found = dict[UUID, int]()
    for message in messages:
        above = None if message.parent_id is None else found.get(message.parent_id)
        found[message.id] = 0 if above is None else above + 1
    return found


def newest_first(messages: Sequence[MessageView]) -> list[MessageView]:
    """The messages of a thread, the newest first, and each before the one above it."""
    height = heights(messages)
    return sorted(
        messages, key=lambda one: (one.created_at, height[one.id], one.id.hex), reverse=True
    )


def _metadata(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    if message.role != "assistant" or message.origin:
        return {}
    reason = ai_sdk.finish_reason(message.status, message.finish_reason)
    return ai_sdk.metadata(metrics or RunMetrics(message.model), reason)


def _aui_content(message: MessageView, metadata: dict[str, Any]) -> dict[str, Any]:
    content = [_aui_part(part) for part in message.parts]
    if message.role != "assistant":
        return {"role": message.role, "content": content, "metadata": {"custom": {}}}
    usage = metadata.get("usage")
    steps = [{"usage": {key: usage[key] for key in _USAGE}}] if usage else []
    return {
        "role": message.role,
        "content": content,
        "status": _aui_status(message),
        "metadata": {
            "unstable_annotations": [],
            "unstable_data": [],
            "steps": steps,
            "custom": metadata,
        },
    }


_USAGE = ("inputTokens", "outputTokens")


def _aui_status(message: MessageView) -> dict[str, Any]:
    """The status of an answer; one that is still written is incomplete, as it is to the client."""
    match ai_sdk.finish_reason(message.status, message.finish_reason):
        case None:
            return {"type": "incomplete", "reason": "cancelled"}
        case "length" | "size":
            return {"type": "incomplete", "reason": "length"}
        case "content-filter":
            return {"type": "incomplete", "reason": "content-filter"}
        case "error":
            error = message.error or ai_sdk.INTERRUPTED
            return {"type": "incomplete", "reason": "error", "error": error}
        case reason:
            return {"type": "complete", "reason": "stop" if reason == "stop" else "unknown"}


def _aui_part(part: Part) -> dict[str, Any]:
    match part["type"]:
        case "text" | "reasoning":
            return {"type": part["type"], "text": part["text"]}
        case "tool-call":
            return _aui_tool_call(part)
        case "source":
            title = {"title": part["title"]} if part["title"] else {}
            source = {"type": "source", "sourceType": "url", "id": part["id"]}
            return {**source, "url": part["url"], **title}
        case "file":
            # an image at another URL is left out by the client
            is_shown = part["url"].startswith(("data:image/", "https://"))
            if is_shown and part["media_type"].startswith("image/"):
                return {"type": "image", "image": part["url"], "filename": part["name"]}
            file = {"type": "file", "data": part["url"], "mimeType": part["media_type"]}
            return {**file, "filename": part["name"], "sourceType": "url"}
        case "data":
            return {"type": "data", "name": part["name"], "data": part["data"]}
        case "notice":
            return {"type": "data", "name": "notice", "data": notice_values(part)}
        case "summary":
            return {"type": "data", "name": "summary", "data": summary_values(part)}


def _aui_tool_call(part: ToolCallPart) -> dict[str, Any]:
    call: dict[str, Any] = {
        "type": "tool-call",
        "toolCallId": part["call_id"],
        "toolName": part["name"],
        "argsText": part["arguments"],
    }
    if "approval" in part:
        call["approval"] = dict(part["approval"])
    if part["state"] == "done":
        call["result"] = part.get("result")
    elif part["state"] == "failed":
        call |= {"result": message_of(part.get("error", ""), {}), "isError": True}
    return call


class _AuiMessage(BaseModel):
    """A message in assistant-ui's format; what else it has, the server knows better."""

    model_config = ConfigDict(strict=True)

    role: Literal["user", "assistant"]
    content: list[dict[str, Any]] = Field(max_length=1_000)
    attachments: list[Any] = []


def _read_aui(content: Mapping[str, Any]) -> CloudContent:
    try:
        message = _AuiMessage.model_validate(content)
    except ValidationError:
        raise InvalidInput(
            "`content` must have the role user or assistant, and a list as `content`."
        ) from None
    if message.attachments:
        raise InvalidInput("A message with attachments can't be stored.")
    return CloudContent(message.role, storable(map(_read_aui_part, message.content)))


def _read_aui_part(part: Mapping[str, Any]) -> Part:
    kind = text_field(part, "type", _MAX_NAME)
    read = _READ.get(kind)
    if read is None or (kind == "source" and part.get("sourceType") != "url"):
        raise InvalidInput(f"A message with a part of the type {kind!r} can't be stored.")
    return read(part)


def _read_reasoning(part: Mapping[str, Any]) -> Part:
    text = part.get("text") or part.get("unstable_summary") or ""
    return read_part({"type": "reasoning", "text": text})


def _read_source(part: Mapping[str, Any]) -> Part:
    shown = {key: part.get(key) for key in ("url", "title")}
    return read_part({"type": "source-url", "sourceId": part.get("id"), **shown})


def _read_data(part: Mapping[str, Any]) -> Part:
    name = text_field(part, "name", _MAX_NAME)
    return read_part({"type": f"data-{name}", "data": part.get("data")})


def _read_tool_call(part: Mapping[str, Any]) -> Part:
    arguments = part.get("argsText")
    if arguments is None:
        arguments = json.dumps(json_value(part.get("args", {})), ensure_ascii=False)
    call: ToolCallPart = {
        "type": "tool-call",
        "call_id": text_field(part, "toolCallId", _MAX_NAME),
        "name": text_field(part, "toolName", _MAX_NAME),
        "arguments": text_field({"argsText": arguments}, "argsText"),
        "state": "called",
    }
    approval = part.get("approval")
    if isinstance(approval, dict) and approval.get("approved") is False:
        call["state"], call["approval"] = "denied", denial(part)
    elif part.get("isError"):
        call["state"], call["error"] = "failed", "internal_error"
    elif "result" in part:
        call["state"], call["result"] = "done", json_value(part["result"])
    return call


_READ: dict[str, Callable[[Mapping[str, Any]], Part]] = {
    "text": read_part,
    "reasoning": _read_reasoning,
    "source": _read_source,
    "data": _read_data,
    "tool-call": _read_tool_call,
}
