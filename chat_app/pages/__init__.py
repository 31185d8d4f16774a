"""Pages: one function per route, made of components and bound to states.

`add_pages` says which routes there are. A page without `require_auth` is public, and loads
nothing of a user.
"""

from collections.abc import Callable
from typing import Any

import reflex as rx

from chat_app.auth.account.setup import SETUP_PAGE
from chat_app.components.auth.sign_in import Page, anonymous_only, require_admin, require_auth
from chat_app.components.ui.document import own_origin
from chat_app.components.ui.icons import PRODUCT, brand, icon, page_link
from chat_app.components.ui.sidebar import keep_sidebar_closed
from chat_app.pages import email_links
from chat_app.pages.admin import pages as admin
from chat_app.pages.chat import chat
from chat_app.pages.reading import ask_to_read, reading
from chat_app.pages.settings import pages as settings
from chat_app.pages.settings.layout import Menu
from chat_app.pages.setup import setup
from chat_app.pages.sign_in import second_factor, sign_in, sign_up
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.announcements import AnnouncementState
from chat_app.states.auth import AuthState, SignUpState
from chat_app.states.feed import Feed
from chat_app.states.reading import ReadingRequestState, ReadingState

_DESCRIPTION = "Private conversations with a language model."
_STYLES = (
    *("fonts", "layout", "conversation", "text", "composer"),
    *("auth", "settings", "reading", "print"),
)
_OFFER_SIGN_UP = ("/signin", "/signup")
_TEXT_FONT = "/fonts/geist-5.3.0-latin.woff2"


def add_pages(app: rx.App) -> None:
    """Add the routes and their style sheets to the app."""
    app.stylesheets.extend(f"/styles/{name}.css" for name in _STYLES)
    app.head_components.extend(_head())

    def add(page: Page, **given: Any) -> None:
        app.add_page(_at_own_origin(page), description=_DESCRIPTION, **given)

    for route, title, page in (
        ("/signin", "Sign in", _for_anonymous(sign_in)),
        ("/signin/code", "Enter your code", _for_anonymous(second_factor)),
        ("/signin/link", "Sign in by email", _for_anonymous(email_links.magic_link)),
        ("/signup", "Create your account", _for_anonymous(sign_up)),
        ("/reset", "Reset your password", _for_anonymous(email_links.reset)),
        ("/reset/new", "Choose a new password", email_links.new_password),
        ("/confirm", "One more click", email_links.confirm),
        (SETUP_PAGE, "Set up this chat", setup),
        ("404", "Page not found", not_found),
    ):
        loads = {"on_load": SignUpState.load_policy} if route in _OFFER_SIGN_UP else {}
        add(page, route=route, title=f"{title} · {PRODUCT}", **loads)
    for route in ("/", "/c/[thread]"):
        add(chat, route=route, title=PRODUCT, on_load=[AuthState.on_auth_change, Feed.open])
    for route, title, page, load in (
        ("/reading/[grant_id]", "Reading chats", reading, ReadingState.open),
        ("/reading/new/[org_id]", "Read a member's chats", ask_to_read, ReadingRequestState.load),
    ):
        add(
            page,
            route=route,
            title=f"{title} · {PRODUCT}",
            on_load=[AuthState.on_auth_change, load],
        )
    _add_menu(add, settings.MENU, lambda page, waiting: require_auth(page, waiting=waiting))
    _add_menu(
        add,
        admin.MENU,
        lambda page, waiting: require_admin(page, waiting=waiting, otherwise=not_found),
    )


def _add_menu(add: Callable[..., None], menu: Menu, protect: Callable[[Page, Page], Page]) -> None:
    """Add the pages of a menu, and its index.

    Args:
        add: Adds one page.
        menu: The menu.
        protect: Makes of a page, and of what is shown before the server has said who is signed in,
            what others see of it.
    """
    first = menu.pages[0]
    for path, title, shown, loads in (
        (menu.path, menu.title, menu.index(), first.loads),
        *((page.path, page.title, menu.shown(page), page.loads) for page in menu.pages),
    ):
        add(
            protect(shown, menu.waiting),
            route=path,
            title=f"{title} · {PRODUCT}",
            on_load=[AuthState.on_auth_change, *loads, AnnouncementState.watch],
        )


def _at_own_origin(page: Page) -> Page:
    """Where no gateway sends the pages, make one say what to open under any other origin."""
    origins = list(baked_settings().page_origins)
    return (lambda: own_origin(page(), origins=origins)) if origins else page


def _for_anonymous(page: Page) -> Page:
    """Where no gateway sends the pages, make one lead users with a session on by itself."""
    if not baked_settings().api_origin:
        return page
    return lambda: anonymous_only(page(), route=api_url("/api/auth/session"))


def _head() -> list[rx.Component]:
    viewport = "width=device-width, initial-scale=1, viewport-fit=cover"
    return [
        # The composer stays above a phone's keyboard.
        rx.el.meta(name="viewport", content=f"{viewport}, interactive-widget=resizes-content"),
        rx.el.link(rel="icon", type="image/svg+xml", href="/favicon.svg"),
        # Before the style sheet asks for it; nearly every page needs this one.
        rx.el.link(
            rel="preload",
            href=_TEXT_FONT,
            custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": "anonymous"},
        ),
        keep_sidebar_closed(),
    ]


def not_found() -> rx.Component:
    """The page of every URL that leads nowhere: for everyone, with a way back."""
    return rx.el.div(
        rx.el.header(
            page_link(brand(), to="/", class_name="home", aria_label=f"{PRODUCT}: home"),
            class_name="bare-head",
        ),
        rx.el.main(
            icon("nothing"),
            rx.el.h1("Page not found"),
            rx.el.p("The link is wrong, or the page has moved."),
            page_link("Go to your chats", to="/", class_name="button"),
            class_name="not-found",
        ),
        class_name="bare-page",
    )
