"""Chat completions of OpenAI: requests as prompts, and answers as chunks or as one object. Pure.

platform.openai.com/docs/api-reference/chat. `reasoning_content` beside the content is what other
servers of this API have (api-docs.deepseek.com/guides/reasoning_model).
"""

from collections.abc import Iterable

from chat_app.api.wires.prompts import (
    PromptBuilder,
    image_part,
    objects_of,
    parts_of_content,
    string_of,
    text_of_content,
    text_part_of,
    tool_of,
)
from chat_app.api.wires.sse import DONE, data_events
from chat_app.core.errors import InvalidInput
from chat_app.core.events import (
    Event,
    FinishReason,
    FoldedRun,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from chat_app.core.json_values import JsonMapping, JsonObject, compact_json
from chat_app.core.parts import Part, text_part
from chat_app.llm.base import PromptMessage, Tool

_REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "size": "length",
    "content-filter": "content_filter",
    "tool-calls": "tool_calls",
    "other": "stop",
}


def prompt_of(messages: Iterable[JsonMapping]) -> tuple[PromptMessage, ...]:
    """The prompt that the messages of a request are.

    Raises:
        InvalidInput: One of them is not valid.
    """
    builder = PromptBuilder()
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        content = message.get("content")
        match message.get("role"):
            case "system" | "developer":
                builder.add_system(text_of_content(content, f"{where}.content", "text"))
            case "user":
                builder.user(parts_of_content(content, f"{where}.content", _user_part))
            case "assistant":
                _add_answer(builder, message, where)
            case "tool":
                text = text_of_content(content, f"{where}.content", "text")
                builder.result(string_of(message, "tool_call_id", where), text, where)
            case _:
                raise InvalidInput(
                    f"{where}.role must be system, developer, user, assistant or tool.",
                    f"{where}.role",
                )
    return builder.prompt()


def _user_part(part: JsonMapping, where: str) -> Part:
    match part.get("type"):
        case "text":
            return text_part_of(part, where)
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            return image_part(url, f"{where}.image_url")
        case _:
            raise InvalidInput(f"{where} must be text or image_url; other parts can't be sent.")


def _add_answer(builder: PromptBuilder, message: JsonMapping, where: str) -> None:
    if message.get("function_call") is not None:
        raise InvalidInput(f"{where}.function_call is out of date; use tool_calls.", where)
    content = message.get("content")
    if content is not None:
        builder.answer(parts_of_content(content, f"{where}.content", _assistant_part))
    elif isinstance(refusal := message.get("refusal"), str):
        builder.answer([text_part(refusal)])
    for index, call in enumerate(
        objects_of(message.get("tool_calls") or [], f"{where}.tool_calls")
    ):
        at = f"{where}.tool_calls.{index}"
        function = call.get("function")
        if not isinstance(function, dict):
            raise InvalidInput(f"{at}.function must be an object.", at)
        builder.call(
            string_of(call, "id", at),
            string_of(function, "name", f"{at}.function"),
            string_of(function, "arguments", f"{at}.function"),
        )


def _assistant_part(part: JsonMapping, where: str) -> Part:
    match part.get("type"):
        case "text":
            return text_part_of(part, where)
        case "refusal":
            return text_part(string_of(part, "refusal", where))
        case _:
            raise InvalidInput(f"{where} must be text or refusal.", where)


def tools_of(tools: Iterable[JsonMapping]) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        InvalidInput: One of them is not valid, or no function.
    """
    found: list[Tool] = []
    for index, tool in enumerate(tools):
        where = f"tools.{index}.function"
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            raise InvalidInput(f"tools.{index} must be of the type function.", f"tools.{index}")
        parts = function.get("name"), function.get("description"), function.get("parameters")
        found.append(tool_of(*parts, where))
    return tuple(found)


def finish_reason(reason: FinishReason | None, *, has_calls: bool) -> str:
    """The `finish_reason` of an answer."""
    if has_calls and reason in ("stop", "other", None):
        return "tool_calls"
    return _REASONS[reason or "other"]


def usage_of(usage: Usage | None) -> JsonObject | None:
    """The `usage` of an answer; None where the provider does not count."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


class ChatCompletionEncoder:
    """Encodes the events of one answer as chunks.

    Args:
        completion_id: The id of the completion.
        model: The id of the model that answers.
        created: The time, in seconds since 1970.
        usage: Whether the client wants the token counts.
    """

    def __init__(self, completion_id: str, model: str, created: int, *, usage: bool) -> None:
        self._base = {
            "id": completion_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._has_usage = usage
        self._calls: dict[str, int] = {}
        self._has_ended = False

    def start(self) -> list[JsonObject]:
        """The chunks before the first event."""
        return [self._chunk({"role": "assistant", "content": ""})]

    def event(self, event: Event) -> list[JsonObject]:
        """The chunks of an event."""
        match event:
            case TextDelta(text) if text:
                return [self._chunk({"content": text})]
            case ReasoningDelta(text) if text:
                return [self._chunk({"reasoning_content": text})]
            case ToolCallDelta(call_id, name, arguments):
                is_new = call_id not in self._calls
                index = self._calls.setdefault(call_id, len(self._calls))
                if is_new:
                    function = {"name": name, "arguments": arguments}
                    call = {"index": index, "id": call_id, "type": "function", "function": function}
                    return [self._chunk({"tool_calls": [call]})]
                call = {"index": index, "function": {"arguments": arguments}}
                return [self._chunk({"tool_calls": [call]})] if arguments else []
            case _:
                return []

    def end(self, reason: FinishReason | None, usage: Usage | None) -> list[JsonObject]:
        """The chunks after the last event."""
        self._has_ended = True
        finish = finish_reason(reason, has_calls=bool(self._calls))
        chunks = [self._chunk({}, finish)]
        if self._has_usage:
            chunks.append({**self._base, "choices": [], "usage": usage_of(usage)})
        return chunks

    def encode(self, chunks: Iterable[JsonObject]) -> bytes:
        """Chunks as events of the stream; behind the last one comes `[DONE]`."""
        body = data_events(map(compact_json, chunks))
        return body + DONE if self._has_ended else body

    def _chunk(self, delta: JsonObject, finish: str | None = None) -> JsonObject:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {**self._base, "choices": [choice]}
        return {**chunk, "usage": None} if self._has_usage else chunk


def completion(completion_id: str, model: str, created: int, answer: FoldedRun) -> JsonObject:
    """A whole answer as one object.

    Args:
        completion_id: Its id.
        model: The id of the model that answered.
        created: The time, in seconds since 1970.
        answer: What the model sent.
    """
    texts = [part["text"] for part in answer.parts if part["type"] == "text"]
    thoughts = [part["text"] for part in answer.parts if part["type"] == "reasoning"]
    calls = [
        {
            "id": part["call_id"],
            "type": "function",
            "function": {"name": part["name"], "arguments": part["arguments"]},
        }
        for part in answer.parts
        if part["type"] == "tool-call"
    ]
    message: JsonObject = {"role": "assistant", "content": "".join(texts), "refusal": None}
    if calls:
        message |= {"tool_calls": calls, "content": message["content"] or None}
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    reason = answer.finish.reason if answer.finish else None
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason(reason, has_calls=bool(calls)),
    }
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": usage_of(answer.usage),
    }
