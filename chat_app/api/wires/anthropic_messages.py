"""Messages of Anthropic: requests as prompts, and answers as events or as one object. Pure.

platform.claude.com/docs/en/api/messages. The blocks of a stream follow one another, and the input
of a tool is an object; other models write several calls at once, and what is no object. So a call
is sent when it is complete.
"""

import json
from collections.abc import Iterable

from chat_app.api.wires.prompts import (
    PromptBuilder,
    image_part,
    json_text,
    objects_of,
    parts_of_content,
    string_of,
    text_of_content,
    text_part_of,
    tool_of,
)
from chat_app.api.wires.sse import typed_events
from chat_app.core.errors import InvalidInput
from chat_app.core.events import (
    Event,
    FinishReason,
    FoldedRun,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.core.json_values import JsonMapping, JsonObject, json_value
from chat_app.core.parts import Part
from chat_app.llm.base import PromptMessage, Tool

KEEPALIVE = b'event: ping\ndata: {"type":"ping"}\n\n'

_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "size": "max_tokens",
    "content-filter": "refusal",
    "tool-calls": "tool_use",
    "other": "end_turn",
}


def prompt_of(system: object, messages: Iterable[JsonMapping]) -> tuple[PromptMessage, ...]:
    """The prompt that a request is.

    Args:
        system: The system prompt: a text, or a list of text blocks; None for none.
        messages: The conversation.

    Raises:
        InvalidInput: Something of it is not valid.
    """
    builder = PromptBuilder()
    if system is not None:
        builder.add_system(text_of_content(system, "system", "text"))
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        content = message.get("content")
        match message.get("role"):
            case "user":
                _add_user(builder, content, f"{where}.content")
            case "assistant":
                _add_answer(builder, content, f"{where}.content")
            case _:
                raise InvalidInput(f"{where}.role must be user or assistant.", f"{where}.role")
    return builder.prompt()


def _add_user(builder: PromptBuilder, content: object, where: str) -> None:
    def read(block: JsonMapping, at: str) -> Part | None:
        match block.get("type"):
            case "text":
                return text_part_of(block, at)
            case "image":
                return image_part(_image_url(block.get("source"), at), f"{at}.source")
            case "tool_result":
                given = block.get("content")
                text = "" if given is None else text_of_content(given, f"{at}.content", "text")
                failed = block.get("is_error") is True
                builder.result(string_of(block, "tool_use_id", at), text, at, failed=failed)
                return None
            case _:
                raise InvalidInput(f"{at} must be text, image or tool_result.", at)

    parts = parts_of_content(content, where, read)
    if parts or not isinstance(content, list) or not content:
        builder.user(parts)


def _image_url(source: object, where: str) -> object:
    if isinstance(source, dict):
        if source.get("type") == "base64":
            return f"data:{source.get('media_type')};base64,{source.get('data')}"
        if source.get("type") == "url":
            return source.get("url")
    raise InvalidInput(f"{where}.source must be of the type base64 or url.", f"{where}.source")


def _add_answer(builder: PromptBuilder, content: object, where: str) -> None:
    if isinstance(content, str):
        builder.answer(parts_of_content(content, where, text_part_of))
        return
    for index, block in enumerate(objects_of(content, where)):
        at = f"{where}.{index}"
        match block.get("type"):
            case "text":
                builder.answer([text_part_of(block, at)])
            case "tool_use":
                name, arguments = string_of(block, "name", at), json_text(block.get("input"))
                builder.call(string_of(block, "id", at), name, arguments)
            case "thinking" | "redacted_thinking":
                pass  # only the provider that signed it could use it
            case _:
                raise InvalidInput(f"{at} must be text, tool_use or thinking.", at)


def tools_of(tools: Iterable[JsonMapping]) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        InvalidInput: One of them is not valid, or runs at Anthropic.
    """
    found: list[Tool] = []
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if tool.get("type") not in (None, "custom"):
            raise InvalidInput(f"{where} must be of the type custom.", where)
        parts = tool.get("name"), tool.get("description"), tool.get("input_schema")
        found.append(tool_of(*parts, where))
    return tuple(found)


def stop_reason(reason: FinishReason | None, *, has_calls: bool) -> str:
    """The `stop_reason` of an answer."""
    if has_calls and reason in ("stop", "other", None):
        return "tool_use"
    return _REASONS[reason or "other"]


def usage_of(usage: Usage | None) -> JsonObject:
    """The `usage` of an answer; zeros where the provider does not count."""
    if usage is None:
        return {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        }
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens
    return {
        "input_tokens": max(0, usage.input_tokens - cached - written),
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }


class MessagesEncoder:
    """Encodes the events of one answer as the events of a stream.

    Args:
        message_id: The id of the message.
        model: The id of the model that answers.
        thinking: Whether the client wants the reasoning.
    """

    def __init__(self, message_id: str, model: str, *, thinking: bool) -> None:
        self._message_id = message_id
        self._model = model
        self._has_thinking = thinking
        self._index = 0
        self._open = ""
        self._calls: dict[str, tuple[str, list[str]]] = {}
        self._ended_calls: set[str] = set()

    def start(self) -> list[JsonObject]:
        """The events before the first one of the answer."""
        message = {
            "id": self._message_id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of(None),
        }
        return [{"type": "message_start", "message": message}]

    def event(self, event: Event) -> list[JsonObject]:
        """The events of an event."""
        match event:
            case TextDelta(text) if text:
                block = {"type": "text", "text": ""}
                return self._delta("text", block, {"type": "text_delta", "text": text})
            case ReasoningDelta(text) if text and self._has_thinking:
                block = {"type": "thinking", "thinking": "", "signature": ""}
                return self._delta("thinking", block, {"type": "thinking_delta", "thinking": text})
            case ToolCallDelta(call_id, name, arguments) if call_id not in self._ended_calls:
                self._calls.setdefault(call_id, (name, []))[1].append(arguments)
                return []
            case ToolCallEnd(call_id) if call_id in self._calls:
                return self._end_call(call_id)
            case _:
                return []

    def end(self, reason: FinishReason | None, usage: Usage | None) -> list[JsonObject]:
        """The events after the last one of the answer."""
        events = [each for call_id in list(self._calls) for each in self._end_call(call_id)]
        events += self._close()
        stopped = stop_reason(reason, has_calls=bool(self._ended_calls))
        delta = {"stop_reason": stopped, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": usage_of(usage)})
        return [*events, {"type": "message_stop"}]

    def encode(self, chunks: Iterable[JsonObject]) -> bytes:
        """Events as the bytes of the stream."""
        return typed_events(chunks)

    def _delta(self, kind: str, block: JsonObject, delta: JsonObject) -> list[JsonObject]:
        events = [] if self._open == kind else self._begin(kind, block)
        return [*events, {"type": "content_block_delta", "index": self._index, "delta": delta}]

    def _begin(self, kind: str, block: JsonObject) -> list[JsonObject]:
        events = self._close()
        self._open = kind
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return [*events, start]

    def _close(self) -> list[JsonObject]:
        if not self._open:
            return []
        self._open = ""
        self._index += 1
        return [{"type": "content_block_stop", "index": self._index - 1}]

    def _end_call(self, call_id: str) -> list[JsonObject]:
        name, pieces = self._calls.pop(call_id)
        self._ended_calls.add(call_id)
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json_text(_input("".join(pieces)))}
        return [*self._begin("tool_use", block), *self._delta("tool_use", block, delta)]


def message(message_id: str, model: str, answer: FoldedRun, *, thinking: bool) -> JsonObject:
    """A whole answer as one object.

    Args:
        message_id: Its id.
        model: The id of the model that answered.
        answer: What the model sent.
        thinking: Whether the client wants the reasoning.
    """
    content: list[JsonObject] = []
    for part in answer.parts:
        if part["type"] == "text" and part["text"]:
            content.append({"type": "text", "text": part["text"]})
        elif part["type"] == "reasoning" and thinking and part["text"]:
            content.append({"type": "thinking", "thinking": part["text"], "signature": ""})
        elif part["type"] == "tool-call":
            given = _input(part["arguments"])
            name, call_id = part["name"], part["call_id"]
            content.append({"type": "tool_use", "id": call_id, "name": name, "input": given})
    has_calls = any(block["type"] == "tool_use" for block in content)
    reason = answer.finish.reason if answer.finish else None
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason(reason, has_calls=has_calls),
        "stop_sequence": None,
        "usage": usage_of(answer.usage),
    }


def _input(arguments: str) -> JsonObject:
    """The arguments of a call as an object, which a model may not have written."""
    try:
        value = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return {"arguments": arguments}
    return json_value(value if isinstance(value, dict) else {"arguments": value})
