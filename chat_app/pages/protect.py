"""Pages for signed-in people."""

import functools
from collections.abc import Callable

import reflex as rx

from chat_app.components.session import session_watch
from chat_app.pages.backend import backend
from chat_app.states.auth import AuthState

Page = Callable[[], rx.Component]


def require_auth(page: Page, *, waiting: Page) -> Page:
    """A page that shows nothing of a person before the server has said who this is.

    The guard sends nobody to the sign-in page instead; this is what a tab does whose session ends
    while it is open. It needs `AuthState.on_auth_change` first in the page's `on_load`.

    Args:
        page: What is shown to somebody signed in.
        waiting: What is shown until then. It is part of the built file, so it names nobody.
    """

    @functools.wraps(page)
    def protected() -> rx.Component:
        return session_watch(
            rx.cond(AuthState.phase == "authenticated", page(), waiting()),
            route=backend("/api/auth/session"),
        )

    return protected
