"""Strict servers of OpenAI's Responses: a model that reasons, and one that does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from testing.providers import responses_rules as rules
from testing.providers.rules import Check, Refused, Request, digest
from testing.providers.sdk_types import published_fields
from testing.providers.server import Answer, StrictServer, pieces

_CHECKS: tuple[Check, ...] = (
    rules.unicode_text,
    rules.known_fields(published_fields("responses")),
    rules.some_input,
    rules.contents,
    rules.ids,
    rules.calls_and_outputs,
    rules.limits,
)


@dataclass(frozen=True, slots=True)
class ResponsesServer(StrictServer):
    """A server of Responses with one model.

    Args:
        reasons: Whether the model reasons.
    """

    reasons: bool

    dialect: ClassVar[str] = "responses"

    def error(self, refused: Refused) -> Any:
        """The body of a refusal."""
        return {
            "error": {
                "message": refused.message,
                "type": "invalid_request_error",
                "param": refused.param or None,
                "code": refused.code or None,
            }
        }

    def events(self, request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
        """The events of an answer."""
        for number, event in enumerate(self._events(request, answer)):
            yield event | {"sequence_number": number}

    def _events(self, request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
        output: list[dict[str, Any]] = []
        yield {"type": "response.created", "response": _response(request, "in_progress", [])}
        for item, deltas in self._items(request, answer):
            index = len(output)
            begun = {
                "type": "response.output_item.added",
                "output_index": index,
                "item": _begun(item),
            }
            yield begun
            for delta in deltas:
                yield delta | {"output_index": index, "item_id": item["id"]}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
            output.append(item)
        done = _response(request, "completed", output)
        done["usage"] = {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 13,
        }
        yield {"type": "response.completed", "response": done}

    def _items(
        self, request: Request, answer: Answer
    ) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Each item of the output with what streams before it is whole."""
        reasoning_id, message_id, call_id = rules.item_ids(answer.seed)
        thinks = self.reasons and bool(answer.reasoning) and bool(answer.text or answer.calls)
        if thinks:
            summary = [{"type": "summary_text", "text": answer.reasoning}]
            item: dict[str, Any] = {"type": "reasoning", "id": reasoning_id, "summary": summary}
            if "reasoning.encrypted_content" in (request.get("include") or ()):
                item["encrypted_content"] = rules.encrypted(self.name, reasoning_id)
            yield item, _summary_deltas(answer)
        if answer.text:
            item = {
                "type": "message",
                "id": message_id if thinks else rules.plain_id("msg", answer.seed),
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": answer.text, "annotations": []}],
            }
            yield item, _text_deltas(answer)
        for index, call in enumerate(answer.calls if request.get("tools") else ()):
            follows = thinks and not answer.text and index == 0
            item = {
                "type": "function_call",
                "id": call_id if follows else rules.plain_id("fc", answer.seed, index),
                "call_id": f"call_{digest('call', answer.seed, index)[:24]}",
                "name": call.name,
                "arguments": call.arguments,
                "status": "completed",
            }
            delta = {
                "type": "response.function_call_arguments.delta",
                "delta": call.arguments,
            }
            yield item, [delta]


def _summary_deltas(answer: Answer) -> list[dict[str, Any]]:
    part = {"type": "summary_text", "text": ""}
    return [
        {"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": part},
        *(
            {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": piece}
            for piece in pieces(answer.reasoning)
        ),
    ]


def _text_deltas(answer: Answer) -> list[dict[str, Any]]:
    part = {"type": "output_text", "text": "", "annotations": []}
    return [
        {"type": "response.content_part.added", "content_index": 0, "part": part},
        *(
            {
                "type": "response.output_text.delta",
                "content_index": 0,
                "delta": piece,
                "logprobs": [],
            }
            for piece in pieces(answer.text)
        ),
    ]


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    match item["type"]:
        case "message":
            return item | {"content": [], "status": "in_progress"}
        case "function_call":
            return item | {"arguments": "", "status": "in_progress"}
        case _:
            return item | {"summary": []}


def _response(request: Request, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": request["model"],
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": None,
        "top_p": None,
    }


SERVERS = (
    ResponsesServer(
        "openai-responses",
        "gpt-5.4",
        (*_CHECKS, rules.reasoning_items("openai-responses"), rules.of_reasoning_models),
        reasons=True,
    ),
    ResponsesServer(
        "openai-responses-chat",
        "gpt-4.1",
        (*_CHECKS, rules.reasoning_items("openai-responses-chat"), rules.of_other_models),
        reasons=False,
    ),
)
"""Every server; the names are unique."""
