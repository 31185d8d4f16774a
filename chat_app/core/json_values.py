"""JSON values of tools and programs, made safe to store and to send. Pure.

Python's JSON knows numbers that no browser reads, and breaks at values that are nested deeper than
its stack. One such value would make an answer, and every list of messages with it, unreadable.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]
"""A JSON object that is only read."""

MAX_DEPTH = 100
"""How many lists and objects may be inside one another."""
MAX_VALUES = 100_000
"""How many values one may have inside; a list that holds itself has no end."""
LEFT_OUT = "[left out: too deep or too large]"
"""What stands in the place of a list or an object beyond a maximum."""
_MAX_NUMBER = sys.float_info.max

compact_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Encodes a value on one line, without spaces; ValueError for a number that is not finite."""


def json_value(value: Any) -> Any:
    """A copy of a JSON value without what cannot be stored and sent.

    Numbers that are not finite, or too large for a browser, become null. Lists and objects beyond
    `MAX_DEPTH` or `MAX_VALUES` become `LEFT_OUT`.
    """
    return _Copier().copy(value)


class _Copier:
    def __init__(self) -> None:
        self._values = 0

    def copy(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, int | float):
            return value if -_MAX_NUMBER <= value <= _MAX_NUMBER else None
        if not isinstance(value, dict | list | tuple):
            return value
        self._values += len(value)
        if depth == MAX_DEPTH or self._values > MAX_VALUES:
            self._values -= len(value)
            return LEFT_OUT
        if isinstance(value, dict):
            return {str(key): self.copy(inner, depth + 1) for key, inner in value.items()}
        return [self.copy(inner, depth + 1) for inner in value]
