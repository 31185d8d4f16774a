"""Message parts: the JSON stored in a message, made by folding a run's events. Pure."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Literal

Part = dict[str, Any]

EventKind = Literal["text", "reasoning"]
"""The kind of a run event: `text` is shown, `reasoning` is only stored."""


def text_part(text: str) -> Part:
    """A text part."""
    return {"type": "text", "text": text}


def text_of(parts: Iterable[Part]) -> str:
    """The visible text: the text parts joined, without reasoning."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def fold(events: Iterable[tuple[str, str]]) -> list[Part]:
    """The parts made from a run's events.

    Args:
        events: Kind and text of each event, in order.
    """
    joined = (
        (kind, "".join(text for _, text in group))
        for kind, group in groupby(events, lambda event: event[0])
    )
    return [{"type": kind, "text": text} for kind, text in joined if text]


def utf16_length(text: str) -> int:
    """The length of a text in UTF-16 code units, as a browser counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
