"""The settings pages: the list of them all, and the layout around each, with the menu."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.components.auth.account import url_problem
from chat_app.components.ui.feedback import section_skeleton
from chat_app.components.ui.icons import PRODUCT, brand, icon, page_link
from chat_app.pages.settings.account import account_data, profile
from chat_app.pages.settings.login_methods import linked_accounts, passkeys, password, two_factor
from chat_app.pages.settings.sessions import confirm, sessions
from chat_app.states import account as states


@dataclass(frozen=True)
class SettingsPage:
    """A settings page.

    Args:
        path: The URL's.
        title: Its heading, which is its title in the menu and in the browser's tab too.
        sections: Makes its content.
        load: The handler that loads what it shows, if that is more than the signed-in user.
        is_in_menu: Whether the menu lists it; else it is reached from another page.
    """

    path: str
    title: str
    sections: Callable[[], rx.Component]
    load: Any = None
    is_in_menu: bool = True

    def show(self) -> rx.Component:
        """The page as a signed-in user sees it."""
        return _layout(self.title, rx.el.h1(self.title), url_problem(), self.sections())


PAGES = (
    SettingsPage("/settings/profile", "Profile", profile),
    SettingsPage("/settings/password", "Password", password, states.PasswordState.load),
    SettingsPage(
        "/settings/connections", "Connections", linked_accounts, states.LinkedAccountsState.load
    ),
    SettingsPage("/settings/passkeys", "Passkeys", passkeys, states.PasskeysState.load),
    SettingsPage("/settings/two-factor", "Two-factor", two_factor, states.TwoFactorState.load),
    SettingsPage(
        "/settings/confirm", "Confirm it's you", confirm, states.ConfirmState.load, is_in_menu=False
    ),
    SettingsPage("/settings/sessions", "Sessions", sessions, states.SessionsState.load),
    SettingsPage("/settings/data", "Your data", account_data),
)
"""All of them, in the order of the menu. A new page is a function that makes its sections, and an
entry here; its `load` needs a row in `states/policy.py`."""

_CONTENT = "settings-content"


def waiting() -> rx.Component:
    """The layout before it is known who is signed in."""
    return _layout("", rx.el.h1("Settings", class_name="sr-only"), section_skeleton())


def _layout(title: str, *content: Any) -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to settings", href=f"#{_CONTENT}", class_name="skip"),
        rx.el.header(
            page_link(brand(), to="/", class_name="home", aria_label=f"{PRODUCT}: home"),
            page_link(icon("back"), "Back to chats", to="/", class_name="quiet-button"),
            class_name="settings-head",
        ),
        rx.el.nav(
            rx.el.ul(*(_menu_item(page, page.title == title) for page in PAGES if page.is_in_menu)),
            aria_label="Settings",
            class_name="settings-menu",
        ),
        rx.el.main(*content, id=_CONTENT, tab_index=-1, class_name="settings-content"),
        class_name="settings",
    )


def _menu_item(page: SettingsPage, is_here: bool) -> rx.Component:
    here = {"aria_current": "page"} if is_here else {}
    return rx.el.li(page_link(page.title, to=page.path, class_name="settings-link", **here))
