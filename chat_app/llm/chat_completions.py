"""Decode the chunks of a streamed chat completion: decoded JSON in, events out. Pure.

Compatible servers differ in where they put text, reasoning and errors; `docs/models.md` lists what
is read. Unknown fields and wrong types are ignored, because every server adds its own.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeGuard

from chat_app.core.events import Event, Finish, FinishReason, ReasoningDelta, Usage
from chat_app.core.text import SurrogateRepair
from chat_app.llm.base import ProviderError
from chat_app.llm.errors import ErrorDetails, Failure, failure_in_stream
from chat_app.llm.reasoning_tags import ReasoningTags
from chat_app.llm.sse import DONE, SSEvent

_MAX_TOKENS = 1 << 31
_MAX_DEPTH = 4
_MAX_WORD = 1_000
_ERROR_WORDS = ("error", "exception", "traceback", "failed", "failure", "timed out", "bad gateway")

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
_UNSPECIFIC = ("stop", "other")
"""Reasons that say little: they do not replace another one."""


class ChatCompletionDecoder:
    """Decodes the events of one answer.

    Args:
        model: The display name of the model, for error messages.

    Attributes:
        done: Whether the stream has ended, by `[DONE]` or an error; later events are ignored.
        chunks: How many chunks came; events that only keep the connection alive are none.
    """

    def __init__(self, model: str) -> None:
        self.done = False
        self.chunks = 0
        self._model = model
        self._error: ProviderError | None = None
        self._reported: object = None  # an error of this chunk
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._text = SurrogateRepair()
        self._reasoning = SurrogateRepair()
        self._tags = ReasoningTags()
        self._has_output = False
        self._has_text = False

    @property
    def complete(self) -> bool:
        """Whether the provider reported that the answer is complete."""
        return self.done or self._finish is not None

    def feed(self, event: SSEvent) -> list[Event]:
        """What one event of the stream decodes to.

        An error in it ends the stream, and is raised by `end`.
        """
        if self.done:
            return []
        data, name = event
        if name and "error" in name.lower():
            return self._fail(data)
        if isinstance(data, dict):
            return self._decode_chunk(data)
        if isinstance(data, list):
            chunks = (chunk for chunk in data if isinstance(chunk, dict))
            return [event for chunk in chunks for event in self._decode_chunk(chunk)]
        return self._decode_non_json(data.strip()) if isinstance(data, str) else []

    def flush(self) -> list[Event]:
        """The events of what still waits for the next piece of the answer."""
        events: list[Event] = []
        if reasoning := self._reasoning.end():
            events.append(ReasoningDelta(reasoning))
        if text := self._text.end():
            events += self._tags.feed(text)
        return events + self._tags.end()

    def end(self, rest: Iterable[SSEvent] = ()) -> Iterator[Event]:
        """The last events, when the stream has ended.

        Args:
            rest: What the parser had left.

        Raises:
            ProviderError: The answer was cut off, or the stream reported an error. It is raised
                after the events of what came before.
        """
        for event in rest:
            if _is_cut_json(event.data):
                self.chunks += 1  # half an event means that the answer was cut off, not malformed
            else:
                yield from self.feed(event)
        yield from self.flush()
        if self._error is not None:
            raise self._error
        if not self.complete:
            failure = Failure.CUT_OFF if self.chunks else Failure.MALFORMED
            raise failure.error(self._model)
        if self._usage is not None:
            yield self._usage
        yield self._finish or Finish("other")

    def _decode_chunk(self, chunk: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        choices = chunk.get("choices")
        if choices and isinstance(choices, list) and isinstance(choices[0], dict):
            self.chunks += 1
            self._decode_choice(choices[0], events)
            if events:
                self._has_output = True
        elif _is_error(chunk):
            self._reported = chunk
        if usage := chunk.get("usage"):
            self._decode_usage(usage)
        self._reported = chunk.get("error") or self._reported
        return events if self._reported is None else [*events, *self._fail(self._reported)]

    def _decode_choice(self, choice: dict[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._decode_message(delta, events)
        if not events:
            self._decode_unstreamed(choice, events)
        if reason := choice.get("finish_reason"):
            self._decode_finish(reason, choice.get("native_finish_reason"))

    def _decode_unstreamed(self, choice: dict[str, Any], events: list[Event]) -> None:
        """What a choice holds beside a delta: an error, or a whole message."""
        self._reported = choice.get("error") or self._reported
        message, text = choice.get("message"), choice.get("text")
        if isinstance(message, dict):
            # some servers repeat in the last chunk what they have streamed, or a part of it
            if not self._has_text:
                whole: list[Event] = []
                self._decode_message(message, whole)
                if self._has_output:
                    whole = [event for event in whole if not isinstance(event, ReasoningDelta)]
                events += whole
            self._finish = self._finish or Finish("other")
        elif text and isinstance(text, str):
            self._add_text(text, events)

    def _decode_message(self, message: dict[str, Any], events: list[Event]) -> None:
        if reasoning := message.get("reasoning_content") or message.get("reasoning"):
            for _, text in _pieces(reasoning):
                self._add_reasoning(text, events)
        content = message.get("content")
        if content and isinstance(content, str):
            self._add_text(content, events)
        elif content:
            for kind, text in _pieces(content):
                if kind == "reasoning":
                    self._add_reasoning(text, events)
                else:
                    self._add_text(text, events)
        elif not reasoning:
            for _, text in _pieces(message.get("thinking") or message.get("reasoning_details")):
                self._add_reasoning(text, events)
            for _, text in _pieces(message.get("refusal")):
                self._add_text(text, events)

    def _add_reasoning(self, text: str, events: list[Event]) -> None:
        if text := self._reasoning.feed(text):
            self._tags.has_reasoning = True
            events.append(ReasoningDelta(text))

    def _add_text(self, text: str, events: list[Event]) -> None:
        self._has_text = True
        if text := self._text.feed(text):
            events += self._tags.feed(text)

    def _decode_finish(self, reason: object, native: object) -> None:
        normalized = normalize_finish_reason(reason)
        native_reason = normalize_finish_reason(native)
        if normalized in _UNSPECIFIC and native_reason not in (*_UNSPECIFIC, "tool-calls"):
            normalized = native_reason
        if normalized == "error":
            self._reported = self._reported or {}
        elif (
            self._finish is None
            or normalized not in _UNSPECIFIC
            or self._finish.reason in _UNSPECIFIC
        ):
            self._finish = Finish(normalized)

    def _decode_non_json(self, word: str) -> list[Event]:
        """Decode what is no JSON: the end, an error, or a word that keeps the connection alive."""
        if word.strip('"') == DONE:
            self.done = True
        elif _is_cut_json(word):
            self._error = Failure.MALFORMED.error(self._model)
            self.done = True
        elif _says_error(word):
            return self._fail(word)
        return []

    def _fail(self, error: object) -> list[Event]:
        failure = failure_in_stream(ErrorDetails.of(error))
        if failure is Failure.REPORTED and not self._has_output:
            failure = Failure.SERVER
        self._error = failure.error(self._model)
        self.done = True
        return self.flush()

    def _decode_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        self.chunks += 1
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


def _pieces(content: object, kind: str = "text", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The kind, `text` or `reasoning`, and the text of each part of a content."""
    if isinstance(content, str):
        if content:
            yield kind, content
    elif depth == _MAX_DEPTH:
        return
    elif isinstance(content, list):
        for part in content:
            yield from _pieces(part, kind, depth + 1)
    elif isinstance(content, dict):
        type_ = str(content.get("type") or "text")
        if "think" in type_ or "reason" in type_:
            kind, fields = "reasoning", ("thinking", "reasoning", "text", "summary", "content")
        elif "text" in type_ or type_ == "refusal":
            fields = ("text", "value", "refusal", "content")
        else:
            return
        found = next((content[field] for field in fields if content.get(field)), None)
        yield from _pieces(found, kind, depth + 1)


def normalize_finish_reason(reason: object) -> FinishReason | Literal["error"]:
    """A server's finish reason in our words."""
    if not isinstance(reason, str):
        return "other"
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[- ]", "_", reason[:60])
    return _MEANINGS.get(words.lower().removeprefix("finish_reason_"), "other")


def _is_error(chunk: dict[str, Any]) -> bool:
    """Whether a chunk without choices reports an error."""
    kinds = (chunk.get("object"), chunk.get("type"), chunk.get("event"))
    if any(isinstance(kind, str) and "error" in kind.lower() for kind in kinds):
        return True
    if chunk.get("detail") or chunk.get("errors"):
        return True
    result = chunk.get("base_resp")
    if isinstance(result, dict) and result.get("status_code"):
        return True
    if any(_is_error_status(chunk.get(name)) for name in ("code", "status", "status_code")):
        return True
    message, code = chunk.get("message"), chunk.get("code")
    if not isinstance(message, str):
        return False
    return _says_error(message) or (isinstance(code, str) and not code.isdigit() and code != "ok")


def _is_error_status(value: object) -> bool:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return type(value) is int and value >= 400


def _says_error(text: str) -> bool:
    words = text[:_MAX_WORD].lower()
    if any(word in words for word in _ERROR_WORDS):
        return True
    return failure_in_stream(ErrorDetails.of(words)) is not Failure.REPORTED


def _is_cut_json(data: object) -> bool:
    return isinstance(data, str) and data.lstrip().startswith("{")
