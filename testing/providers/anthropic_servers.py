"""Strict servers of Anthropic's Messages: models with a budget of thinking, and newer ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from testing.providers import anthropic_rules as rules
from testing.providers.rules import Check, Refused, Request, digest
from testing.providers.sdk_types import published_fields
from testing.providers.server import Answer, StrictServer, pieces

_UNTYPED = {"betas", "temperature"}
"""What is in a header, and what the SDK has dropped though older models take it."""
_CHECKS: tuple[Check, ...] = (
    rules.unicode_text,
    rules.known_fields(published_fields("anthropic") | _UNTYPED),
    rules.shape,
    rules.texts,
    rules.roles_of_blocks,
    rules.tools,
    rules.results,
    rules.images,
    rules.cache_breakpoints,
    rules.thinking_order,
)


@dataclass(frozen=True, slots=True)
class AnthropicServer(StrictServer):
    """A server of Messages with one model.

    The value of the `anthropic-beta` header is the request's `betas`, as in the SDK.

    Args:
        binds: Whether signatures are bound to what stands before a block.
        always_thinks: Whether the model thinks when the request does not say.
    """

    binds: bool = False
    always_thinks: bool = False

    dialect: ClassVar[str] = "anthropic"

    def typed(self, request: Request) -> Request:
        """The request as the SDK's stable types have it: without what only a beta has."""
        typed = {name: value for name, value in request.items() if name not in _UNTYPED}
        thinking = request.get("thinking")
        if thinking and "block_binding" in thinking:
            typed["thinking"] = {k: v for k, v in thinking.items() if k != "block_binding"}
        return typed

    def error(self, refused: Refused) -> Any:
        """The body of a refusal."""
        return {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": refused.message},
            "request_id": "req_011CSarLLj2ZRbTy4cWexMjs",
        }

    def events(self, request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
        """The events of an answer."""
        yield {
            "type": "message_start",
            "message": {
                "id": f"msg_{digest('message', answer.seed)[:24]}",
                "type": "message",
                "role": "assistant",
                "content": [],
                "model": request["model"],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 9, "output_tokens": 1},
            },
        }
        calls = answer.calls if request.get("tools") else ()
        for index, (block, deltas) in enumerate(self._blocks(request, answer, bool(calls))):
            yield {"type": "content_block_start", "index": index, "content_block": block}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        }
        yield {"type": "message_stop"}

    def _blocks(
        self, request: Request, answer: Answer, with_calls: bool
    ) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Each block as it begins, and its deltas."""
        config = (request.get("thinking") or {}).get("type")
        thinks = config in ("enabled", "adaptive") or (self.always_thinks and config is None)
        if answer.reasoning and thinks and (answer.text or with_calls):
            prefix = rules.prefix_digest(request, len(request["messages"]), [])
            bound = prefix if self.binds else ""
            if answer.seed % 7 == 0:  # now and then the service encrypts the thinking
                data = rules.sign(request["model"], "", bound)
                yield {"type": "redacted_thinking", "data": data}, []
            else:
                signature = rules.sign(request["model"], answer.reasoning, bound)
                yield (
                    {"type": "thinking", "thinking": "", "signature": ""},
                    [
                        *(
                            {"type": "thinking_delta", "thinking": piece}
                            for piece in pieces(answer.reasoning)
                        ),
                        {"type": "signature_delta", "signature": signature},
                    ],
                )
        if answer.text:
            yield (
                {"type": "text", "text": ""},
                [{"type": "text_delta", "text": piece} for piece in pieces(answer.text)],
            )
        for index, call in enumerate(answer.calls if with_calls else ()):
            call_id = f"toolu_{digest('use', answer.seed, index)[:24]}"
            yield (
                {"type": "tool_use", "id": call_id, "name": call.name, "input": {}},
                [
                    {"type": "input_json_delta", "partial_json": piece}
                    for piece in pieces(call.arguments)
                ],
            )


def _thinking(kinds: tuple[str, ...], *, temperature: bool, effort: bool) -> Check:
    """Check what steers a model.

    Args:
        kinds: The kinds of thinking it has.
        temperature: Whether its temperature may be set.
        effort: Whether it takes an effort.
    """

    def check(request: Request) -> None:
        config: dict[str, Any] = request.get("thinking") or {"type": "disabled"}
        kind, given = config["type"], request.get("temperature")
        if kind == "enabled" and kind not in kinds:
            raise Refused(
                rules.THINKING_KIND,
                '"thinking.type.enabled" is not supported for this model. Use'
                ' "thinking.type.adaptive" and "output_config.effort" to control thinking'
                " behavior.",
            )
        if kind == "adaptive" and kind not in kinds:
            raise Refused(rules.THINKING_KIND, "adaptive thinking is not supported on this model")
        if kind == "enabled" and config["budget_tokens"] < 1024:
            raise Refused(
                rules.BUDGET,
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            )
        if kind == "enabled" and config["budget_tokens"] >= request["max_tokens"]:
            raise Refused(
                rules.BUDGET, "`max_tokens` must be greater than `thinking.budget_tokens`."
            )
        if given is not None and not 0 <= given <= 1:
            raise Refused(rules.TEMPERATURE, "temperature: range: 0..1")
        if given is not None and not temperature:
            raise Refused(rules.NO_TEMPERATURE, "`temperature` is deprecated for this model.")
        if given not in (None, 1) and kind != "disabled":
            raise Refused(
                rules.TEMPERATURE_THINKING,
                "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            )
        if (request.get("output_config") or {}).get("effort") and not effort:
            raise Refused(rules.EFFORT, "This model does not support the effort parameter.")

    return check


_OLD = (
    *(*_CHECKS, rules.alternation, rules.signatures(preserved=False)),
    rules.thinking_opens_tool_turn,
    _thinking(("enabled",), temperature=True, effort=False),
)
_MIDDLE = (
    *(*_CHECKS, rules.no_prefill, rules.signatures(preserved=False)),
    rules.thinking_opens_tool_turn,
    _thinking(("enabled", "adaptive"), temperature=True, effort=True),
)
_NEW = (
    *(*_CHECKS, rules.no_prefill, rules.signatures(preserved=True)),
    _thinking(("adaptive",), temperature=False, effort=True),
)

SERVERS = (
    AnthropicServer("anthropic-4.5", "claude-sonnet-4-5", _OLD),
    AnthropicServer("anthropic-4.6", "claude-opus-4-6", _MIDDLE),
    AnthropicServer("anthropic-5.5", "claude-opus-5-5", _NEW, binds=True, always_thinks=True),
    # behind a gateway, a name says nothing
    AnthropicServer("anthropic-4.5-gateway", "writer", _OLD),
    AnthropicServer("anthropic-5.5-gateway", "thinker", _NEW, binds=True, always_thinks=True),
)
"""Every server; the names are unique."""
