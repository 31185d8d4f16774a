"""Anthropic Messages: a prompt as the body of a request, and the events of its stream. Pure.

The API is described at platform.claude.com/docs/en/api/messages; what thinking asks for, at
platform.claude.com/docs/en/build-with-claude/extended-thinking and …/adaptive-thinking. Blocks of
thinking go back unchanged, and only to the model that made them.
"""

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
    clamped,
    count_of,
    key_of,
    normalize_finish_reason,
    word_of,
)
from chat_app.llm.dialects.turns import (
    CallBlock,
    ImageBlock,
    NativeBlock,
    TextBlock,
    Turn,
    conversation_of,
    rounds_of,
)
from chat_app.llm.profiles import ModelProfile

PATH = "/messages"
VERSION = "2023-06-01"
"""The version of the API, the value of the header `anthropic-version`."""
_MAX_TOKENS = 8_192
"""The limit of an answer where none is given; the API wants one."""
_LEAST_BUDGET = 1_024
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 24_576}
_MAX_BUDGET = 32_768
_CACHE = {"type": "ephemeral"}
_TOOL_CHOICES = {"none": "none", "required": "any"}


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
        history=profile.history,
    )
    messages = [message for turn in conversation.turns for message in _messages(turn)]
    messages = list(_merged(messages))
    max_tokens = options.max_tokens or _MAX_TOKENS
    request: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": min(max_tokens, profile.max_output or max_tokens),
        "stream": True,
    }
    if conversation.system:
        request["system"] = [{"type": "text", "text": conversation.system}]
    if has_tools:
        request["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": {"type": "object", **tool.parameters},
            }
            for tool in options.tools
        ]
        if options.forced_tool:
            request["tool_choice"] = {"type": "tool", "name": options.forced_tool}
        elif options.tool_choice != "auto":
            request["tool_choice"] = {"type": _TOOL_CHOICES[options.tool_choice]}
    request |= _thinking(options, profile, request)
    thinks = request.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if options.temperature is not None and profile.temperature and not thinks:
        request["temperature"] = min(options.temperature, 1.0)
    if options.cache_key and profile.cache:
        _mark_cache(request)
    return request


def _messages(turn: Turn) -> Iterator[dict[str, Any]]:
    if turn.role == "user":
        yield {"role": "user", "content": [_said(block) for block in turn.blocks]}
        return
    for each in rounds_of(turn):
        content = [_written(block) for block in each.blocks]
        content += [_written(call) for call in each.calls]
        yield {"role": "assistant", "content": [block for block in content if block]}
        if each.calls:
            yield {"role": "user", "content": [_result(call) for call in each.calls]}


def _merged(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The messages, neighbours of one role in one: the results of calls come before new text."""
    last: dict[str, Any] | None = None
    for message in messages:
        if last is not None and last["role"] == message["role"]:
            last = {**last, "content": last["content"] + message["content"]}
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _said(block: object) -> dict[str, Any]:
    if isinstance(block, ImageBlock):
        return {"type": "image", "source": _source(block)}
    assert isinstance(block, TextBlock)
    return {"type": "text", "text": block.text}


def _source(image: ImageBlock) -> dict[str, Any]:
    if image.url.startswith("https://"):
        return {"type": "url", "url": image.url}
    data = image.url.partition(";base64,")[2]
    return {"type": "base64", "media_type": image.media_type, "data": data}


def _written(block: object) -> dict[str, Any]:
    match block:
        case TextBlock(text):
            return {"type": "text", "text": text}
        case CallBlock():
            return {
                "type": "tool_use",
                "id": block.call_id,
                "name": block.name,
                "input": block.arguments,
            }
        case NativeBlock(item, text) if item.get("type") == "thinking":
            return {"thinking": text, **item}
        case NativeBlock(item) if item.get("type") == "redacted_thinking":
            return item
        case _:
            return {}


def _result(call: CallBlock) -> dict[str, Any]:
    result: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": call.call_id,
        "content": call.result,
    }
    if call.failed:
        result["is_error"] = True
    return result


def _thinking(
    options: CallOptions, profile: ModelProfile, request: dict[str, Any]
) -> dict[str, Any]:
    """The fields that say how long to think."""
    effort = options.effort
    if effort is None or not profile.thinking:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}} if profile.thinking_off else {}
    if profile.thinking == "adaptive":
        thinking = {"type": "adaptive", "display": "summarized"}
        if not profile.effort:
            return {"thinking": thinking}
        level = "low" if effort == "minimal" else effort
        return {"thinking": thinking, "output_config": {"effort": level}}
    if _lacks_thoughts(request["messages"]):
        return {}
    # at least half of the tokens are left for the answer
    budget = min(_BUDGETS.get(effort, _MAX_BUDGET), request["max_tokens"] // 2)
    if budget < _LEAST_BUDGET:
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _lacks_thoughts(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether the prompt ends with results of calls that no thinking is before.

    With a budget, the last message of the model must begin with thinking then; a model that thinks
    as it needs may have had none.
    """
    if messages[-1]["content"][0]["type"] != "tool_result":
        return False
    return messages[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")


def _mark_cache(request: dict[str, Any]) -> None:
    """Mark what the next request begins with: the system prompt with the tools, and the turns."""
    if "system" in request:
        request["system"][-1]["cache_control"] = _CACHE
    elif "tools" in request:
        request["tools"][-1]["cache_control"] = _CACHE
    request["messages"][-1]["content"][-1]["cache_control"] = _CACHE


class AnthropicDecoder(TypedStreamDecoder):
    """Decodes the events of one answer; see `StreamDecoder`."""

    def __init__(self, model: str, made_by: str = "") -> None:
        super().__init__(model, made_by)
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._input: dict[str, int] = {}
        self._output = 0

    def decode_object(self, data: dict[str, Any]) -> list[Event]:
        """What one event decodes to."""
        index = key_of(data.get("index"))
        match data.get("type"):
            case "content_block_delta":
                return self._delta(self._blocks.get(index, {}), data.get("delta"))
            case "content_block_start":
                return self._start(index, data.get("content_block"))
            case "content_block_stop":
                return self._stop(self._blocks.pop(index, {}))
            case "message_start":
                message = data.get("message")
                self._count(message.get("usage") if isinstance(message, dict) else None)
            case "message_delta":
                delta = data.get("delta")
                if isinstance(delta, dict) and delta.get("stop_reason"):
                    self._end(delta["stop_reason"])
                self._count(data.get("usage"))
            case "message_stop":
                self.done = True
            case "error":
                return self.fail(data.get("error"))
            case _:
                self.chunks -= 1  # `ping`, and what is new
        return []

    def _start(self, index: object, block: object) -> list[Event]:
        if not isinstance(block, dict):
            return []
        known = self._blocks[index] = {"type": block.get("type")}
        match block.get("type"):
            case "text":
                return self.text(block.get("text"))
            case "thinking":
                self._sign(known, block.get("signature"))
                events = self.reasoning(block.get("thinking"))
                known["thinking"] = bool(events)
                return events
            case "redacted_thinking" if block.get("data"):
                item = {"type": "redacted_thinking", "data": block["data"]}
                return [*self.flush(), self.native(item)]
            case "tool_use":
                call_id, name = (
                    word_of(block.get("id"), f"call-{index}"),
                    word_of(block.get("name")),
                )
                known |= {"id": call_id, "name": name}
                return [*self.flush(), ToolCallDelta(call_id, name, "")]
            case _:
                return []

    def _delta(self, block: dict[str, Any], delta: object) -> list[Event]:
        if not isinstance(delta, dict):
            return []
        match delta.get("type"):
            case "text_delta":
                return self.text(delta.get("text"))
            case "thinking_delta":
                events = self.reasoning(delta.get("thinking"))
                block["thinking"] = bool(events) or block.get("thinking")
                return events
            case "signature_delta":
                self._sign(block, delta.get("signature"))
            case "input_json_delta" if block.get("type") == "tool_use":
                if piece := word_of(delta.get("partial_json")):
                    return [ToolCallDelta(block["id"], block["name"], piece)]
            case _:
                pass
        return []

    def _sign(self, block: dict[str, Any], piece: object) -> None:
        signature = word_of(piece)
        has_room = self.has_room(len(signature))
        block["signature"] = block.get("signature", "") + signature if has_room else ""

    def _stop(self, block: dict[str, Any]) -> list[Event]:
        match block.get("type"):
            case "thinking" if block.get("signature"):
                item = {"type": "thinking", "signature": block["signature"]}
                if not block.get("thinking"):
                    item["thinking"] = ""  # the text before it is of another block
                return [*self.flush(), self.native(item)]
            case "tool_use":
                return [ToolCallEnd(block["id"])]
            case _:
                return []

    def _end(self, reason: object) -> None:
        normalized = normalize_finish_reason(reason)
        self.finish = Finish("other" if normalized == "error" else normalized)

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        for name in names:
            if (count := count_of(usage.get(name))) is not None:
                self._input[name] = count
        if (output := count_of(usage.get("output_tokens"))) is not None:
            self._output = output
        details = usage.get("output_tokens_details")
        thought = count_of(details.get("thinking_tokens")) if isinstance(details, dict) else None
        self.usage = Usage(
            clamped(sum(self._input.values())),
            self._output,
            reasoning_tokens=thought,
            cached_input_tokens=self._input.get("cache_read_input_tokens"),
            cache_write_tokens=self._input.get("cache_creation_input_tokens", 0),
        )
