"""What the model server says: Markdown of every kind, in tokens, with words that can be timed.

Every fifth word is a marker such as `mk0017`, which stands nowhere else: the server notes when
it sent one, a reader notes when it came.
"""

import re
from collections.abc import Iterator
from itertools import count, cycle, islice

MARKER = re.compile(r"mk(\d{4})")
_EVERY = 5

_TEXT = (
    "the rain in a little town often turns soft and slow before noon while nobody could say what "
    "those clouds really meant when people looked at older maps and found how each road bends"
)


def tokens(length: int) -> list[str]:
    """The first tokens of the answer; some 4.6 bytes each, the first one a marker."""
    return list(islice(_marked(), length))


def _marked() -> Iterator[str]:
    words, markers = count(), count()
    for piece in _pieces():
        if piece.strip().isalpha() and next(words) % _EVERY == 0:
            yield piece.replace(piece.strip(), f"mk{next(markers):04d}")
        else:
            yield piece


def _pieces() -> Iterator[str]:
    word = cycle(_TEXT.split()).__next__
    yield word()
    for section in count(1):
        yield from ("\n\n", "## ", f"{section}.", *(f" {word()}" for _ in range(4)), "\n\n")
        for _ in range(2):
            yield from (f" {word()}" for _ in range(45))
            yield from (".", "\n\n")
        for _ in range(4):
            yield from ("- ", "**", word(), "**", *(f" {word()}" for _ in range(8)), "\n")
        yield from ("\n", "| ", word(), " | ", word(), " |\n", "| --- ", "| ---", " |\n")
        for _ in range(3):
            yield from ("| ", word(), f" {word()}", " | ", word(), " |\n")
        yield from ("\n", "```", "python", "\n", "def ", "f", "(x):\n")
        for _ in range(5):
            yield from ("    ", "x ", "= ", word(), " +", f" {word()}", "\n")
        yield from ("```", "\n\n")
