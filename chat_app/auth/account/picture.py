"""Profile pictures: their formats, and the removal of everything in a file but the picture.

A photo tells where and when it was taken, by which device, and often has a small copy of itself
from before it was cropped. The page sends a picture that it has drawn anew; what another program
sends is copied here part by part, and only the parts that are needed to draw it are kept. Nothing
is decoded, so a file made to break a decoder breaks none of ours.
"""

import re
from collections.abc import Iterator

from chat_app.core.errors import InvalidInput, TooLarge

PICTURE_MAX_BYTES = 512_000
"""The largest picture. One that the page has made smaller has about a tenth."""

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


class UnsupportedPicture(InvalidInput):
    """The file is not a whole PNG, JPEG or WebP picture."""

    code = "wrong_picture"

    def __init__(self) -> None:
        super().__init__("Choose a PNG, JPEG or WebP picture.")


def without_metadata(content: bytes) -> tuple[str, bytes]:
    """The media type of a picture, and the picture without metadata.

    The orientation that a camera notes is metadata too: a program that sends a photo turns it
    upright before.

    Raises:
        TooLarge: It has more than 512 kB.
        UnsupportedPicture: Another format, or a part of a file.
    """
    if len(content) > PICTURE_MAX_BYTES:
        raise TooLarge(f"A picture can be at most {PICTURE_MAX_BYTES // 1000} kB.")
    try:
        if content.startswith(_PNG):
            return "image/png", b"".join(_png_parts(content))
        if content.startswith(_JPEG):
            return "image/jpeg", b"".join(_jpeg_parts(content))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            body = b"WEBP" + b"".join(_webp_parts(content))
            return "image/webp", b"RIFF" + len(body).to_bytes(4, "little") + body
    except _Malformed:
        raise UnsupportedPicture from None
    raise UnsupportedPicture


class _Malformed(Exception):
    """The file is not whole, or not what its first bytes say."""


def _slice(content: bytes, start: int, length: int) -> bytes:
    """The `length` bytes from `start` on.

    Raises:
        _Malformed: There are fewer.
    """
    if start + length > len(content):
        raise _Malformed
    return content[start : start + length]


_PNG_CHUNKS = frozenset(b"IHDR PLTE tRNS cHRM gAMA iCCP sRGB cICP IDAT IEND".split())


def _png_parts(content: bytes) -> Iterator[bytes]:
    """The signature and the chunks that draw the picture (PNG, third edition, §5)."""
    yield _PNG
    at, kind = len(_PNG), b""
    while kind != b"IEND":  # what follows it may be the rest of a larger picture
        length = int.from_bytes(_slice(content, at, 4), "big")
        kind = _slice(content, at + 4, 4)
        chunk = _slice(content, at, length + 12)
        if kind in _PNG_CHUNKS:
            yield chunk
        at += len(chunk)


_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_JPEG_TABLES = frozenset({*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, _START_OF_SCAN}) - {0xC8}
_MARKER = re.compile(rb"\xff++([^\xff])")  # padded with any number of these
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_COLOURS = {0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe\0"}
"""The application segments that say what the numbers of a pixel mean."""


def _jpeg_parts(content: bytes) -> Iterator[bytes]:
    """The segments that draw the picture, with the data between them (ITU-T T.81, annex B)."""
    yield _JPEG
    at = len(_JPEG)
    while True:
        found = _MARKER.match(content, at)
        if found is None:
            raise _Malformed
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:  # what follows it may be a film, or a second picture
            yield bytes((0xFF, marker))
            return
        length = int.from_bytes(_slice(content, at, 2), "big")
        if length < 2:
            raise _Malformed
        segment = _slice(content, at, length)
        at += len(segment)
        colour = _COLOURS.get(marker)
        if marker in _JPEG_TABLES or (colour and segment[2:].startswith(colour)):
            yield bytes((0xFF, marker)) + segment
        if marker == _START_OF_SCAN:
            end = _end_of_scan(content, at)
            yield content[at:end]
            at = end


def _end_of_scan(content: bytes, at: int) -> int:
    """Where the next marker begins: not a stuffed zero, and not a restart marker."""
    found = _AFTER_SCAN.search(content, at)
    if found is None:
        raise _Malformed
    return found.start()


_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_HAS_METADATA = 0b1100
"""The bits of VP8X for EXIF and XMP."""


def _webp_parts(content: bytes) -> Iterator[bytes]:
    """The chunks that draw the picture (RFC 9649, §2)."""
    at, end = 12, 8 + int.from_bytes(_slice(content, 4, 4), "little")
    while at < end:
        kind = _slice(content, at, 4)
        length = int.from_bytes(_slice(content, at + 4, 4), "little")
        chunk = _slice(content, at, 8 + length + length % 2)
        at += len(chunk)
        if kind == b"VP8X":
            yield chunk[:8] + bytes((_slice(chunk, 8, 1)[0] & ~_HAS_METADATA,)) + chunk[9:]
        elif kind in _WEBP_CHUNKS:
            yield chunk
