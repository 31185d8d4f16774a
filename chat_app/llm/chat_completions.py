"""Decode the chunks of a streamed chat completion: SSE payloads in, events out. Pure.

Unknown fields and wrong types are ignored, because every compatible server adds its own.
"""

import json
from typing import TypeGuard

from chat_app.core.events import Event, Finish, ReasoningDelta, TextDelta, Usage
from chat_app.core.text import SurrogateRepair
from chat_app.llm.errors import Failure, codes_of, failure_of_codes

_MAX_TOKENS = 1 << 31


class ChatCompletionDecoder:
    """Decodes the payloads of one answer.

    Args:
        model: The display name of the model, for error messages.

    Attributes:
        started: Whether any payload came.
        done: Whether `[DONE]` came; later payloads are ignored.
    """

    def __init__(self, model: str) -> None:
        self.started = False
        self.done = False
        self._model = model
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._text = SurrogateRepair()
        self._reasoning = SurrogateRepair()

    @property
    def complete(self) -> bool:
        """Whether the provider reported that the answer is complete."""
        return self.done or self._finish is not None

    def feed(self, payload: str) -> list[Event]:
        """What one payload decodes to.

        Raises:
            ProviderError: The payload is not a JSON object, or reports an error.
        """
        if self.done:
            return []
        self.started = True
        if payload.strip() == "[DONE]":
            self.done = True
            return []
        try:
            chunk = json.loads(payload)
        except (ValueError, RecursionError):
            raise Failure.MALFORMED.error(self._model) from None
        if not isinstance(chunk, dict):
            raise Failure.MALFORMED.error(self._model)
        if error := chunk.get("error"):
            raise failure_of_codes(codes_of(error)).error(self._model)
        if chunk.get("object") == "error":
            raise failure_of_codes(codes_of(chunk)).error(self._model)
        self._decode_usage(chunk.get("usage"))
        return self._decode_choice(chunk.get("choices"))

    def end(self, partial: str | None = None) -> list[Event]:
        """The last events, when the stream has ended.

        Args:
            partial: A payload that the end of the stream cut off.

        Raises:
            ProviderError: The answer was cut off.
        """
        events = self._feed_partial(partial) if partial is not None and not self.complete else []
        if not self.complete:
            failure = Failure.CUT_OFF if self.started else Failure.MALFORMED
            raise failure.error(self._model)
        if reasoning := self._reasoning.end():
            events.append(ReasoningDelta(reasoning))
        if text := self._text.end():
            events.append(TextDelta(text))
        if self._usage is not None:
            events.append(self._usage)
        events.append(self._finish or Finish("other"))
        return events

    def _feed_partial(self, payload: str) -> list[Event]:
        if payload.strip() != "[DONE]":
            try:
                json.loads(payload)
            except (ValueError, RecursionError):
                self.started = True
                return []  # half an event means that the answer was cut off, not malformed
        return self.feed(payload)

    def _decode_choice(self, choices: object) -> list[Event]:
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return []
        choice = choices[0]
        events: list[Event] = []
        delta = choice.get("delta")
        if isinstance(delta, dict):
            reasoning = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
            if reasoning and (reasoning := self._reasoning.feed(reasoning)):
                events.append(ReasoningDelta(reasoning))
            text = _text(delta.get("content")) or _text(delta.get("refusal"))
            if text and (text := self._text.feed(text)):
                events.append(TextDelta(text))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._finish = _finish(reason)
        return events

    def _decode_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        input_tokens, output_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if _is_count(input_tokens) and _is_count(output_tokens):
            self._usage = Usage(
                input_tokens,
                output_tokens,
                reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
                cached_input_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
            )


def _detail(usage: dict[str, object], group: str, field: str) -> int | None:
    details = usage.get(group)
    value = details.get(field) if isinstance(details, dict) else None
    return value if _is_count(value) else None


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_TOKENS


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _finish(reason: str) -> Finish:
    match reason:
        case "stop" | "length":
            return Finish(reason)
        case "content_filter":
            return Finish("content-filter")
        case "tool_calls" | "function_call":
            return Finish("tool-calls")
        case _:
            return Finish("other")
