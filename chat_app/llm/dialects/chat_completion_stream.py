"""Decode the chunks of a streamed chat completion: decoded JSON in, events out. Pure.

Compatible servers differ in where they put text, reasoning and errors; `docs/models.md` lists what
is read. Unknown fields and wrong types are ignored, because every server adds its own.
"""

import json
from collections.abc import Iterator
from typing import Any

from chat_app.core.events import (
    Event,
    Finish,
    ReasoningDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.core.text import repair_surrogates
from chat_app.llm.dialects.stream import (
    StreamDecoder,
    count_of,
    is_cut_json,
    key_of,
    normalize_finish_reason,
    word_of,
)
from chat_app.llm.errors import ErrorDetails, Failure, failure_in_stream
from chat_app.llm.reasoning_tags import ReasoningTags
from chat_app.llm.sse import DONE, SSEvent

_MAX_DEPTH = 4
_MAX_WORD = 1_000
_ERROR_WORDS = ("error", "exception", "traceback", "failed", "failure", "timed out", "bad gateway")

_UNSPECIFIC = ("stop", "other")
"""Reasons that say little: they do not replace another one."""
_DETAIL_PIECES = ("text", "summary", "data", "signature")
"""The fields of a reasoning detail that come in pieces."""


class ChatCompletionDecoder(StreamDecoder):
    """Decodes the events of one answer; see `StreamDecoder`."""

    def __init__(self, model: str, made_by: str = "") -> None:
        super().__init__(model, made_by)
        self._reported: object = None  # an error of this chunk
        self._tags = ReasoningTags()
        self._has_text = False
        self._calls: dict[Any, str] = {}  # the id of the open call at each index
        self._open_calls: dict[str, str] = {}  # the name of each
        self._details: dict[tuple[Any, Any], dict[str, Any]] = {}

    def decode(self, event: SSEvent) -> list[Event]:
        """What one event decodes to."""
        data, name = event
        if name and "error" in name.lower():
            return self.fail(data)
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

    def last_events(self) -> list[Event]:
        """The ends of the calls, and what the server needs back of the reasoning."""
        events: list[Event] = [ToolCallEnd(call_id) for call_id in self._open_calls]
        self._open_calls.clear()
        details = list(self._details.values())
        if any(detail.get("data") or detail.get("signature") for detail in details):
            item = {"type": "reasoning_details", "details": details}
            events.append(self.native(item))
        return events

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
        return events if self._reported is None else [*events, *self.fail(self._reported)]

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
                known = {"tool_calls": self._open_calls, "reasoning_details": self._details}
                message = {name: each for name, each in message.items() if not known.get(name)}
                whole: list[Event] = []
                self._decode_message(message, whole)
                if self._has_output:
                    whole = [event for event in whole if not isinstance(event, ReasoningDelta)]
                events += whole
            self.finish = self.finish or Finish("other")
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
        if details := message.get("reasoning_details"):
            self._add_details(details)
        if calls := message.get("tool_calls"):
            self._add_calls(calls, events)

    def _add_reasoning(self, text: str, events: list[Event]) -> None:
        if text := self._reasoning.feed(text):
            self._tags.has_reasoning = True
            events.append(ReasoningDelta(text))

    def _add_text(self, text: str, events: list[Event]) -> None:
        self._has_text = True
        if text := self._text.feed(text):
            events += self._tags.feed(text)

    def _add_calls(self, calls: object, events: list[Event]) -> None:
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                continue
            index, given_id = key_of(call.get("index", place)), word_of(call.get("id"))
            call_id = self._calls.get(index, "")
            # some servers send every call at the index 0, each with its id
            if not call_id or (given_id and given_id != call_id):
                call_id = given_id or f"call-{len(self._open_calls)}"
                self._calls[index] = call_id
                if call_id not in self._open_calls:
                    events += self.flush()
                    self._open_calls[call_id] = word_of(function.get("name"))
            events.append(ToolCallDelta(call_id, self._open_calls[call_id], _arguments(function)))
            if extra := call.get("extra_content"):
                item = {"type": "extra_content", "call_id": call_id, "extra_content": extra}
                events.append(self.native(item))

    def _add_details(self, details: object) -> None:
        """Join the pieces of each reasoning detail, as long as all of them have room."""
        for detail in details if isinstance(details, list) else ():
            if not isinstance(detail, dict):
                continue
            key = key_of(detail.get("index")), key_of(detail.get("type"))
            joined = self._details.setdefault(key, {})
            for name, value in detail.items():
                before = joined.get(name)
                if isinstance(before, str) and isinstance(value, str) and name in _DETAIL_PIECES:
                    has_room = self.has_room(len(value))
                    joined[name] += value
                elif name not in joined or (value is not None and value != before):
                    has_room = self.has_room(len(name) + len(str(value)))
                    joined[name] = value
                else:
                    continue
                if not has_room:
                    self._details.clear()
                    return

    def _decode_finish(self, reason: object, native: object) -> None:
        normalized = normalize_finish_reason(reason)
        native_reason = normalize_finish_reason(native)
        if normalized in _UNSPECIFIC and native_reason not in (*_UNSPECIFIC, "tool-calls"):
            normalized = native_reason
        if normalized == "error":
            self._reported = self._reported or {}
        elif (
            self.finish is None
            or normalized not in _UNSPECIFIC
            or self.finish.reason in _UNSPECIFIC
        ):
            self.finish = Finish(normalized)

    def _decode_non_json(self, word: str) -> list[Event]:
        """Decode what is no JSON: the end, an error, or a word that keeps the connection alive."""
        if word.strip('"') == DONE:
            self.done = True
        elif is_cut_json(word):
            self._error = Failure.MALFORMED.error(self._model)
            self.done = True
        elif _says_error(word):
            return self.fail(word)
        return []

    def _decode_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        self.chunks += 1
        input_tokens = count_of(usage.get("prompt_tokens"))
        output_tokens = count_of(usage.get("completion_tokens"))
        if input_tokens is not None and output_tokens is not None:
            self.usage = Usage(
                input_tokens,
                output_tokens,
                reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
                cached_input_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
            )


def _detail(usage: dict[str, object], group: str, field: str) -> int | None:
    details = usage.get(group)
    return count_of(details.get(field)) if isinstance(details, dict) else None


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


def _arguments(function: dict[str, Any]) -> str:
    """The next piece of a call's arguments; some servers send an object."""
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return repair_surrogates(arguments) if isinstance(arguments, str) else ""
