"""Server-sent events out of raw bytes, as far as model servers use them.

The SDK's stream objects cost six to twelve times the CPU of splitting lines, so the token loop
splits lines. Pure: bytes in, payloads out, whatever the chunk boundaries.
"""


class SSETooLarge(ValueError):
    """One event is larger than any real one."""


class SSEParser:
    """Collect the `data` of each event (WHATWG HTML §9.2.6) from chunks of any size.

    Comments and the `event`, `id` and `retry` fields are dropped.

    Args:
        limit: The largest event that is taken, in bytes.
    """

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._held = 0
        self._partial: list[bytes] = []
        self._data: list[str] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Take the next bytes and give the payloads of the events they complete.

        Raises:
            TooMuch: An event has outgrown the limit.
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
            self._held += len(line)
            if self._held > self._limit:
                raise SSETooLarge
            if not line.endswith((b"\n", b"\r")):
                self._partial.append(line)
                continue
            self._take(self._whole(line.rstrip(b"\r\n")), payloads)
        return payloads

    def end(self) -> str | None:
        """The payload of an event that the end of the stream cut short, if there is one."""
        payloads: list[str] = []
        self._take(self._whole(b""), payloads)
        self._take(b"", payloads)
        return payloads[0] if payloads else None

    def _whole(self, tail: bytes) -> bytes:
        if self._partial:
            tail = b"".join((*self._partial, tail))
            self._partial.clear()
        if self._at_start:
            self._at_start = False
            return tail.removeprefix(b"\xef\xbb\xbf")
        return tail

    def _take(self, line: bytes, payloads: list[str]) -> None:
        if not line:
            if self._data:
                payloads.append("\n".join(self._data))
                self._data.clear()
            self._held = 0
        elif line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value.decode("utf-8", "replace"))
        elif line == b"data":
            self._data.append("")
        elif not self._data:
            self._held = 0
