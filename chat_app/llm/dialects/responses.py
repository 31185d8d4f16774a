"""OpenAI Responses: a prompt as the body of a request, and the events of its stream. Pure.

The API is described at platform.openai.com/docs/api-reference/responses. Nothing is stored at the
provider: every request has the whole conversation, with the model's own reasoning encrypted
(platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items). A reasoning item must be
followed by what it led to, so one that nothing followed is not sent back.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from chat_app.core.events import (
    Event,
    Finish,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.llm.base import CallOptions, PromptMessage
from chat_app.llm.dialects.stream import (
    TypedStreamDecoder,
    count_of,
    key_of,
    normalize_finish_reason,
    word_of,
)
from chat_app.llm.dialects.turns import (
    Block,
    CallBlock,
    ImageBlock,
    NativeBlock,
    Round,
    TextBlock,
    conversation_of,
    rounds_of,
    text_of_blocks,
)
from chat_app.llm.profiles import ModelProfile

PATH = "/responses"
_LEAST_TOKENS = 16
"""The API refuses a smaller limit."""


def project(
    prompt: Sequence[PromptMessage],
    options: CallOptions,
    model: str,
    profile: ModelProfile,
    made_by: str = "",
) -> dict[str, Any]:
    """The body of a request; see `chat_completions.project`."""
    has_tools = bool(options.tools) and profile.tools
    conversation = conversation_of(
        prompt,
        tools=has_tools,
        images=profile.images,
        image_urls=profile.image_urls,
        made_by=made_by if profile.native else "",
    )
    items: list[dict[str, Any]] = []
    for turn in conversation.turns:
        if turn.role == "user":
            items.append({"role": "user", "content": [_said(block) for block in turn.blocks]})
        else:
            for each in rounds_of(turn):
                items += _answer(each, profile)
    request: dict[str, Any] = {"model": model, "input": items, "stream": True, "store": False}
    if conversation.system:
        request["instructions"] = conversation.system
    if profile.encrypted:
        request["include"] = ["reasoning.encrypted_content"]
    if options.max_tokens is not None:
        most = profile.max_output or options.max_tokens
        request["max_output_tokens"] = max(_LEAST_TOKENS, min(options.max_tokens, most))
    if options.temperature is not None and profile.temperature:
        request["temperature"] = options.temperature
    reasoning: dict[str, Any] = {}
    if options.effort is not None and profile.effort:
        reasoning["effort"] = options.effort
    if options.effort != "none" and profile.summaries:
        reasoning["summary"] = "auto"
    if reasoning:
        request["reasoning"] = reasoning
    if has_tools:
        request["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in options.tools
        ]
        if options.forced_tool:
            request["tool_choice"] = {"type": "function", "name": options.forced_tool}
        elif options.tool_choice != "auto":
            request["tool_choice"] = options.tool_choice
    if options.cache_key and profile.cache:
        request["prompt_cache_key"] = options.cache_key[:64]
    return request


def _said(block: Block) -> dict[str, Any]:
    if isinstance(block, ImageBlock):
        return {"type": "input_image", "detail": "auto", "image_url": block.url}
    assert isinstance(block, TextBlock)
    return {"type": "input_text", "text": block.text}


def _answer(each: Round, profile: ModelProfile) -> Iterator[dict[str, Any]]:
    texts: list[TextBlock] = []
    for block in each.blocks:
        if isinstance(block, TextBlock):
            texts.append(block)
        elif isinstance(block, NativeBlock) and block.item.get("type") == "message":
            yield from _written(texts, block.item.get("phase"))
            texts = []
        elif isinstance(block, NativeBlock) and block.item.get("type") == "reasoning":
            yield from _written(texts)
            texts = []
            ids = () if profile.item_ids else ("id",)
            yield {name: value for name, value in block.item.items() if name not in ids}
    yield from _written(texts)
    for call in each.calls:
        yield {
            "type": "function_call",
            "call_id": call.call_id,
            "name": call.name,
            "arguments": json.dumps(call.arguments),
        }
    for call in each.calls:
        yield _output(call)


def _written(texts: Sequence[TextBlock], phase: object = None) -> Iterator[dict[str, Any]]:
    if texts:
        message: dict[str, Any] = {"role": "assistant", "content": text_of_blocks(texts)}
        yield {**message, "phase": phase} if phase else message


def _output(call: CallBlock) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call.call_id, "output": call.result}


class ResponsesDecoder(TypedStreamDecoder):
    """Decodes the events of one answer; see `StreamDecoder`."""

    def __init__(self, model: str, made_by: str = "") -> None:
        super().__init__(model, made_by)
        self._calls: dict[Any, tuple[str, str]] = {}
        self._summarized: set[Any] = set()

    def decode_object(self, data: dict[str, Any]) -> list[Event]:
        """What one event decodes to."""
        kind = data["type"]
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                return self.text(data.get("delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self.reasoning(data.get("delta"))
            case "response.function_call_arguments.delta":
                piece = data.get("delta")
                call = self._calls.get(key_of(data.get("output_index")))
                return [ToolCallDelta(*call, word_of(piece))] if call else []
            case "response.reasoning_summary_part.added":
                item = key_of(data.get("output_index"))
                is_next = item in self._summarized
                self._summarized.add(item)
                return self.reasoning("\n\n") if is_next else []
            case "response.output_item.added":
                return self._begin(key_of(data.get("output_index")), data.get("item"))
            case "response.output_item.done":
                return self._end_item(key_of(data.get("output_index")), data.get("item"))
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._end(kind, data.get("response"))
            case "error":
                return self.fail(data.get("error") or data)
            case _:
                return []

    def _begin(self, index: object, item: object) -> list[Event]:
        if not isinstance(item, dict) or item.get("type") != "function_call":
            return []
        call_id = word_of(item.get("call_id")) or word_of(item.get("id"), f"call-{index}")
        self._calls[index] = call_id, word_of(item.get("name"))
        arguments = word_of(item.get("arguments"))
        return [*self.flush(), ToolCallDelta(*self._calls[index], arguments)]

    def _end_item(self, index: object, item: object) -> list[Event]:
        if not isinstance(item, dict):
            return []
        match item.get("type"):
            case "function_call" if index in self._calls:
                return [ToolCallEnd(self._calls.pop(index)[0])]
            case "reasoning" if item.get("encrypted_content") and item.get("id"):
                names = ("type", "id", "summary", "encrypted_content")
                kept = {name: item[name] for name in names if name in item}
                native = self.native({"summary": [], **kept})
                return [*self.flush(), native]
            case "message" if isinstance(item.get("phase"), str):
                native = {"type": "message", "phase": item["phase"]}
                return [*self.flush(), self.native(native)]
            case _:
                return []

    def _end(self, kind: str, response: object) -> list[Event]:
        if not isinstance(response, dict):
            response = {}
        self._count(response.get("usage"))
        if kind == "response.failed":
            return self.fail(response.get("error") or {})
        self.done = True
        details = response.get("incomplete_details")
        reason = "stop" if kind == "response.completed" else None
        if isinstance(details, dict):
            reason = details.get("reason")
        normalized = normalize_finish_reason(reason)
        if normalized == "stop" and self._has_calls(response):
            normalized = "tool-calls"
        self.finish = Finish("other" if normalized == "error" else normalized)
        return []

    def _has_calls(self, response: dict[str, Any]) -> bool:
        output = response.get("output")
        items = output if isinstance(output, list) else []
        return any(isinstance(item, dict) and item.get("type") == "function_call" for item in items)

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        given, taken = count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens"))
        if given is None or taken is None:
            return
        input_details = usage.get("input_tokens_details")
        output_details = usage.get("output_tokens_details")
        cached = input_details.get("cached_tokens") if isinstance(input_details, dict) else None
        thought = (
            output_details.get("reasoning_tokens") if isinstance(output_details, dict) else None
        )
        self.usage = Usage(given, taken, count_of(thought), count_of(cached))
