"""The sessions that ended lately, for work that was let in just before."""

from uuid import UUID


class EndedSessions:
    """A bounded memory of session ids.

    A request is let in by the guard and may begin a run after its session has ended; a reader may
    be asleep when it does. Both look here. Sessions never come back, so nothing is ever taken out
    but the oldest.

    Args:
        most: How many are remembered.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._ids: dict[UUID, None] = {}

    def add(self, session_id: UUID) -> None:
        """Remember that a session has ended."""
        self._ids[session_id] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._ids
