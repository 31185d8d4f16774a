"""Where a person is signed in."""

from dataclasses import dataclass
from datetime import datetime

import reflex as rx

from chat_app.auth.session_views import SessionSummary
from chat_app.clock import utc_now
from chat_app.services import services
from chat_app.states.identity import principal

_METHODS = {
    "password": "a password",
    "email": "a link by e-mail",
    "passkey": "a passkey",
    "oauth": "another account",
}
_STEPS = ((60, "minute"), (3_600, "hour"), (86_400, "day"))


@dataclass(frozen=True)
class SessionItem:
    """One line of the list."""

    id: str
    device: str
    place: str
    method: str
    seen: str
    is_current: bool


class SessionsState(rx.State):
    """The person's live sessions, the last used first."""

    items: rx.Field[list[SessionItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the list."""
        found = await services().sessions.list(principal())
        now = utc_now()
        rows = [item(one, now) for one in found]
        self.items = sorted(rows, key=lambda row: not row.is_current)
        self.loaded = True


def item(session: SessionSummary, now: datetime) -> SessionItem:
    """A session as the page shows it."""
    return SessionItem(
        id=str(session.id),
        device=session.device,
        place=session.address,
        method=_METHODS.get(session.method, session.method),
        seen=ago(session.last_seen_at, now),
        is_current=session.is_current,
    )


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was, roughly: what is noted is up to five minutes old itself."""
    seconds = (now - at).total_seconds()
    if seconds < 600:
        return "just now"
    size, word = next(step for step in reversed(_STEPS) if seconds >= step[0])
    count = int(seconds // size)
    return f"{count} {word}{'' if count == 1 else 's'} ago"
