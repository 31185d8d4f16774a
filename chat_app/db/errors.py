"""What the database says to a person when it cannot go on."""

from chat_app.core.errors import ChatError


class DatabaseError(ChatError):
    """The database cannot do what was asked now; nothing has changed."""

    code = "unavailable"
    status = 503


class DatabaseBusy(DatabaseError):
    """Another program holds the database, or no connection came free in time."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("The database is busy; try again in a moment.")


class DatabaseFull(DatabaseError):
    """The disk that holds the database has no room left."""

    code = "full"
    status = 507

    def __init__(self) -> None:
        super().__init__("The disk is full; nothing was saved.")


class DatabaseUnreachable(DatabaseError):
    """Its file cannot be read or written (a quota, a broken disk), or its server not be asked."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached; nothing was saved.")


class DataFolderInUse(DatabaseError):
    """Another process owns the data folder."""

    code = "folder_in_use"


class WrongRevision(DatabaseError):
    """The database was made by another version of the program."""

    code = "wrong_revision"


class QueryRefused(Exception):
    """A scoped session was asked for what it cannot confine to one person: a bug of ours."""


class Unscoped(QueryRefused):
    """A scoped session was asked for without a person."""
