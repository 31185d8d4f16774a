"""Database errors."""

from chat_app.core.errors import ChatError, StorableError


class DatabaseError(ChatError):
    """The database cannot do this now; nothing has changed."""

    code = "unavailable"
    status = 503


class DatabaseBusy(DatabaseError, StorableError):
    """Another process holds the database, or no connection came free in time."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("database_busy")


class DatabaseFull(DatabaseError, StorableError):
    """The disk that holds the database is full."""

    code = "full"
    status = 507

    def __init__(self) -> None:
        super().__init__("database_full")


class DatabaseUnreachable(DatabaseError, StorableError):
    """The file cannot be read or written (a quota, a broken disk), or the server is down."""

    def __init__(self) -> None:
        super().__init__("database_unreachable")


class DataFolderInUse(DatabaseError):
    """Another process owns the data folder."""

    code = "folder_in_use"


class RevisionMismatch(DatabaseError):
    """The database has a revision of another version of the program."""

    code = "wrong_revision"


class QueryRefused(Exception):
    """A scoped session got a statement that it cannot restrict to its owner: a bug of ours."""


class Unscoped(QueryRefused):
    """A scoped session was opened without a user."""
