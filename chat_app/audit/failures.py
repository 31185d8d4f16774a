"""Failed sign-ins, counted: an attacker who tries a million times does not fill the log.

The first failure of a client's network and kind is written at once; the others of the same window
become one row with their count when it ends. Networks beyond a maximum share one row. So the log
grows by a few hundred rows an hour at most, whatever happens. A process that is killed loses the
counts of the last window, not the first failures.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from chat_app.audit.append import Details, Entry, Origin, entry
from chat_app.core.network import coarse_network

WINDOW = timedelta(minutes=15)
MAX_NETWORKS = 30
"""How many networks and kinds of failure have rows of their own in a window."""

FailureAction = Literal["sign_in_failed", "locked_out"]


@dataclass(frozen=True, slots=True)
class _Kind:
    action: FailureAction
    error: str
    network: str


@dataclass(slots=True)
class _Window:
    ends_at: datetime
    last_at: datetime
    further: int = 0
    networks: set[str] = field(default_factory=set[str])


class FailureCounts:
    """Counts failures until they are written."""

    def __init__(self) -> None:
        self._waiting: list[Entry] = []
        self._windows: dict[_Kind, _Window] = {}

    def add(self, action: FailureAction, error: str, origin: Origin, now: datetime) -> None:
        """Count a failure.

        Args:
            action: Whether the proof was wrong, or it was not looked at.
            error: The code of the error.
            origin: Where it came from.
            now: The time.
        """
        kind = _Kind(action, error, coarse_network(origin.client_ip))
        if kind not in self._windows and len(self._windows) >= MAX_NETWORKS:
            self._add_to_others(_Kind(action, "", ""), kind.network, now)
            return
        if (window := self._windows.get(kind)) is not None:  # `take` ends it
            window.further, window.last_at = window.further + 1, now
            return
        self._windows[kind] = _Window(now + WINDOW, now)
        self._write(kind, {"error": error, "count": 1}, origin, now)

    def take(self, now: datetime) -> list[Entry]:
        """The rows to write now."""
        for kind in [kind for kind, one in self._windows.items() if one.ends_at <= now]:
            self._close(kind)
        waiting, self._waiting = self._waiting, []
        return waiting

    def put_back(self, entries: list[Entry]) -> None:
        """Return rows that could not be written; the windows bound how many there are."""
        self._waiting = entries + self._waiting

    def close_windows(self) -> None:
        """Let the next `take` have every count."""
        for kind in list(self._windows):
            self._close(kind)

    def _add_to_others(self, kind: _Kind, network: str, now: datetime) -> None:
        window = self._windows.setdefault(kind, _Window(now + WINDOW, now))
        window.further, window.last_at = window.further + 1, now
        if len(window.networks) < 1_000:
            window.networks.add(network)

    def _close(self, kind: _Kind) -> None:
        window = self._windows.pop(kind)
        if not window.further:
            return
        details: Details = {"error": kind.error, "count": window.further}
        if window.networks:
            details["networks"] = len(window.networks)
        self._write(kind, details, Origin(kind.network.partition("/")[0]), window.last_at)

    def _write(self, kind: _Kind, details: Details, origin: Origin, now: datetime) -> None:
        self._waiting.append(
            entry(
                kind.action,
                actor="anonymous",
                details=details,
                request=origin,
                clock=lambda: now,
            )
        )
