"""Responses of OpenAI: requests as prompts, and answers as events or as one object. Pure.

platform.openai.com/docs/api-reference/responses and …/responses-streaming
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat_app.api.wires.prompts import (
    PromptBuilder,
    image_part,
    parts_of_content,
    string_of,
    text_of_content,
    text_part_of,
    tool_of,
)
from chat_app.api.wires.sse import typed_events
from chat_app.core.crypto import new_short_id
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
from chat_app.core.json_values import JsonMapping, JsonObject
from chat_app.core.parts import Part, text_part
from chat_app.llm.base import PromptMessage, Tool

_INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "size": "max_output_tokens",
    "content-filter": "content_filter",
}


def prompt_of(
    instructions: str | None, given: str | Iterable[JsonMapping]
) -> tuple[PromptMessage, ...]:
    """The prompt that a request is.

    Args:
        instructions: The system prompt; None for none.
        given: The input: a text, or the items of the conversation.

    Raises:
        InvalidInput: An item is not valid.
    """
    builder = PromptBuilder()
    if instructions:
        builder.add_system(instructions)
    if isinstance(given, str):
        builder.user([text_part(given)])
        return builder.prompt()
    for index, item in enumerate(given):
        _add_item(builder, item, f"input.{index}")
    return builder.prompt()


def _add_item(builder: PromptBuilder, item: JsonMapping, where: str) -> None:
    match item.get("type", "message"):
        case "message":
            _add_message(builder, item, where)
        case "function_call":
            name, arguments = string_of(item, "name", where), string_of(item, "arguments", where)
            builder.call(string_of(item, "call_id", where), name, arguments)
        case "function_call_output":
            text = text_of_content(item.get("output"), f"{where}.output", "input_text")
            builder.result(string_of(item, "call_id", where), text, where)
        case "reasoning":
            pass  # only the provider that encrypted it could use it
        case _:
            raise InvalidInput(
                f"{where} must be a message, function_call, function_call_output or reasoning.",
                where,
            )


def _add_message(builder: PromptBuilder, item: JsonMapping, where: str) -> None:
    content = item.get("content")
    match item.get("role"):
        case "system" | "developer":
            builder.add_system(text_of_content(content, f"{where}.content", "input_text"))
        case "user":
            builder.user(parts_of_content(content, f"{where}.content", _user_part))
        case "assistant":
            builder.answer(parts_of_content(content, f"{where}.content", _assistant_part))
        case _:
            raise InvalidInput(
                f"{where}.role must be system, developer, user or assistant.", f"{where}.role"
            )


def _user_part(part: JsonMapping, where: str) -> Part:
    match part.get("type"):
        case "input_text":
            return text_part_of(part, where)
        case "input_image":
            return image_part(part.get("image_url"), f"{where}.image_url")
        case _:
            raise InvalidInput(f"{where} must be input_text or input_image.", where)


def _assistant_part(part: JsonMapping, where: str) -> Part:
    match part.get("type"):
        case "output_text" | "input_text":
            return text_part_of(part, where)
        case "refusal":
            return text_part(string_of(part, "refusal", where))
        case _:
            raise InvalidInput(f"{where} must be output_text or refusal.", where)


def tools_of(tools: Iterable[JsonMapping]) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        InvalidInput: One of them is not valid, or no function.
    """
    found: list[Tool] = []
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if tool.get("type") != "function":
            raise InvalidInput(f"{where} must be of the type function.", where)
        parts = tool.get("name"), tool.get("description"), tool.get("parameters")
        found.append(tool_of(*parts, where))
    return tuple(found)


def usage_of(usage: Usage | None) -> JsonObject | None:
    """The `usage` of an answer; None where the provider does not count."""
    if usage is None:
        return None
    input_details = {
        "cached_tokens": usage.cached_input_tokens or 0,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": input_details,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What a response says besides the answer.

    Args:
        id: Its id.
        created_at: The time, in seconds since 1970.
        echoed: The fields of the request that a response repeats.
    """

    id: str
    created_at: int
    echoed: Mapping[str, Any]

    def response(
        self, model: str, status: str, output: list[JsonObject], usage: Usage | None = None
    ) -> JsonObject:
        """The response.

        Args:
            model: The id of the model that answers.
            status: `in_progress`, `completed`, or why it is incomplete.
            output: What there is of the answer.
            usage: What it took.
        """
        is_whole = status in ("in_progress", "completed")
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status if is_whole else "incomplete",
            "error": None,
            "incomplete_details": None if is_whole else {"reason": status},
            "model": model,
            "output": output,
            "usage": usage_of(usage),
            **self.echoed,
        }


def response_status(reason: FinishReason | None) -> str:
    """The status of a response that has ended, as `ResponseHead.response` takes it."""
    return _INCOMPLETE.get(reason or "other", "completed")


@dataclass(slots=True)
class _Item:
    """An item of the output that has begun."""

    kind: str
    id: str
    index: int
    pieces: list[str] = field(default_factory=list[str])
    call_id: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def whole(self, *, is_done: bool) -> JsonObject:
        status, text = "completed" if is_done else "in_progress", self.text if is_done else ""
        match self.kind:
            case "message":
                content = [_output_text(text)] if is_done else []
                base = {"role": "assistant", "content": content}
            case "reasoning":
                base = {"summary": [{"type": "summary_text", "text": text}] if is_done else []}
            case _:
                base = {"call_id": self.call_id, "name": self.name, "arguments": text}
        return {"id": self.id, "type": self.kind, "status": status, **base}


class ResponsesEncoder:
    """Encodes the events of one answer as the events of a stream.

    Args:
        head: What the response says besides.
        model: The id of the model that answers.
    """

    def __init__(self, head: ResponseHead, model: str) -> None:
        self._head = head
        self._model = model
        self._number = 0
        self._items: list[_Item] = []
        self._open: _Item | None = None
        self._calls: dict[str, _Item] = {}
        self._known_calls: set[str] = set()

    def start(self) -> list[JsonObject]:
        """The events before the first one of the answer."""
        response = self._head.response(self._model, "in_progress", [])
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def event(self, event: Event) -> list[JsonObject]:
        """The events of an event."""
        match event:
            case TextDelta(text) if text:
                events, item = self._at("message")
                return [*events, self._text_delta(item, text)]
            case ReasoningDelta(text) if text:
                events, item = self._at("reasoning")
                item.pieces.append(text)
                delta = {"summary_index": 0, "delta": text}
                kind = "response.reasoning_summary_text.delta"
                return [*events, self._event(kind, item, **delta)]
            case ToolCallDelta(call_id, name, arguments):
                return self._call(call_id, name, arguments)
            case ToolCallEnd(call_id) if call_id in self._calls:
                return self._end_item(self._calls.pop(call_id))
            case _:
                return []

    def end(self, reason: FinishReason | None, usage: Usage | None) -> list[JsonObject]:
        """The events after the last one of the answer."""
        events = self._close()
        for item in list(self._calls.values()):
            events += self._end_item(item)
        status = response_status(reason)
        output = [item.whole(is_done=True) for item in self._items]
        response = self._head.response(self._model, status, output, usage)
        kind = "response.completed" if status == "completed" else "response.incomplete"
        return [*events, self._event(kind, response=response)]

    def encode(self, chunks: Iterable[JsonObject]) -> bytes:
        """Events as the bytes of the stream."""
        return typed_events(chunks)

    def _event(self, kind: str, about: _Item | None = None, /, **more: Any) -> JsonObject:
        event: JsonObject = {"type": kind, "sequence_number": self._number}
        self._number += 1
        if about is not None:
            event |= {"item_id": about.id, "output_index": about.index}
        return event | more

    def _text_delta(self, item: _Item, text: str) -> JsonObject:
        item.pieces.append(text)
        more = {"content_index": 0, "delta": text, "logprobs": []}
        return self._event("response.output_text.delta", item, **more)

    def _at(self, kind: str) -> tuple[list[JsonObject], _Item]:
        """The open item of a kind, and the events that open it."""
        if self._open is not None and self._open.kind == kind:
            return [], self._open
        events = self._close()
        self._open = item = self._new(kind)
        events.append(self._added(item))
        if kind == "message":
            added = {"content_index": 0, "part": _output_text("")}
            events.append(self._event("response.content_part.added", item, **added))
        else:
            added = {"summary_index": 0, "part": {"type": "summary_text", "text": ""}}
            events.append(self._event("response.reasoning_summary_part.added", item, **added))
        return events, item

    def _call(self, call_id: str, name: str, arguments: str) -> list[JsonObject]:
        events: list[JsonObject] = []
        item = self._calls.get(call_id)
        if item is None:
            if call_id in self._known_calls:
                return []
            self._known_calls.add(call_id)
            events = self._close()
            item = self._calls[call_id] = self._new("function_call", call_id, name)
            events.append(self._added(item))
        if arguments:
            item.pieces.append(arguments)
            kind = "response.function_call_arguments.delta"
            events.append(self._event(kind, item, delta=arguments))
        return events

    def _new(self, kind: str, call_id: str = "", name: str = "") -> _Item:
        prefix = {"message": "msg", "reasoning": "rs"}.get(kind, "fc")
        index = len(self._items)
        item = _Item(kind, f"{prefix}_{new_short_id()}", index, call_id=call_id, name=name)
        self._items.append(item)
        return item

    def _added(self, item: _Item) -> JsonObject:
        added = {"output_index": item.index, "item": item.whole(is_done=False)}
        return self._event("response.output_item.added", **added)

    def _close(self) -> list[JsonObject]:
        """End the open item."""
        if self._open is None:
            return []
        item, self._open = self._open, None
        return self._end_item(item)

    def _end_item(self, item: _Item) -> list[JsonObject]:
        text = item.text
        match item.kind:
            case "message":
                at = {"content_index": 0}
                events = [
                    self._event("response.output_text.done", item, **at, text=text, logprobs=[]),
                    self._event("response.content_part.done", item, **at, part=_output_text(text)),
                ]
            case "reasoning":
                at = {"summary_index": 0}
                part = {"type": "summary_text", "text": text}
                events = [
                    self._event("response.reasoning_summary_text.done", item, **at, text=text),
                    self._event("response.reasoning_summary_part.done", item, **at, part=part),
                ]
            case _:
                kind = "response.function_call_arguments.done"
                events = [self._event(kind, item, name=item.name, arguments=text)]
        done = {"output_index": item.index, "item": item.whole(is_done=True)}
        return [*events, self._event("response.output_item.done", **done)]


def response(head: ResponseHead, model: str, answer: FoldedRun) -> JsonObject:
    """A whole answer as one object.

    Args:
        head: What the response says besides.
        model: The id of the model that answered.
        answer: What the model sent.
    """
    output: list[JsonObject] = []
    for index, part in enumerate(answer.parts):
        match part["type"]:
            case "text" if part["text"]:
                item = _Item("message", f"msg_{new_short_id()}", index, [part["text"]])
            case "reasoning" if part["text"]:
                item = _Item("reasoning", f"rs_{new_short_id()}", index, [part["text"]])
            case "tool-call":
                item = _Item("function_call", f"fc_{new_short_id()}", index, [part["arguments"]])
                item.call_id, item.name = part["call_id"], part["name"]
            case _:
                continue
        output.append(item.whole(is_done=True))
    reason = answer.finish.reason if answer.finish else None
    return head.response(model, response_status(reason), output, answer.usage)


def _output_text(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
