"""A person's passkeys."""

from dataclasses import dataclass
from datetime import datetime

import reflex as rx

from chat_app.auth.passkeys.passkeys import PasskeySummary
from chat_app.clock import utc_now
from chat_app.services import services
from chat_app.states.identity import principal
from chat_app.states.settings.sessions import ago


@dataclass(frozen=True)
class PasskeyItem:
    """One line of the list."""

    id: str
    name: str
    made: str
    used: str
    is_synced: bool


class PasskeysState(rx.State):
    """The person's passkeys, the oldest first."""

    items: rx.Field[list[PasskeyItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the list."""
        now = utc_now()
        self.items = [item(one, now) for one in await services().passkeys.list(principal())]
        self.loaded = True


def item(passkey: PasskeySummary, now: datetime) -> PasskeyItem:
    """A passkey as the page shows it."""
    return PasskeyItem(
        id=str(passkey.id),
        name=passkey.name,
        made=ago(passkey.created_at, now),
        used=ago(passkey.last_used_at, now) if passkey.last_used_at else "",
        is_synced=passkey.backed_up,
    )
