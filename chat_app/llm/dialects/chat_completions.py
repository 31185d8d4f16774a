"""Chat completions: a prompt as the body of a request. Pure.

The API of OpenAI (platform.openai.com/docs/api-reference/chat) and of most servers since. What
servers refuse beside it is in `ModelProfile`. Three fields of others go back to who sent them:
`reasoning_details` (openrouter.ai/docs/use-cases/reasoning-tokens), `extra_content` with the
signatures of calls (ai.google.dev/gemini-api/docs/thought-signatures) and `reasoning_content`
(api-docs.deepseek.com/guides/thinking_mode).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chat_app.llm.base import CallOptions, PromptMessage
from chat_app.llm.dialects.turns import (
    Block,
    CallBlock,
    ImageBlock,
    NativeBlock,
    ReasoningBlock,
    Round,
    TextBlock,
    Turn,
    conversation_of,
    rounds_of,
    text_of_blocks,
)
from chat_app.llm.profiles import ModelProfile

PATH = "/chat/completions"
_NO_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""What Gemini accepts with a call that another model made."""
_NO_REASONING = " "
"""Where an answer has none; some servers take an empty text for a missing one."""


def project(
    prompt: Sequence[PromptMessage],
    options: CallOptions,
    model: str,
    profile: ModelProfile,
    made_by: str = "",
) -> dict[str, Any]:
    """The body of a request.

    Args:
        prompt: The branch, oldest message first.
        options: How to answer.
        model: The name of the model on the server.
        profile: What the server accepts.
        made_by: The provider and model, as in the native items that it made.
    """
    has_tools = bool(options.tools) and profile.tools
    conversation = conversation_of(
        prompt,
        tools=has_tools,
        images=profile.images,
        image_urls=profile.image_urls,
        made_by=made_by if profile.native else "",
    )
    turns = list(conversation.turns)
    messages: list[dict[str, Any]] = []
    if conversation.system and profile.system:
        messages.append({"role": "system", "content": conversation.system})
    elif conversation.system:
        turns[0] = Turn("user", (TextBlock(conversation.system), *turns[0].blocks))
    for turn in turns:
        if turn.role == "user":
            messages.append({"role": "user", "content": _content(turn.blocks)})
        else:
            for each in rounds_of(turn):
                messages += _answer(each, profile)
    request: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if profile.usage:
        request["stream_options"] = {"include_usage": True}
    if options.max_tokens is not None:
        most = profile.max_output or options.max_tokens
        request[profile.limit_field] = min(options.max_tokens, most)
    if options.temperature is not None and profile.temperature:
        request["temperature"] = options.temperature
    if options.effort is not None and profile.effort:
        request["reasoning_effort"] = options.effort
    if has_tools:
        request["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in options.tools
        ]
        if options.forced_tool:
            forced = {"name": options.forced_tool}
            request["tool_choice"] = {"type": "function", "function": forced}
        elif options.tool_choice != "auto":
            request["tool_choice"] = options.tool_choice
    return request


def _content(blocks: Sequence[Block]) -> str | list[dict[str, Any]]:
    if not any(isinstance(block, ImageBlock) for block in blocks):
        return text_of_blocks(blocks)
    content: list[dict[str, Any]] = []
    for block in blocks:
        if isinstance(block, ImageBlock):
            content.append({"type": "image_url", "image_url": {"url": block.url}})
        elif isinstance(block, TextBlock):
            content.append({"type": "text", "text": block.text})
    return content


def _answer(each: Round, profile: ModelProfile) -> Iterator[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": text_of_blocks(each.blocks)}
    items = [block.item for block in each.blocks if isinstance(block, NativeBlock)]
    if profile.reasoning_content:
        thoughts = (block.text for block in each.blocks if isinstance(block, ReasoningBlock))
        message["reasoning_content"] = "\n\n".join(thoughts) or _NO_REASONING
    details = [one for item in items for one in item.get("details", ())]
    if details:
        message["reasoning_details"] = details
    if each.calls:
        message["tool_calls"] = list(_calls(each.calls, items, signatures=profile.signatures))
    yield message
    for call in each.calls:
        yield {"role": "tool", "tool_call_id": call.call_id, "content": call.result}


def _calls(
    calls: Iterable[CallBlock], items: Sequence[dict[str, Any]], *, signatures: bool
) -> Iterator[dict[str, Any]]:
    extras = {item["call_id"]: item["extra_content"] for item in items if "extra_content" in item}
    for call in calls:
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        sent = {"id": call.call_id, "type": "function", "function": function}
        if call.original_id in extras:
            sent["extra_content"] = extras[call.original_id]
        elif signatures:
            sent["extra_content"] = _NO_SIGNATURE
        yield sent
