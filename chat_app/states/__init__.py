"""One thin Reflex state per concern; here, what they share: the principal, step-up, and notices.

The policy middleware sets the principal before a handler's body runs, in the same task, so that a
background handler and everything it starts see the same one.
"""

from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.step_up import CONFIRM_PAGE
from chat_app.core.errors import ChatError, Unauthenticated
from chat_app.reflex_ext.events import BaseState, route_path

_principal: ContextVar[Principal | None] = ContextVar("principal", default=None)


def set_principal(principal: Principal | None) -> None:
    """Make this principal the sender for the rest of the task."""
    _principal.set(principal)


def current_principal() -> Principal:
    """The sender of the event.

    Raises:
        Unauthenticated: The tab has no session.
    """
    principal = _principal.get()
    if principal is None:
        raise Unauthenticated
    return principal


def current_principal_or_none() -> Principal | None:
    """The sender of the event, or None for a tab without a session."""
    return _principal.get()


def to_step_up(state: BaseState) -> Any:
    """The page on which the user authenticates again, and from there back to that of the tab."""
    return rx.redirect(f"{CONFIRM_PAGE}?callbackUrl={quote(route_path(state) or '/', safe='')}")


class NoticeState(rx.State, mixin=True):
    """A state with a notice: a message that the page shows until it is dismissed.

    Attributes:
        notice: The message; empty for none.
        notice_key: The key of the message's element, another one for each: a second message that
            equals the first is read out too.
    """

    notice: rx.Field[str] = rx.field("")
    notice_key: rx.Field[int] = rx.field(0)

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.notice = ""


def notify(state: NoticeState, message: str) -> None:
    """Show a notice in place of the one before, and have it read out."""
    state.notice = message
    state.notice_key += 1


async def try_action(state: NoticeState, action: Awaitable[object]) -> bool:
    """Whether an action succeeds; its error becomes the notice of the state."""
    try:
        await action
    except ChatError as error:
        notify(state, error.message)
        return False
    return True
