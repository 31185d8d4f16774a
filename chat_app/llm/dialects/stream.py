"""What the decoders of streams have in common: repair, errors, the end, finish reasons. Pure."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from chat_app.core.events import (
    Event,
    Finish,
    FinishReason,
    NativeItemAdded,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from chat_app.core.json_values import json_value
from chat_app.core.text import SurrogateRepair, repair_surrogates
from chat_app.llm.base import ProviderError
from chat_app.llm.errors import ErrorDetails, Failure, failure_in_stream
from chat_app.llm.sse import DONE, SSEvent

_MAX_TOKENS = (1 << 31) - 1
"""The most tokens that the row of a run can have."""

_MAX_KEPT = 1_000_000
"""The most characters kept of what goes back whole, as many as an answer has by default."""

_REASONS: dict[FinishReason | Literal["error"], str] = {
    "stop": "stop eos eos_token stop_token stop_sequence end_turn complete completed",
    "length": (
        "length max_tokens max_output_tokens max_completion_tokens max_new_tokens max_length"
        " model_length token_limit limit truncated incomplete model_context_window_exceeded"
    ),
    "content-filter": (
        "content_filter content_filtered content_policy_violation safety image_safety"
        " recitation image_recitation blocklist prohibited_content image_prohibited_content"
        " spii refusal sensitive guardrail_intervened blocked moderation error_toxic"
    ),
    "tool-calls": "tool_calls tool_call tool_use function_call",
    "error": (
        "error failed failure exception network_error server_error internal_error model_error"
        " upstream_error timeout abort aborted cancelled canceled overloaded error_limit"
        " insufficient_system_resource malformed_function_call malformed_response"
        " unexpected_tool_call"
    ),
}
"""The words of servers for each finish reason, and for none: the answer failed."""
_MEANINGS: dict[str, FinishReason | Literal["error"]] = {
    word: reason for reason, words in _REASONS.items() for word in words.split()
}


def normalize_finish_reason(reason: object) -> FinishReason | Literal["error"]:
    """A server's finish reason in our words."""
    if not isinstance(reason, str):
        return "other"
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[- ]", "_", reason[:60])
    return _MEANINGS.get(words.lower().removeprefix("finish_reason_"), "other")


def count_of(value: object) -> int | None:
    """A count of tokens; None if it is none."""
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None


def clamped(count: int) -> int:
    """A sum of counts, as far as it can be stored."""
    return min(count, _MAX_TOKENS)


def key_of(value: object) -> object:
    """An index as the key of a dictionary, whatever a server sent."""
    return value if isinstance(value, int | str) else None


def word_of(value: object, default: str = "") -> str:
    """A text that a server sent whole, repaired."""
    return repair_surrogates(value) if value and isinstance(value, str) else default


def is_cut_json(data: object) -> bool:
    """Whether the data of an event is JSON that was cut off."""
    return isinstance(data, str) and data.lstrip().startswith("{")


class StreamDecoder(ABC):
    """Decodes the events of one answer.

    Args:
        model: The display name of the model, for error messages.
        made_by: The provider and model, for native items.

    Attributes:
        every_event_counts: Whether a server shows by any event that it still works on the answer.
        done: Whether the stream has ended, by its last event or an error; later ones are ignored.
        chunks: How many events came, but those that only keep the connection alive.
        finish: How the answer ended, once that is known.
        usage: The last token counts.
    """

    every_event_counts = False

    def __init__(self, model: str, made_by: str = "") -> None:
        self.done = False
        self.chunks = 0
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.made_by = made_by
        self._model = model
        self._error: ProviderError | None = None
        self._has_output = False
        self._room = _MAX_KEPT
        self._text = SurrogateRepair()
        self._reasoning = SurrogateRepair()

    @property
    def complete(self) -> bool:
        """Whether the provider reported that the answer is complete."""
        return self.done or self.finish is not None

    def feed(self, event: SSEvent) -> list[Event]:
        """What one event of the stream decodes to.

        An error in it ends the stream, and is raised by `end`.
        """
        return [] if self.done else self.decode(event)

    @abstractmethod
    def decode(self, event: SSEvent) -> list[Event]:
        """What one event decodes to, before the end."""

    def last_events(self) -> list[Event]:
        """What comes when the provider has reported that the answer is complete."""
        return []

    def flush(self) -> list[Event]:
        """The events of what still waits for the next piece of the answer."""
        events: list[Event] = []
        if reasoning := self._reasoning.end():
            events.append(ReasoningDelta(reasoning))
        if text := self._text.end():
            events.append(TextDelta(text))
        return events

    def end(self, rest: Iterable[SSEvent] = ()) -> Iterator[Event]:
        """The last events, when the stream has ended.

        Args:
            rest: What the parser had left.

        Raises:
            ProviderError: The answer was cut off, or the stream reported an error. It is raised
                after the events of what came before.
        """
        for event in rest:
            if is_cut_json(event.data):
                self.chunks += 1  # half an event means that the answer was cut off, not malformed
            else:
                yield from self.feed(event)
        yield from self.flush()
        if self._error is not None:
            raise self._error
        if not self.complete:
            failure = Failure.CUT_OFF if self.chunks else Failure.MALFORMED
            raise failure.error(self._model)
        yield from self.last_events()
        if self.usage is not None:
            yield self.usage
        yield self.finish or Finish("other")

    def fail(self, error: object) -> list[Event]:
        """End the stream with an error that it reported."""
        failure = failure_in_stream(ErrorDetails.of(error))
        if failure is Failure.REPORTED and not self._has_output:
            failure = Failure.SERVER
        self._error = failure.error(self._model)
        self.done = True
        return self.flush()

    def text(self, piece: Any) -> list[Event]:
        """The next piece of text."""
        return self._repaired(self._text, TextDelta, piece)

    def reasoning(self, piece: Any) -> list[Event]:
        """The next piece of reasoning."""
        return self._repaired(self._reasoning, ReasoningDelta, piece)

    def native(self, item: dict[str, Any]) -> NativeItemAdded:
        """What the provider needs back, made safe to store."""
        text = json.dumps(json_value(item), ensure_ascii=False)
        return NativeItemAdded(self.made_by, json.loads(repair_surrogates(text)))

    def has_room(self, chars: int) -> bool:
        """Whether so many more characters may be kept of what comes in pieces.

        Once some did not fit, nothing is kept any more: half of it is of no use.
        """
        self._room -= chars
        return self._room >= 0

    def _repaired(
        self, repair: SurrogateRepair, kind: type[TextDelta] | type[ReasoningDelta], piece: Any
    ) -> list[Event]:
        if not piece or not isinstance(piece, str):
            return []
        repaired = repair.feed(piece)
        return [kind(repaired)] if repaired else []


class TypedStreamDecoder(StreamDecoder):
    """Decodes a stream whose events are JSON objects that name their `type`."""

    @abstractmethod
    def decode_object(self, data: dict[str, Any]) -> list[Event]:
        """What one event decodes to."""

    def decode(self, event: SSEvent) -> list[Event]:
        """What one event decodes to, before the end."""
        data = event.data
        if isinstance(data, dict) and "type" in data:
            self.chunks += 1
            events = self.decode_object(data)
            self._has_output = self._has_output or bool(events)
            return events
        if event.name == "error" or (isinstance(data, dict) and "error" in data):
            return self.fail(data)
        if data == DONE:
            self.done = True
        elif is_cut_json(data):
            self._error = Failure.MALFORMED.error(self._model)
            self.done = True
        return []
