"""Finds out that a proxy drops the upgrade of a WebSocket, and tells the operator and the page.

Such a proxy delivers pages and routes, so that everything looks well, but the socket either arrives
as a plain request or not at all.
"""

import logging
import time
from collections.abc import Callable
from uuid import UUID

from cachetools import TTLCache

from chat_app.gateway.paths import EVENT_PATH

STATUS_PATH = "/api/socket"
"""Where a page without a socket asks whether its browser's sockets arrive."""

_ARRIVAL_SECONDS = 6.0  # a page tries again within 5 s or so, and asks twice, 3 s apart
_WARN_SECONDS = 300.0
_SESSIONS = 10_000

log = logging.getLogger(__name__)


class SocketArrivals:
    """Which sessions' sockets have arrived lately.

    Args:
        now: The seconds of a clock that is never set back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lately: TTLCache[UUID, bool] = TTLCache(_SESSIONS, _ARRIVAL_SECONDS, timer=now)
        self._warned_at: float | None = None

    def arrived(self, session_id: UUID) -> None:
        """A socket of a session has arrived, whether or not it is accepted."""
        self._lately[session_id] = True

    def has_arrived(self, session_id: UUID) -> bool:
        """Whether a socket of a session has arrived lately."""
        return session_id in self._lately

    def warn(self) -> None:
        """Log that a proxy drops the upgrade; at most once in five minutes."""
        now = self._now()
        if self._warned_at is None or now - self._warned_at >= _WARN_SECONDS:
            self._warned_at = now
            log.warning(
                "A proxy in front of this server drops the WebSocket upgrade of %s: pages load, "
                "but stay without a connection. Let it pass the Upgrade and Connection headers on "
                "(docs/deployment.md).",
                EVENT_PATH,
            )
