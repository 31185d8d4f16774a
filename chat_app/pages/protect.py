"""The protection of pages for signed-in users."""

import functools
from collections.abc import Callable

import reflex as rx

from chat_app.components.auth.sign_in import session_watch
from chat_app.reflex_ext.page import api_url
from chat_app.states.auth import AuthState

Page = Callable[[], rx.Component]


def require_auth(page: Page, *, waiting: Page) -> Page:
    """A page that shows nothing of a user before the server has said who is signed in.

    The gateway redirects anonymous users to the sign-in page before this page is sent; this is for
    a tab whose session ends while it is open. It needs `AuthState.on_auth_change` first in the
    `on_load` of the page.

    Args:
        page: What is shown to a signed-in user.
        waiting: What is shown until then. It is part of the built file, so it names no user.
    """

    @functools.wraps(page)
    def protected() -> rx.Component:
        return session_watch(
            rx.cond(AuthState.phase == "authenticated", page(), waiting()),
            route=api_url("/api/auth/session"),
        )

    return protected
