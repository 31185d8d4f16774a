"""A parser of server-sent events (SSE): bytes in, payloads out. Pure.

The SDK's stream objects cost six to twelve times the CPU of splitting lines, so the token loop
splits lines.
"""


class SSETooLarge(ValueError):
    """An event is larger than the limit."""


class SSEParser:
    """Collects the `data` of each event (WHATWG HTML §9.2.6) from chunks of any size.

    Comments and the `event`, `id` and `retry` fields are ignored.

    Args:
        max_bytes: The largest event that is accepted.
    """

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self._max_bytes = max_bytes
        self._event_bytes = 0
        self._partial: list[bytes] = []
        self._data: list[str] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """The payloads of the events that the next bytes complete.

        Raises:
            SSETooLarge: An event is larger than the limit.
        """
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return []
        self._after_cr = chunk.endswith(b"\r")
        payloads: list[str] = []
        for line in chunk.splitlines(keepends=True):
            self._event_bytes += len(line)
            if self._event_bytes > self._max_bytes:
                raise SSETooLarge
            if not line.endswith((b"\n", b"\r")):
                self._partial.append(line)
                continue
            self._process_line(self._complete_line(line.rstrip(b"\r\n")), payloads)
        return payloads

    def end(self) -> str | None:
        """The payload of an event that the end of the stream cut off, if there is one."""
        payloads: list[str] = []
        self._process_line(self._complete_line(b""), payloads)
        self._process_line(b"", payloads)
        return payloads[0] if payloads else None

    def _complete_line(self, tail: bytes) -> bytes:
        if self._partial:
            tail = b"".join((*self._partial, tail))
            self._partial.clear()
        if self._at_start:
            self._at_start = False
            return tail.removeprefix(b"\xef\xbb\xbf")
        return tail

    def _process_line(self, line: bytes, payloads: list[str]) -> None:
        if not line:
            if self._data:
                payloads.append("\n".join(self._data))
                self._data.clear()
            self._event_bytes = 0
        elif line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value.decode("utf-8", "replace"))
        elif line == b"data":
            self._data.append("")
        elif not self._data:
            self._event_bytes = 0
