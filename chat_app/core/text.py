"""Unicode: repair text for databases, sockets and JSON, and measure it as a browser does.

A provider that splits its answer by UTF-16 code units sends lone surrogates: half an emoji per
chunk. A lone surrogate crashes SQLite and JSON, a NUL crashes Postgres; both are repaired on input.
"""

import re
import unicodedata

_INVALID = re.compile("[\ud800-\udfff\0]")
CLIENT_ID_PATTERN = r"[A-Za-z0-9_-]{1,64}"
"""The regular expression of an id that a client makes, for a message or for a thread."""
_CLIENT_ID = re.compile(CLIENT_ID_PATTERN)
_JOINERS = "\u200c\u200d"
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that are drawn as nothing, though they are letters, marks or symbols."""


class SurrogateRepair:
    """Joins surrogate pairs that are split over chunks; replaces lone surrogates and NULs."""

    def __init__(self) -> None:
        self._high_surrogate = ""

    def feed(self, text: str) -> str:
        """The next chunk, repaired; a high surrogate at its end waits for the next one."""
        if self._high_surrogate:
            text = self._high_surrogate + text
            self._high_surrogate = ""
        if not _INVALID.search(text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            self._high_surrogate = text[-1]
            text = text[:-1]
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return joined.replace("\0", "\ufffd")

    def end(self) -> str:
        """The replacement of a high surrogate that nothing followed, if there is one."""
        replacement = "\ufffd" if self._high_surrogate else ""
        self._high_surrogate = ""
        return replacement


def repair_surrogates(text: str) -> str:
    """A whole text, repaired."""
    if not _INVALID.search(text):
        return text
    repair = SurrogateRepair()
    return repair.feed(text) + repair.end()


def is_client_id(text: str) -> bool:
    """Whether a text can be the id that a client gives a message or a thread."""
    return _CLIENT_ID.fullmatch(text) is not None


def utf16_length(text: str) -> int:
    """The length of a text in UTF-16 code units, as a browser counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_tail(text: str, start: int) -> str:
    """What follows some UTF-16 code units; half a pair at its beginning is replaced."""
    if text.isascii():
        return text[start:]
    return text.encode("utf-16-le", "surrogatepass")[2 * start :].decode("utf-16-le", "replace")


def visible_line(text: str) -> str:
    """The text on one line, without what cannot be seen; empty if nothing can."""
    seen = "".join(map(_visible, repair_surrogates(text)))
    line = " ".join(seen.split()).strip(_JOINERS)
    return line if any(unicodedata.category(character)[0] in "LNPS" for character in line) else ""


def _visible(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else " "
    if character in _BLANKS or unicodedata.category(character) == "Cc":
        return " "
    is_hidden = unicodedata.category(character) == "Cf" and character not in _JOINERS
    return "" if is_hidden else character
