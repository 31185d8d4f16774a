"""The two kinds of session: what the browser holds differs, what a session can do does not."""

from chat_app.auth.keyring import KeyRing
from chat_app.auth.sessions import Sessions
from chat_app.auth.strategies.rows import RowSessions
from chat_app.auth.strategies.sealed import SealedSessions
from chat_app.bus import Bus
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.settings import Settings


def chosen(db: Database, bus: Bus, settings: Settings, clock: Clock, keys: KeyRing) -> Sessions:
    """Sessions of the kind that `AUTH_SESSION_STRATEGY` names.

    Args:
        db: Where they are kept.
        bus: Told of every end, after the commit.
        settings: Kind, lifetimes, the number per person, and the function that adds claims.
        clock: The time.
        keys: Seals the tokens that carry their own proof.

    Raises:
        WrongSettings: The settings name a function that is not there.
    """
    if settings.auth_session_strategy == "jwt":
        return SealedSessions(db, bus, settings, clock, keys)
    return RowSessions(db, bus, settings, clock)
