"""The meaning of the chunks of a chat completion: payloads in, deltas out.

Unknown fields and wrong types are dropped, because every compatible server adds its own.
"""

import json
from typing import TypeGuard

from chat_app.core.text import SurrogateRepair
from chat_app.llm.base import Delta, Finish, ReasoningDelta, TextDelta, Usage
from chat_app.llm.errors import Failure, codes_of, failure_of_codes

_MOST_TOKENS = 1 << 31


class ChatCompletionDecoder:
    """Fold the payloads of one answer.

    Args:
        model: The model's name, for the sentences of errors.

    Attributes:
        heard: Whether any event came.
        done: Whether `[DONE]` came; later payloads mean nothing.
    """

    def __init__(self, model: str) -> None:
        self.heard = False
        self.done = False
        self._model = model
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._text = SurrogateRepair()
        self._reasoning = SurrogateRepair()

    @property
    def complete(self) -> bool:
        """Whether the provider said that the answer is whole."""
        return self.done or self._finish is not None

    def feed(self, payload: str) -> list[Delta]:
        """What one event adds to the answer.

        Raises:
            ProviderError: The event is no JSON object, or reports an error.
        """
        if self.done:
            return []
        self.heard = True
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
        self._count(chunk.get("usage"))
        return self._choice(chunk.get("choices"))

    def end(self, rest: str | None = None) -> list[Delta]:
        """What is left to say when the stream has ended.

        Args:
            rest: The payload of an event that the end cut short.

        Raises:
            ProviderError: The provider broke off before the answer was whole.
        """
        deltas = self._last(rest) if rest is not None and not self.complete else []
        if not self.complete:
            failure = Failure.CUT_OFF if self.heard else Failure.MALFORMED
            raise failure.error(self._model)
        if reasoning := self._reasoning.end():
            deltas.append(ReasoningDelta(reasoning))
        if text := self._text.end():
            deltas.append(TextDelta(text))
        if self._usage is not None:
            deltas.append(self._usage)
        deltas.append(self._finish or Finish("other"))
        return deltas

    def _last(self, rest: str) -> list[Delta]:
        if rest.strip() != "[DONE]":
            try:
                json.loads(rest)
            except (ValueError, RecursionError):
                self.heard = True
                return []  # half an event is a stream that broke off, not a malformed one
        return self.feed(rest)

    def _choice(self, choices: object) -> list[Delta]:
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

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        shown, said = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if _is_count(shown) and _is_count(said):
            self._usage = Usage(shown, said)


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MOST_TOKENS


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
