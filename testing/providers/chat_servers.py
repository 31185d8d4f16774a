"""Strict servers of chat completions: OpenAI's own and those that differ from it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from testing.providers import chat_rules as openai
from testing.providers import server_rules as others
from testing.providers.rules import Check, Refused, Request, digest, is_json_object
from testing.providers.sdk_types import published_fields
from testing.providers.server import Answer, StrictServer, pieces

ErrorBody = Callable[[Refused], Any]


def _openai_error(refused: Refused) -> Any:
    return {
        "error": {
            "message": refused.message,
            "type": "invalid_request_error",
            "param": refused.param or None,
            "code": refused.code or None,
        }
    }


def _vllm_error(refused: Refused) -> Any:
    return {
        "object": "error",
        "message": refused.message,
        "type": "BadRequestError",
        "param": None,
        "code": refused.status,
    }


def _llama_cpp_error(refused: Refused) -> Any:
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    return {"error": {"code": refused.status, "message": refused.message, "type": kind}}


def _ollama_error(refused: Refused) -> Any:
    return {"error": {"message": refused.message, "type": "api_error", "param": None, "code": None}}


def _mistral_error(refused: Refused) -> Any:
    if refused.status == 422:
        where = {"type": "extra_forbidden", "loc": refused.param, "msg": refused.message}
        message: Any = {"detail": [where]}
    else:
        message = refused.message
    return {
        "object": "error",
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": refused.code or None,
    }


def _gemini_error(refused: Refused) -> Any:
    error = {"code": refused.status, "message": refused.message, "status": "INVALID_ARGUMENT"}
    return [{"error": error}]


def _cerebras_error(refused: Refused) -> Any:
    return {
        "message": refused.message,
        "type": "invalid_request_error",
        "param": "validation_error",
        "code": "wrong_api_format",
    }


_BASICS: tuple[Check, ...] = (
    openai.unicode_text,
    openai.some_messages,
    openai.known_roles,
    openai.contents,
)
"""What every server checks: it could not read the request otherwise."""
_SHAPES: tuple[Check, ...] = (
    *_BASICS,
    openai.tool_order,
    openai.tool_definitions,
    openai.limits,
)
"""What most servers check too."""


def _published(*more: str) -> tuple[Check, ...]:
    """Only the published fields, and a server's own fields of an assistant's message."""
    fields = published_fields("chat-completions")
    return (openai.known_fields(fields), openai.known_message_fields(*more))


@dataclass(frozen=True, slots=True)
class ChatServer(StrictServer):
    """A server of chat completions with one model.

    Args:
        error_body: The body of a refusal.
        reasoning: The field of its stream and its messages that holds reasoning; empty for none.
        calls_tools: Whether the model calls tools.
        signs_calls: Whether its tool calls carry thought signatures.
        message_fields: Fields of an assistant's message that the published types lack.
        call_ids: The form of the ids of its tool calls.
    """

    error_body: ErrorBody = _openai_error
    reasoning: str = ""
    calls_tools: bool = True
    signs_calls: bool = False
    message_fields: tuple[str, ...] = ()
    call_ids: str = "call_{}"

    dialect: ClassVar[str] = "chat-completions"

    def error(self, refused: Refused) -> Any:
        """The body of a refusal."""
        return self.error_body(refused)

    def typed(self, request: Request) -> Request:
        """The request without the fields of this server that no SDK types."""
        return request | {
            "messages": [
                {
                    name: self._typed_calls(value) if name == "tool_calls" else value
                    for name, value in message.items()
                    if name not in self.message_fields
                }
                for message in request["messages"]
            ]
        }

    def events(self, request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
        """The chunks of an answer."""
        if answer.reasoning and self.reasoning:
            for piece in pieces(answer.reasoning):
                yield self._chunk(request, {self.reasoning: piece})
        for piece in pieces(answer.text):
            yield self._chunk(request, {"content": piece})
        calls = answer.calls if self.calls_tools and request.get("tools") else ()
        for index, called in enumerate(calls):
            call_id = self.call_ids.format(digest(answer.seed, index))
            call_id = call_id[:9] if self.call_ids == "{}" else call_id
            arguments = called.arguments
            if self.signs_calls and (not is_json_object(arguments) or "\\ud" in arguments):
                arguments = "{}"  # Gemini has objects of Unicode; they become JSON on their way
            function = {"name": called.name, "arguments": arguments}
            call = {"index": index, "id": call_id, "type": "function", "function": function}
            if self.signs_calls and index == 0:
                signature = others.thought_signature(request["model"], call)
                call["extra_content"] = {"google": {"thought_signature": signature}}
            yield self._chunk(request, {"tool_calls": [call]})
        yield self._chunk(request, {}, finish_reason="tool_calls" if calls else "stop")
        if (request.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
            yield self._chunk(request, None) | {"choices": [], "usage": usage}

    def _typed_calls(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.signs_calls:
            return calls
        return [
            {name: value for name, value in call.items() if name != "extra_content"}
            for call in calls
        ]

    def encode(self, request: Request, answer: Answer) -> Iterator[bytes]:
        """The stream of an answer, event by event."""
        for event in self.events(request, answer):
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    def _chunk(
        self, request: Request, delta: dict[str, Any] | None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": request["model"],
            "choices": [choice],
        }


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_OPENAI = (*_SHAPES, *_published(), openai.readable_images, openai.tool_calls())

SERVERS = (
    ChatServer(
        "openai-reasoning",
        "gpt-5.4",
        (*_OPENAI, openai.of_reasoning_models, openai.efforts(*_EFFORTS)),
    ),
    ChatServer("openai-chat", "gpt-4.1", (*_OPENAI, openai.efforts())),
    ChatServer(
        "openai-o1-mini",
        "o1-mini",
        (*_OPENAI, openai.of_reasoning_models, openai.no_system_role, openai.efforts()),
        calls_tools=False,
    ),
    ChatServer("azure", "gpt-4", (others.no_stream_options, *_OPENAI, openai.efforts())),
    ChatServer(
        "mistral",
        "mistral-large",
        (*_BASICS, others.mistral, *_SHAPES),
        error_body=_mistral_error,
        call_ids="{}",
    ),
    ChatServer(
        "vllm-gemma",
        "gemma-2-9b-it",
        (*_SHAPES, others.no_tool_parser, others.alternating(system=False)),
        error_body=_vllm_error,
        calls_tools=False,
    ),
    ChatServer(
        "llama.cpp-ministral",
        "ministral-3",
        (*_SHAPES, others.no_images, others.alternating(system=True, tools=True)),
        error_body=_llama_cpp_error,
    ),
    ChatServer(
        "llama.cpp-qwen",
        "qwen3.5",
        (*_SHAPES, others.system_first),
        error_body=_llama_cpp_error,
        reasoning="reasoning_content",
        message_fields=("reasoning_content",),
    ),
    ChatServer(
        "ollama-gemma",
        "gemma3:4b",
        (*_SHAPES, others.no_tools, others.images_as_data, others.object_arguments),
        error_body=_ollama_error,
        calls_tools=False,
    ),
    ChatServer(
        "ollama-qwen",
        "qwen3:8b",
        (*_SHAPES, others.images_as_data, others.object_arguments),
        error_body=_ollama_error,
        reasoning="reasoning",
        message_fields=("reasoning",),
    ),
    ChatServer(
        "groq",
        "gpt-oss-120b",
        (others.groq, *_SHAPES, *_published(), openai.tool_calls()),
        reasoning="reasoning",
    ),
    ChatServer(
        "cerebras",
        "zai-glm-4.7",
        (others.cerebras, *_SHAPES, *_published("reasoning"), openai.tool_calls()),
        error_body=_cerebras_error,
        reasoning="reasoning",
        message_fields=("reasoning",),
    ),
    ChatServer(
        "deepseek",
        "deepseek-v4-pro",
        (*_SHAPES, openai.tool_calls(64), others.reasoning_goes_back("deepseek")),
        reasoning="reasoning_content",
        message_fields=("reasoning_content",),
    ),
    ChatServer(
        "moonshot",
        "kimi-k2.6",
        (
            *(*_SHAPES, openai.tool_calls(64), others.no_empty_answers),
            others.reasoning_goes_back("moonshot"),
        ),
        reasoning="reasoning_content",
        message_fields=("reasoning_content",),
        call_ids="functions.search:{}",
    ),
    ChatServer(
        "gemini",
        "gemini-3-pro",
        (*_SHAPES, *_published(), openai.tool_calls(64), others.signatures),
        error_body=_gemini_error,
        signs_calls=True,
    ),
    ChatServer(
        "gemini-flash",
        "gemini-3.6-flash",
        (*_SHAPES, *_published(), openai.tool_calls(64), others.signatures),
        error_body=_gemini_error,
        signs_calls=True,
    ),
    ChatServer(
        "perplexity",
        "sonar",
        (*_SHAPES, *_published(), others.perplexity),
        calls_tools=False,
    ),
)
"""Every server; the names are unique."""
