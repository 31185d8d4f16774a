"""The settings: what a person can see and change about their account, a page for each concern."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.pages.protect import require_auth
from chat_app.pages.settings.confirm import confirm
from chat_app.pages.settings.connections import connections
from chat_app.pages.settings.data import data
from chat_app.pages.settings.frame import path_of, waiting
from chat_app.pages.settings.passkeys import passkeys
from chat_app.pages.settings.password import password
from chat_app.pages.settings.profile import profile
from chat_app.pages.settings.sessions import sessions
from chat_app.pages.settings.two_factor import two_factor
from chat_app.states.auth import AuthState
from chat_app.states.settings.confirm import ConfirmState
from chat_app.states.settings.connections import ConnectionsState
from chat_app.states.settings.passkeys import PasskeysState
from chat_app.states.settings.password import PasswordState
from chat_app.states.settings.sessions import SessionsState
from chat_app.states.settings.two_factor import TwoFactorState


@dataclass(frozen=True)
class SettingsPage:
    """A page of the settings.

    Args:
        slug: The last part of its address.
        title: What the browser's tab says.
        show: Makes it.
        load: The handler that reads what it shows, if it shows more than who is signed in.
    """

    slug: str
    title: str
    show: Callable[[], rx.Component]
    load: Any = None


PAGES: tuple[SettingsPage, ...] = (
    SettingsPage("profile", "Profile", profile),
    SettingsPage("password", "Password", password, PasswordState.load),
    SettingsPage("connections", "Connections", connections, ConnectionsState.load),
    SettingsPage("passkeys", "Passkeys", passkeys, PasskeysState.load),
    SettingsPage("two-factor", "Two-factor", two_factor, TwoFactorState.load),
    SettingsPage("confirm", "Is it you?", confirm, ConfirmState.load),
    SettingsPage("sessions", "Sessions", sessions, SessionsState.load),
    SettingsPage("data", "Your data", data),
)
"""All of them; `frame.MENU` says which are listed, and in which order."""


def add_settings(app: rx.App, product: str, description: str) -> None:
    """Give the app the pages of the settings, each for signed-in people only."""
    for page in PAGES:
        load = [AuthState.on_auth_change, *([page.load] if page.load is not None else [])]
        app.add_page(
            require_auth(page.show, waiting=waiting),
            route=path_of(page.slug),
            title=f"{page.title} · {product}",
            description=description,
            on_load=load,
        )
