"""The providers that the operator set up, as the pages name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import reflex as rx

from chat_app.auth.account.linked_accounts import LinkedAccount
from chat_app.auth.passkeys import PasskeySummary
from chat_app.auth.sessions.models import SessionSummary
from chat_app.core.clock import utc_now
from chat_app.services import services
from chat_app.states.principal import principal


@dataclass(frozen=True)
class ProviderItem:
    """A place to sign in from.

    Args:
        id: Its name in the routes.
        label: Its name on the page.
    """

    id: str
    label: str


class ProvidersState(rx.State):
    """Nothing of it belongs to anybody, so it is the same for everyone."""

    # A built page serves other settings than it was built with: a button that gives way to another
    # under somebody's hand would send them to the wrong provider.
    @rx.var(initial_value=[])
    def offered(self) -> list[ProviderItem]:
        """All of them, in the operator's order."""
        return [ProviderItem(one.id, one.label) for one in services().settings.identity_providers]


class ConfirmState(rx.State):
    """The ways that this person has."""

    by_code: rx.Field[bool] = rx.field(False)
    by_password: rx.Field[bool] = rx.field(False)
    by_passkey: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read them."""
        ways = await services().step_up.ways(principal())
        self.by_code, self.by_password, self.by_passkey = ways.code, ways.password, ways.passkey
        self.loaded = True


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
        labels = {one.id: one.label for one in services().settings.identity_providers}
        found = await services().linked_accounts.list(principal())
        self.items = [connection_item(one, labels) for one in found]
        self.loaded = True


def connection_item(connection: LinkedAccount, labels: Mapping[str, str]) -> ConnectionItem:
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
        self.items = [passkey_item(one, now) for one in await services().passkeys.list(principal())]
        self.loaded = True


def passkey_item(passkey: PasskeySummary, now: datetime) -> PasskeyItem:
    """A passkey as the page shows it."""
    return PasskeyItem(
        id=str(passkey.id),
        name=passkey.name,
        made=ago(passkey.created_at, now),
        used=ago(passkey.last_used_at, now) if passkey.last_used_at else "",
        is_synced=passkey.backed_up,
    )


class PasswordState(rx.State):
    """What the page about the password says."""

    is_set: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Look whether there is one."""
        self.is_set = await services().password_changes.is_set(principal())
        self.loaded = True


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
        rows = [session_item(one, now) for one in found]
        self.items = sorted(rows, key=lambda row: not row.is_current)
        self.loaded = True


def session_item(session: SessionSummary, now: datetime) -> SessionItem:
    """A session as the page shows it."""
    return SessionItem(
        id=str(session.id),
        device=session.device,
        place=session.network,
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


class TwoFactorState(rx.State):
    """Whether it is on, and what is left of it."""

    is_on: rx.Field[bool] = rx.field(False)
    codes_left: rx.Field[int] = rx.field(0)
    devices: rx.Field[int] = rx.field(0)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read it."""
        factor = await services().two_factor.status(principal())
        self.is_on = factor.since is not None
        self.codes_left, self.devices = factor.codes_left, factor.devices
        self.loaded = True
