"""The states of the settings pages: login methods, sessions, MFA and API keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import reflex as rx

from chat_app.auth.keys.models import KeySummary
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import SessionSummary
from chat_app.auth.sign_in.step_up import StepUpMethods
from chat_app.core.clock import utc_now
from chat_app.db.tables import Account, Passkey
from chat_app.services import services
from chat_app.states import current_principal


@dataclass(frozen=True)
class IdentityProviderItem:
    """An identity provider.

    Args:
        id: Its name in routes.
        label: Its name on pages.
    """

    id: str
    label: str


class IdentityProvidersState(rx.State):
    """The identity providers to sign in with; the same for every user."""

    # The settings may have changed since the build: a button that is replaced while it is being
    # clicked would lead to the wrong provider.
    @rx.var(initial_value=[])
    def offered(self) -> list[IdentityProviderItem]:
        """The providers in the operator's order."""
        return [
            IdentityProviderItem(id, label) for id, label in _identity_provider_labels().items()
        ]


def _identity_provider_labels() -> dict[str, str]:
    return {one.id: one.label for one in services().settings.identity_providers}


class SettingsState(rx.State, mixin=True):
    """What a settings page shows, read when the page is opened and after each change."""

    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read what the page shows."""
        self._clear_messages()
        await self._read(current_principal())
        self.loaded = True

    def _clear_messages(self) -> None:
        """Forget what was said of the last action on the page."""

    async def _read(self, principal: Principal) -> None:
        raise NotImplementedError


class ConfirmState(SettingsState, rx.State):
    """The login methods with which the user can confirm a change (step-up)."""

    methods: rx.Field[StepUpMethods] = rx.field(
        default_factory=lambda: StepUpMethods(code=False, password=False, passkey=False)
    )

    async def _read(self, principal: Principal) -> None:
        self.methods = await services().step_up.methods(principal)


class PasswordState(SettingsState, rx.State):
    """Whether the user has a password."""

    is_set: rx.Field[bool] = rx.field(False)

    async def _read(self, principal: Principal) -> None:
        self.is_set = await services().password_changes.is_set(principal)


class TwoFactorState(SettingsState, rx.State):
    """Whether two-factor authentication is on, and how many backup codes are left."""

    is_on: rx.Field[bool] = rx.field(False)
    codes_left: rx.Field[int] = rx.field(0)

    async def _read(self, principal: Principal) -> None:
        factor = await services().two_factor.status(principal)
        self.is_on, self.codes_left = factor.since is not None, factor.codes_left


@dataclass(frozen=True)
class SettingsEntry:
    """A linked account, a passkey, a session or an API key, as its settings page lists it.

    Args:
        id: Names it in routes.
        title: Its name.
        detail: The line below: when it was used, and how.
        subtitle: A line between them; may be empty.
        tag: A word beside the title; may be empty.
        is_current: Whether it is in use right now, so that it has no button.
    """

    id: str
    title: str
    detail: str
    subtitle: str = ""
    tag: str = ""
    is_current: bool = False


class SettingsList(SettingsState, mixin=True):
    """The entries of a settings page."""

    items: rx.Field[list[SettingsEntry]] = rx.field(default_factory=list)


class LinkedAccountsState(SettingsList, rx.State):
    """The user's accounts at identity providers."""

    async def _read(self, principal: Principal) -> None:
        labels = _identity_provider_labels()
        found = await services().linked_accounts.list(principal)
        self.items = [linked_account_entry(account, labels) for account in found]


class PasskeysState(SettingsList, rx.State):
    """The user's passkeys, the oldest first."""

    async def _read(self, principal: Principal) -> None:
        now = utc_now()
        found = await services().passkeys.list(principal)
        self.items = [passkey_entry(passkey, now) for passkey in found]


class SessionsState(SettingsList, rx.State):
    """The user's sessions: the current one, then the others, the last used first."""

    async def _read(self, principal: Principal) -> None:
        now = utc_now()
        found = await services().sessions.list(principal)
        found = sorted(found, key=lambda session: not session.is_current)
        self.items = [session_entry(session, now) for session in found]


@dataclass(frozen=True)
class LifetimeItem:
    """How long a new API key can last.

    Args:
        days: The days, for the form; empty for a key that does not expire.
        label: What the page shows.
    """

    days: str
    label: str


class ApiKeysState(SettingsList, rx.State):
    """The user's API keys, the newest first, and the lifetimes of a new one."""

    lifetimes: rx.Field[list[LifetimeItem]] = rx.field(default_factory=list)
    lifetime: rx.Field[str] = rx.field("")
    """The one that is chosen at first."""

    async def _read(self, principal: Principal) -> None:
        now, keys = utc_now(), services().api_keys
        self.items = [api_key_entry(key, now) for key in await keys.list(principal)]
        offered = keys.lifetimes()
        self.lifetimes = [lifetime_item(days) for days in offered]
        self.lifetime = str(_USUAL_DAYS if _USUAL_DAYS in offered else offered[0])


def lifetime_item(days: int | None) -> LifetimeItem:
    """A lifetime in days; None for a key that does not expire."""
    if days is None:
        return LifetimeItem("", "Never")
    return LifetimeItem(str(days), "1 day" if days == 1 else f"{days} days")


def api_key_entry(key: KeySummary, now: datetime) -> SettingsEntry:
    """An API key: its scopes, and when it was created, used, and expires."""
    used = f"last used {ago(key.last_used_at, now)}" if key.last_used_at else _UNUSED
    if key.expires_at is None:
        ends = "does not expire"
    else:
        ends = f"{'expired' if key.is_expired else 'expires'} {day(key.expires_at)}"
    return SettingsEntry(
        str(key.id),
        key.name,
        f"created {day(key.created_at)} · {used} · {ends}",
        subtitle=", ".join(key.scopes),
        tag="Expired" if key.is_expired else "",
    )


def linked_account_entry(account: Account, labels: Mapping[str, str]) -> SettingsEntry:
    """A linked account.

    Args:
        account: The account.
        labels: The labels of the providers that are set up; for another one the host is shown.
    """
    host = urlsplit(account.issuer).hostname or account.issuer
    used = f"last used {day(account.last_used_at)}" if account.last_used_at else _UNUSED
    return SettingsEntry(
        str(account.id),
        labels.get(account.provider, host),
        f"Connected {day(account.created_at)}, {used}",
        subtitle=account.email or account.name,
    )


def passkey_entry(passkey: Passkey, now: datetime) -> SettingsEntry:
    """A passkey, with relative times."""
    used = f"last used {ago(passkey.last_used_at, now)}" if passkey.last_used_at else _UNUSED
    return SettingsEntry(
        str(passkey.id),
        passkey.name,
        f"added {ago(passkey.created_at, now)} · {used}",
        tag="Synced" if passkey.backed_up else "",
    )


def session_entry(session: SessionSummary, now: datetime) -> SettingsEntry:
    """A session, with relative times."""
    detail = (
        session.network,
        f"used {ago(session.last_seen_at, now)}",
        f"signed in with {_METHODS.get(session.method, session.method)}",
    )
    return SettingsEntry(
        str(session.id),
        session.device,
        " · ".join(filter(None, detail)),
        tag="This device" if session.is_current else "",
        is_current=session.is_current,
    )


_USUAL_DAYS = 30
_UNUSED = "not used yet"
_METHODS = {
    "password": "a password",
    "code": "a two-factor code",
    "email": "a link by email",
    "passkey": "a passkey",
    "oauth": "another account",
}
_STEPS = ((60, "minute"), (3_600, "hour"), (86_400, "day"))


def day(moment: datetime) -> str:
    """A day as pages write it: `3 April 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def fact_line(*facts: str) -> str:
    """Short facts beside each other, none of which is broken over two lines."""
    return " · ".join(fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts)


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was, roughly: a recorded time is up to five minutes old."""
    seconds = (now - at).total_seconds()
    if seconds < 600:
        return "just now"
    size, unit = next(step for step in reversed(_STEPS) if seconds >= step[0])
    count = int(seconds // size)
    return f"{count} {unit}{'' if count == 1 else 's'} ago"
