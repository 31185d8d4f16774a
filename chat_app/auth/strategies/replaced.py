"""Tokens that have had a successor for a moment.

A request can be under way with the old one. Its answer may reach the browser after the new one
did, and must not take that away.
"""

from datetime import datetime, timedelta

_REMEMBERED = timedelta(minutes=1)
"""Longer than an answer that says who is signed in can be under way."""


class Replaced:
    """Marks of the tokens that were replaced within the last minute."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def note(self, mark: str, now: datetime) -> None:
        """Remember one. Call before the replacement is committed."""
        young = now - _REMEMBERED
        self._at = {one: at for one, at in self._at.items() if at > young}
        self._at[mark] = now

    def has(self, mark: str, now: datetime) -> bool:
        """Whether it is one of them."""
        at = self._at.get(mark)
        return at is not None and at > now - _REMEMBERED
