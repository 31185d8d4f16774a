"""What a run's log holds and what its readers see: values and pure functions.

An offset counts UTF-16 code units, as the browser's strings do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from chat_app.core.parts import Part

EventKind = Literal["text", "reasoning"]
"""What one entry of the log is: `text` is shown, `reasoning` is only kept."""

EndStatus = Literal["complete", "stopped", "failed", "interrupted", "revoked"]
"""How a run ends: by itself, by a person, by a provider, by a lost worker, with its session."""


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The next piece of an answer, stored before it is seen here.

    Args:
        seq: The last log entry in it.
        offset: The length of the answer before it, in UTF-16 code units.
        text: The piece; several entries may be joined in one.
    """

    seq: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The run is over; nothing follows.

    Args:
        seq: The last log entry of the run.
        status: How it ended.
        error: One sentence for the person when it failed, else empty.
        length: The length of the whole answer, in UTF-16 code units.
    """

    seq: int
    status: EndStatus
    error: str
    length: int


def utf16_length(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fold(entries: Iterable[tuple[str, str]]) -> list[Part]:
    """The message parts that a log amounts to.

    Args:
        entries: Kind and text of each entry, in order.
    """
    joined = (
        (kind, "".join(text for _, text in run)) for kind, run in groupby(entries, lambda e: e[0])
    )
    return [{"type": kind, "text": text} for kind, text in joined if text]
