"""Decode the chunks of a streamed chat completion: SSE payloads in, deltas out. Pure.

Unknown fields and wrong types are ignored, because every compatible server adds its own.
"""

import json
from typing import TypeGuard

from chat_app.core.text import SurrogateRepair
from chat_app.llm.base import Delta, Finish, ReasoningDelta, TextDelta, Usage
from chat_app.llm.errors import Failure, codes_of, failure_of_codes

_MAX_TOKENS = 1 << 31


class ChatCompletionDecoder:
    """Decodes the payloads of one answer.

    Args:
        model: The display name of the model, for error messages.

    Attributes:
        started: Whether any event came.
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

    def feed(self, payload: str) -> list[Delta]:
        """The deltas of one event.

        Raises:
            ProviderError: The event is not a JSON object, or reports an error.
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

    def end(self, partial: str | None = None) -> list[Delta]:
        """The last deltas, when the stream has ended.

        Args:
            partial: The payload of an event that the end of the stream cut off.

        Raises:
            ProviderError: The answer was cut off.
        """
        deltas = self._feed_partial(partial) if partial is not None and not self.complete else []
        if not self.complete:
            failure = Failure.CUT_OFF if self.started else Failure.MALFORMED
            raise failure.error(self._model)
        if reasoning := self._reasoning.end():
            deltas.append(ReasoningDelta(reasoning))
        if text := self._text.end():
            deltas.append(TextDelta(text))
        if self._usage is not None:
            deltas.append(self._usage)
        deltas.append(self._finish or Finish("other"))
        return deltas

    def _feed_partial(self, payload: str) -> list[Delta]:
        if payload.strip() != "[DONE]":
            try:
                json.loads(payload)
            except (ValueError, RecursionError):
                self.started = True
                return []  # half an event means that the answer was cut off, not malformed
        return self.feed(payload)

    def _decode_choice(self, choices: object) -> list[Delta]:
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return []
        choice = choices[0]
        deltas: list[Delta] = []
        delta = choice.get("delta")
        if isinstance(delta, dict):
            reasoning = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
            if reasoning and (reasoning := self._reasoning.feed(reasoning)):
                deltas.append(ReasoningDelta(reasoning))
            text = _text(delta.get("content")) or _text(delta.get("refusal"))
            if text and (text := self._text.feed(text)):
                deltas.append(TextDelta(text))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._finish = _finish(reason)
        return deltas

    def _decode_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        input_tokens, output_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if _is_count(input_tokens) and _is_count(output_tokens):
            self._usage = Usage(input_tokens, output_tokens)


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
