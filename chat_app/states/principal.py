"""Who sent the event that is being handled.

The policy middleware enters the principal before a handler's body runs, in the same task, so a
background handler and everything it starts see the same one.
"""

from contextvars import ContextVar

from chat_app.auth.principal import Principal
from chat_app.core.errors import Unauthenticated

_current: ContextVar[Principal | None] = ContextVar("principal", default=None)


def set_principal(who: Principal | None) -> None:
    """Make `who` the sender for the rest of this task."""
    _current.set(who)


def principal() -> Principal:
    """The sender.

    Raises:
        Unauthenticated: Nobody is signed in.
    """
    who = _current.get()
    if who is None:
        raise Unauthenticated
    return who


def principal_or_none() -> Principal | None:
    """The sender, or None for a tab without a session."""
    return _current.get()
