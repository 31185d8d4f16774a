"""One function per route."""

import reflex as rx

from chat_app.components.brand import PRODUCT
from chat_app.pages import letters
from chat_app.pages.chat import chat
from chat_app.pages.settings import add_settings
from chat_app.pages.signin import signin
from chat_app.pages.signin_code import signin_code
from chat_app.pages.signup import signup
from chat_app.states.auth import AuthState
from chat_app.states.live import Live

_DESCRIPTION = "Private conversations with a language model."


_STYLES = ("frame", "conversation", "text", "composer", "auth", "settings")


def add_pages(app: rx.App) -> None:
    """Give the app its routes and their style sheets."""
    app.stylesheets.extend(f"/styles/{name}.css" for name in _STYLES)
    app.head_components.extend(_head())
    for route, title, page in (
        ("/signin", "Sign in", signin),
        ("/signin/code", "One more step", signin_code),
        ("/signin/link", "Sign in by e-mail", letters.sign_in_link),
        ("/signup", "Create an account", signup),
        ("/reset", "Choose a new password", letters.reset),
        ("/reset/new", "Choose a new password", letters.new_password),
        ("/confirm", "One click left", letters.confirm),
    ):
        app.add_page(page, route=route, title=f"{title} · {PRODUCT}", description=_DESCRIPTION)
    for route in ("/", "/c/[thread]"):
        app.add_page(
            chat,
            route=route,
            title=PRODUCT,
            description=_DESCRIPTION,
            on_load=[AuthState.on_auth_change, Live.open],
        )
    add_settings(app, PRODUCT, _DESCRIPTION)


def _head() -> list[rx.Component]:
    viewport = "width=device-width, initial-scale=1, viewport-fit=cover"
    return [
        # The composer stays above a phone's keyboard.
        rx.el.meta(name="viewport", content=f"{viewport}, interactive-widget=resizes-content"),
        rx.el.link(rel="icon", type="image/svg+xml", href="/favicon.svg"),
    ]
