"""Tokens of full-text search: the same for a stored text and for a search. Pure.

A token is a whole word without case (casefold) and in one spelling (NFKC). Scripts that put no
space between words, Chinese, Japanese, Thai and the like, have no words to split at; and Korean
joins particles to its words. Their runs are split into pairs of neighbours (bigrams): whatever has
two characters or more is found anywhere in a run, as the sequence of its pairs.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

GAP = "|"
"""Stands between two runs of pairs, so that the pairs at their edges are no neighbours."""
MAX_LENGTH = 64
"""The longest token, in characters; a longer word is cut into several."""

_MAX_MARKS = 30
"""The most marks on one letter, as in the stream-safe format of Unicode: to sort a run of them
costs the square of its length."""

_ASCII_WORD = re.compile(rf"[a-z0-9]{{1,{MAX_LENGTH}}}")
_ASCII_GAP = re.compile(r"[^A-Za-z0-9]")
_PIECE = 8_000
"""Characters of ASCII that are looked at in one go."""
_JOINERS = "\u00ad\u200c\u200d\u2060\ufeff"
_PAIRED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u17dc\u17dd"  # Burmese, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7a3\ud7b0-\ud7ff"  # Hangul
    "\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Kana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
"""The characters of scripts that are split into pairs, as the inside of a character class."""


class Token(NamedTuple):
    """A token of a text, or a `GAP`, and where it stands there, in characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens that follow each other in a text that is found.

    Args:
        tokens: One for a word; several for words in quotes and for characters in pairs.
        opens: Whether the first token is one character of a run whose beginning is not known.
        closes: Whether the last token is one character of a run whose end is not known.
    """

    tokens: tuple[str, ...]
    opens: bool = False
    closes: bool = False

    @property
    def terms(self) -> list[str]:
        """The tokens that a text has if it has the phrase."""
        first = 1 if self.opens else 0
        last = len(self.tokens) - (1 if self.closes else 0)
        return [token for token in self.tokens[first:last] if token != GAP]

    @property
    def is_single(self) -> bool:
        """Whether a text with all `terms` has the phrase, so that nothing is left to compare."""
        return len(self.tokens) == 1 and not self.opens

    @property
    def is_short(self) -> bool:
        """Whether it is single letters only, which are in nearly every text."""
        return all(len(token) < 2 for token in self.tokens)

    @property
    def pattern(self) -> str:
        """What a text's tokens, between two spaces, contain if it has the phrase."""
        return f"{'' if self.opens else ' '}{' '.join(self.tokens)}{'' if self.closes else ' '}"

    def count(self, doubled: str) -> int:
        """How often it is in a text.

        Args:
            doubled: The text's tokens as `doubled` makes them.
        """
        return doubled.count(_doubled_spaces(self.pattern))


def doubled(tokens: str) -> str:
    """The tokens of a text, such that neighbours share no space and are counted one by one."""
    return f" {tokens.replace(' ', '  ')} "


@lru_cache(256)
def _doubled_spaces(pattern: str) -> str:
    inner = pattern.strip(" ")
    before, after = pattern[: pattern.index(inner)], pattern[pattern.index(inner) + len(inner) :]
    return before + inner.replace(" ", "  ") + after


def phrase_of(text: str) -> Phrase | None:
    """The phrase that finds a word, or words in quotes; None if there is no letter or digit."""
    tokens = tuple(token.text for token in tokens_of(text))
    if not tokens:
        return None
    is_one = re.compile(f"[{_PAIRED}]").fullmatch
    return Phrase(tokens, is_one(tokens[0]) is not None, is_one(tokens[-1]) is not None)


def token_text(text: str, max_bytes: int = sys.maxsize) -> str:
    """The tokens of a text, separated by spaces.

    Args:
        text: Any text.
        max_bytes: The most bytes of UTF-8; the tokens beyond are left out.
    """
    if text.isascii():
        found = " ".join(_ascii_words(text))
    else:
        found = " ".join(token.text for token in tokens_of(text))
    if len(found) * 4 <= max_bytes or len(encoded := found.encode()) <= max_bytes:
        return found
    return encoded[: max_bytes + 1].rpartition(b" ")[0].decode()


def _ascii_words(text: str) -> Iterator[str]:
    """The words of an ASCII text, found a piece at a time.

    `findall` keeps the interpreter to itself: 30 ms for a megabyte, in which no user is served.
    """
    start = 0
    while start < len(text):
        gap = _ASCII_GAP.search(text, start + _PIECE)
        end = gap.start() if gap else len(text)
        yield from _ASCII_WORD.findall(text[start:end].lower())
        start = end


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of a text, in order, with the gaps between runs of pairs."""
    if text.isascii():
        for match in _ASCII_WORD.finditer(text.lower()):
            yield Token(match[0], match.start(), match.end())
        return
    word, piece = _patterns()
    after_pairs = False
    for match in word.finditer(text.replace("_", " ")):
        normal, start = normalised(match[0]), match.start()
        is_aligned = len(normal) == len(match[0])
        for part in piece.finditer(normal):
            here = start + part.start() if is_aligned else start
            until = start + part.end() if is_aligned else match.end()
            if part[1] is None:
                after_pairs = False
                yield Token(part[0], here, until)
                continue
            if after_pairs:
                yield Token(GAP, here, here)
            after_pairs = True
            yield from _pairs(part[0], here, until, is_aligned=is_aligned)


def normalised(text: str) -> str:
    """A text without case and in one spelling."""
    if text.isascii():
        return text.lower()
    if len(text) > _MAX_MARKS:
        text = _excess().sub(r"\1", text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(dict.fromkeys(map(ord, _JOINERS)))


def _pairs(run: str, start: int, end: int, *, is_aligned: bool) -> Iterator[Token]:
    if len(run) == 1:
        yield Token(run, start, end)
    for index in range(len(run) - 1):
        span = (start + index, start + index + 2) if is_aligned else (start, end)
        yield Token(run[index : index + 2], *span)


@lru_cache(1)
def _marks() -> str:
    """The combining marks, as the inside of a character class."""
    return "".join(
        chr(code) for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M"
    )


@lru_cache(1)
def _excess() -> re.Pattern[str]:
    """As many marks as a letter may have (group 1), and those beyond."""
    return re.compile(rf"([{_marks()}]{{{_MAX_MARKS}}})[{_marks()}]+")


@lru_cache(1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A word in a text; and in a word, a run of pairs (group 1) or a token.

    Combining marks belong to words. Python's `\\w` leaves them out, and would cut Hindi at vowels.
    """
    marks = _marks()
    word = re.compile(rf"[\w{marks}{_JOINERS}]+")
    piece = re.compile(
        rf"([{_PAIRED}]+)"
        rf"|(?![{_PAIRED}{marks}])\w(?:(?![{_PAIRED}])[\w{marks}]){{0,{MAX_LENGTH - 1}}}"
    )
    return word, piece
