"""The settings pages: the list of them all, and the layout around each, with the menu."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.components.auth.account import url_problem
from chat_app.components.ui.document import scroll_to_hash
from chat_app.components.ui.feedback import section_skeleton
from chat_app.components.ui.icons import icon, page_link
from chat_app.pages.settings.account import account, account_data
from chat_app.pages.settings.api_keys import api_keys
from chat_app.pages.settings.chat import chat
from chat_app.pages.settings.confirm import confirm
from chat_app.pages.settings.security import security
from chat_app.states import account as states
from chat_app.states.chat_defaults import ChatDefaultsState


@dataclass(frozen=True)
class SettingsPage:
    """A settings page.

    Args:
        path: The URL's.
        title: Its heading, which is its title in the menu and in the browser's tab too.
        sections: Makes its content.
        loads: The handlers that load what it shows, if that is more than the signed-in user.
        picture: Its icon in the menu.
        about: What it has, in the menu of a phone. Without it the menu does not list the page: it
            is reached from another.
    """

    path: str
    title: str
    sections: Callable[[], rx.Component]
    loads: tuple[Any, ...] = ()
    picture: str = ""
    about: str = ""

    def show(self) -> rx.Component:
        """The page as a signed-in user sees it."""
        return _layout(
            rx.el.h1(self.title), url_problem(), self.sections(), scroll_to_hash(), page=self
        )


INDEX = "/settings"
"""On a phone the menu alone, from which the pages are opened; on a wide screen the first page."""

PAGES = (
    SettingsPage(
        "/settings/account", "Account", account, picture="account", about="Picture, name and email"
    ),
    SettingsPage(
        "/settings/security",
        "Security",
        security,
        loads=(
            states.PasswordState.load,
            states.TwoFactorState.load,
            states.PasskeysState.load,
            states.LinkedAccountsState.load,
            states.SessionsState.load,
        ),
        picture="security",
        about="Password, passkeys, two-factor and sessions",
    ),
    SettingsPage(
        "/settings/chat",
        "Chat",
        chat,
        loads=(ChatDefaultsState.load,),
        picture="chat",
        about="Appearance, model and instructions",
    ),
    SettingsPage(
        "/settings/api-keys",
        "API keys",
        api_keys,
        loads=(states.ApiKeysState.load,),
        picture="api_keys",
        about="Access for your programs",
    ),
    SettingsPage(
        "/settings/data", "Data", account_data, picture="data", about="Export and deletion"
    ),
    SettingsPage(
        "/settings/confirm", "Confirm it's you", confirm, loads=(states.ConfirmState.load,)
    ),
)
"""All of them, in the order of the menu. A new page is a function that makes its sections, and an
entry here; each of its `loads` needs a row in `states/policy.py`."""

_CONTENT = "settings-content"


def index() -> rx.Component:
    """`/settings`: the first page, which a phone hides in favour of the menu."""
    first = PAGES[0]
    return _layout(
        rx.el.h1(first.title), url_problem(), first.sections(), page=first, is_index=True
    )


def waiting() -> rx.Component:
    """The layout before it is known who is signed in."""
    return _layout(rx.el.h1("Settings", class_name="sr-only"), section_skeleton())


def _layout(
    *content: Any, page: SettingsPage | None = None, is_index: bool = False
) -> rx.Component:
    listed = (one for one in PAGES if one.about)
    menu = rx.el.nav(
        *([rx.el.h1("Settings", class_name="only-index")] if is_index else []),
        rx.el.ul(*(_menu_item(one, one is page) for one in listed)),
        aria_label="Settings",
        class_name="settings-menu",
    )
    shown: dict[str, Any] = {"class_name": "settings-content"}
    main: dict[str, Any] = {"id": _CONTENT, "tab_index": -1}
    return rx.el.div(
        rx.el.a("Skip to settings", href=f"#{_CONTENT}", class_name="skip"),
        rx.el.header(
            page_link(icon("back"), "Back to chats", to="/", class_name="quiet-button to-chats"),
            page_link(icon("back"), "Settings", to=INDEX, class_name="quiet-button to-settings"),
            class_name="settings-head",
        ),
        # On the index of a phone the menu is the content.
        *(
            [rx.el.main(menu, rx.el.div(*content, **shown), class_name="settings-index", **main)]
            if is_index
            else [menu, rx.el.main(*content, **shown, **main)]
        ),
        class_name="settings index" if is_index else "settings",
    )


def _menu_item(page: SettingsPage, is_here: bool) -> rx.Component:
    here = {"aria_current": "page"} if is_here else {}
    return rx.el.li(
        page_link(
            icon(page.picture),
            rx.el.span(page.title, class_name="settings-title"),
            rx.el.span(page.about, class_name="settings-about"),
            to=page.path,
            class_name="settings-link",
            **here,
        )
    )
