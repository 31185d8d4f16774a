"""The settings pages: what a user can see and change about their account."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.components.auth.sign_in import require_auth
from chat_app.pages.settings.confirm import confirm
from chat_app.pages.settings.data import data
from chat_app.pages.settings.layout import path_of, waiting
from chat_app.pages.settings.profile import profile
from chat_app.pages.settings.sessions import sessions
from chat_app.pages.settings.sign_in_methods import connections, passkeys, password
from chat_app.pages.settings.two_factor import two_factor
from chat_app.states.account import (
    ConfirmState,
    ConnectionsState,
    PasskeysState,
    PasswordState,
    SessionsState,
    TwoFactorState,
)
from chat_app.states.auth import AuthState


@dataclass(frozen=True)
class SettingsPage:
    """A settings page.

    Args:
        slug: The last part of its path.
        title: The title of the browser's tab.
        show: Makes the page.
        load: The handler that loads what it shows, if that is more than the signed-in user.
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
    SettingsPage("confirm", "Confirm it's you", confirm, ConfirmState.load),
    SettingsPage("sessions", "Sessions", sessions, SessionsState.load),
    SettingsPage("data", "Your data", data),
)
"""All of them; `layout.MENU` says which are in the menu, and in which order."""


def add_settings(app: rx.App, product: str, description: str) -> None:
    """Add the settings pages to the app, each for signed-in users only."""
    for page in PAGES:
        load = [AuthState.on_auth_change, *([page.load] if page.load is not None else [])]
        app.add_page(
            require_auth(page.show, waiting=waiting),
            route=path_of(page.slug),
            title=f"{page.title} · {product}",
            description=description,
            on_load=load,
        )
