"""The states of the settings pages: providers, connected accounts, passkeys, sessions and MFA."""

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
from chat_app.states import current_principal


@dataclass(frozen=True)
class ProviderItem:
    """An identity provider.

    Args:
        id: Its name in routes.
        label: Its name on pages.
    """

    id: str
    label: str


class ProvidersState(rx.State):
    """The identity providers to sign in with; the same for every user."""

    # The settings may have changed since the build: a button that is replaced while it is being
    # clicked would lead to the wrong provider.
    @rx.var(initial_value=[])
    def offered(self) -> list[ProviderItem]:
        """The providers in the operator's order."""
        return [
            ProviderItem(provider.id, provider.label)
            for provider in services().settings.identity_providers
        ]


class ConfirmState(rx.State):
    """The login methods with which the user can confirm a change."""

    by_code: rx.Field[bool] = rx.field(False)
    by_password: rx.Field[bool] = rx.field(False)
    by_passkey: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the login methods."""
        methods = await services().step_up.methods(current_principal())
        self.by_code, self.by_password = methods.code, methods.password
        self.by_passkey = methods.passkey
        self.loaded = True


@dataclass(frozen=True)
class ConnectionItem:
    """A connected account as the page shows it.

    Args:
        id: Names it when it is disconnected.
        label: The provider.
        account: The user's email or name there.
        since: When it was connected, and when it was used.
    """

    id: str
    label: str
    account: str
    since: str


class ConnectionsState(rx.State):
    """The accounts at identity providers that the user has connected."""

    items: rx.Field[list[ConnectionItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the list."""
        labels = {
            provider.id: provider.label for provider in services().settings.identity_providers
        }
        found = await services().linked_accounts.list(current_principal())
        self.items = [connection_item(account, labels) for account in found]
        self.loaded = True


def connection_item(connection: LinkedAccount, labels: Mapping[str, str]) -> ConnectionItem:
    """A connected account as the page shows it.

    Args:
        connection: The account.
        labels: The labels of the providers that are set up; for another one the host is shown.
    """
    host = urlsplit(connection.issuer).hostname or connection.issuer
    used = connection.last_used_at
    since = f"Connected {_day(connection.created_at)}"
    return ConnectionItem(
        id=str(connection.id),
        label=labels.get(connection.provider, host),
        account=connection.email or connection.name,
        since=f"{since}, last used {_day(used)}" if used else f"{since}, not used yet",
    )


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


@dataclass(frozen=True)
class PasskeyItem:
    """A passkey as the page shows it; `made` and `used` are relative times."""

    id: str
    name: str
    made: str
    used: str
    is_synced: bool


class PasskeysState(rx.State):
    """The user's passkeys, the oldest first."""

    items: rx.Field[list[PasskeyItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the list."""
        now = utc_now()
        self.items = [
            passkey_item(one, now) for one in await services().passkeys.list(current_principal())
        ]
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
    """Whether the user has a password."""

    is_set: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read it."""
        self.is_set = await services().password_changes.is_set(current_principal())
        self.loaded = True


_METHODS = {
    "password": "a password",
    "code": "a two-factor code",
    "email": "a link by email",
    "passkey": "a passkey",
    "oauth": "another account",
}
_STEPS = ((60, "minute"), (3_600, "hour"), (86_400, "day"))


@dataclass(frozen=True)
class SessionItem:
    """A session as the page shows it; `seen` is a relative time."""

    id: str
    device: str
    place: str
    method: str
    seen: str
    is_current: bool


class SessionsState(rx.State):
    """The user's sessions, the last used first."""

    items: rx.Field[list[SessionItem]] = rx.field(default_factory=list)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read the list."""
        found = await services().sessions.list(current_principal())
        now = utc_now()
        rows = [session_item(session, now) for session in found]
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
    """How long ago something was, roughly: a recorded time is up to five minutes old."""
    seconds = (now - at).total_seconds()
    if seconds < 600:
        return "just now"
    size, unit = next(step for step in reversed(_STEPS) if seconds >= step[0])
    count = int(seconds // size)
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


class TwoFactorState(rx.State):
    """Whether two-factor authentication is on, and how many backup codes are left."""

    is_on: rx.Field[bool] = rx.field(False)
    codes_left: rx.Field[int] = rx.field(0)
    devices: rx.Field[int] = rx.field(0)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read it."""
        factor = await services().two_factor.status(current_principal())
        self.is_on = factor.since is not None
        self.codes_left, self.devices = factor.codes_left, factor.devices
        self.loaded = True
