"""A parser of server-sent events (SSE) and JSON bodies: bytes in, decoded payloads out. Pure.

The SDK's stream objects cost six to twelve times the CPU of splitting lines, so the token loop
splits lines. Servers of chat completions write events in more ways than the standard has: with one
newline between them, without `data:`, or as one JSON body. So an event also ends where its JSON is
whole; no JSON object goes on after that.
"""

import json
import re
from typing import Any, NamedTuple


class SSETooLarge(ValueError):
    """An event is larger than the limit."""


class SSEvent(NamedTuple):
    """One event of a stream.

    Args:
        data: The decoded JSON; a string if it is no JSON, or is cut off.
        name: The event's name; empty for none.
    """

    data: Any
    name: str = ""


DONE = "[DONE]"
"""The data that ends a stream."""
_raw_decode = json.JSONDecoder().raw_decode  # what `loads` does around it costs a third more
_REPEATED_FIELD = re.compile(r"^\s*(data:\s*)+")
_MAX_CLOSERS = 4
"""How many lines with only a `}` are tried as the end of one JSON object of many lines."""


class SSEParser:
    """Collects the `data` of each event (WHATWG HTML §9.2.6) from chunks of any size.

    Comments and the fields `id` and `retry` are ignored. An `error` field is an event of that name.

    Args:
        max_bytes: The largest event that is accepted.
    """

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self._max_bytes = max_bytes
        self._event_bytes = 0
        self._partial: list[bytes] = []
        self._data: list[str] = []
        self._json: list[str] = []  # lines of JSON without `data:`
        self._closers = 0
        self._name = ""
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[SSEvent]:
        """The events that the next bytes complete.

        Raises:
            SSETooLarge: An event is larger than the limit.
        """
        if not chunk:
            return []
        if (event := self._plain_event(chunk)) is not None:
            return [event]
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return []
        self._after_cr = chunk.endswith(b"\r")
        events: list[SSEvent] = []
        for line in chunk.splitlines(keepends=True):
            self._event_bytes += len(line)
            if self._event_bytes > self._max_bytes:
                raise SSETooLarge
            if not line.endswith((b"\n", b"\r")):
                self._partial.append(line)
                continue
            line = line.rstrip(b"\r\n")
            if self._partial or self._at_start:
                line = self._complete_line(line)
            if line:
                self._process_line(line, events)
            else:
                self._end_event(events)
        return events

    def end(self) -> list[SSEvent]:
        """The events that the end of the stream completes or cuts off."""
        events: list[SSEvent] = []
        if line := self._complete_line(b""):
            self._process_line(line, events)
        self._end_json(events)
        self._end_event(events)
        return events

    def _plain_event(self, chunk: bytes) -> SSEvent | None:
        """The event that a chunk is, as nearly every one is: one line of JSON, and nothing before.

        Parsing line by line takes three times as long for each token.
        """
        if not (chunk.startswith(b"data: {") and chunk.endswith(b"}\n\n")):
            return None
        if chunk.count(b"\n") != 2 or len(chunk) > self._max_bytes:
            return None
        if self._event_bytes or self._data or self._json or self._name or self._after_cr:
            return None
        if self._at_start:
            return None
        value = _whole(chunk[6:-2].decode("utf-8", "replace"))
        return None if value is None else SSEvent(value)

    def _complete_line(self, tail: bytes) -> bytes:
        if self._partial:
            tail = b"".join((*self._partial, tail))
            self._partial.clear()
        if self._at_start:
            self._at_start = False
            return tail.removeprefix(b"\xef\xbb\xbf")
        return tail

    def _process_line(self, line: bytes, events: list[SSEvent]) -> None:
        if line.startswith(b"data:"):
            if self._json:
                self._end_json(events)
            self._add_data(line[5:], events)
        elif self._json or line == b"[" or line.startswith((b"{", b"[{", b"[DONE]")):
            self._add_json(line.decode("utf-8", "replace"), events)
        elif line == b"data":
            self._data.append("")
        elif line.startswith(b"event:"):
            self._name = line[6:].decode("utf-8", "replace").strip()
        elif line.startswith(b"error:"):
            self._name = "error"
            self._add_data(line[6:], events)
        elif not self._data:
            self._event_bytes = 0

    def _add_data(self, raw: bytes, events: list[SSEvent]) -> None:
        line = raw.decode("utf-8", "replace").removeprefix(" ")
        data = self._data
        value = None if data and data[0].startswith(("{", "[")) else _whole(line)
        if value is None:
            data.append(line)
            return
        if data:  # a word such as `ping`, ended with one newline
            self._emit("\n".join(data), events)
            data.clear()
        events.append(SSEvent(value, self._name))
        self._name = ""
        self._event_bytes = 0

    def _end_event(self, events: list[SSEvent]) -> None:
        if self._json:
            return  # a blank line inside a JSON body
        if self._data or self._name:
            self._emit(_decoded("\n".join(self._data)), events)
            self._data.clear()
        self._event_bytes = 0

    def _add_json(self, line: str, events: list[SSEvent]) -> None:
        self._json.append(line)
        # the rest is decoded at the end: decoding at each line would cost the square of the size
        if len(self._json) == 1 or (line == "}" and self._closers < _MAX_CLOSERS):
            self._closers += line == "}"
            if (value := _whole("\n".join(self._json))) is not None:
                self._emit_json(value, events)

    def _end_json(self, events: list[SSEvent]) -> None:
        if self._json:
            self._emit_json(_decoded("\n".join(self._json)), events)

    def _emit_json(self, value: Any, events: list[SSEvent]) -> None:
        self._json.clear()
        self._closers = 0
        self._emit(value, events)

    def _emit(self, data: Any, events: list[SSEvent]) -> None:
        events.append(SSEvent(data, self._name))
        self._name = ""
        self._event_bytes = 0


def _whole(text: str) -> Any:
    """The JSON object or list, or the end mark, that a text is; None if it is none."""
    if text.startswith(("{", "[")):
        try:
            value, end = _raw_decode(text)
            if end == len(text) or text[end:].isspace():
                return value
        except (ValueError, RecursionError):
            pass
    return DONE if text.strip() == DONE else None


def _decoded(text: str) -> Any:
    text = _REPEATED_FIELD.sub("", text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
