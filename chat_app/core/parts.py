"""A message's parts: what is stored as JSON, and the text in it."""

from collections.abc import Iterable
from typing import Any

Part = dict[str, Any]


def text_part(text: str) -> Part:
    """A part that holds text."""
    return {"type": "text", "text": text}


def text_of(parts: Iterable[Part]) -> str:
    """The text a person reads: the text parts joined, reasoning left out."""
    return "".join(part["text"] for part in parts if part["type"] == "text")
