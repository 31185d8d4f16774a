"""The accounts elsewhere that the signed-in person has connected."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import reflex as rx

from chat_app.auth.connections import Connection
from chat_app.services import services
from chat_app.settings import settings
from chat_app.states.identity import principal


@dataclass(frozen=True)
class ConnectionItem:
    """One of them, as the page shows it.

    Args:
        id: What disconnecting it names.
        label: The provider.
        who: Who the person is there.
        since: When it was connected, and when it was used.
    """

    id: str
    label: str
    who: str
    since: str


class ConnectionsState(rx.State):
    """What is connected."""

    items: rx.Field[list[ConnectionItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read it."""
        labels = {one.id: one.label for one in settings().sign_in_providers}
        found = await services().connections.list(principal())
        self.items = [item(one, labels) for one in found]
        self.loaded = True


def item(connection: Connection, labels: Mapping[str, str]) -> ConnectionItem:
    """How a connection is shown.

    Args:
        connection: What is known of it.
        labels: The names of the providers that are set up; of another one the host is shown.
    """
    host = urlsplit(connection.issuer).hostname or connection.issuer
    used = connection.last_used_at
    since = f"Connected {_day(connection.created_at)}"
    return ConnectionItem(
        id=str(connection.id),
        label=labels.get(connection.provider, host),
        who=connection.email or connection.name,
        since=f"{since}, last used {_day(used)}" if used else f"{since}, not used yet",
    )


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
