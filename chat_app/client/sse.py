"""Server-sent events, decoded from bytes (HTML Standard §9.2.6). Pure.

Lines end at LF or CRLF: a decoder that splits at every line break of Unicode, as httpx's does,
would break JSON that has a U+2028 in it.
"""


class SseDecoder:
    """Decodes one stream; bytes come in any pieces.

    Only data is kept: comments and ids hold nothing that a reader of an answer needs.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that a piece completes.

        Raises:
            UnicodeDecodeError: It is not UTF-8.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [
            data for line in lines if (data := self._line(line.removesuffix(b"\r"))) is not None
        ]

    def _line(self, line: bytes) -> str | None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        if not self._data:
            return None
        data, self._data = b"\n".join(self._data), []
        return data.decode()
