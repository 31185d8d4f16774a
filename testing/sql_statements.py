"""Which statements ran, how SQLite goes about each, and a database that is lost at one of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from chat_app.core.errors import DatabaseUnreachable
from chat_app.db.prepared import Compiled


class Statements:
    """The statements of all engines, in order, with their parameters."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Any]] = []

    def plans(self, path: Path, about: str) -> list[str]:
        """The query plan of every statement that holds a text."""
        file = sqlite3.connect(path)
        try:
            return [
                "; ".join(
                    row[-1] for row in file.execute(f"explain query plan {statement}", parameters)
                )
                for statement, parameters in self.ran
                if about in statement
            ]
        finally:
            file.close()


@contextmanager
def statements() -> Iterator[Statements]:
    """Note every statement while the block lasts."""
    noted, bind = Statements(), Compiled.bind

    def note(conn, cursor, statement, parameters, context, executemany) -> None:
        noted.ran.append((statement, parameters))

    def note_prepared(self: Compiled, parameters: Any, bound: Any) -> Any:
        values = bind(self, parameters, bound)
        if self.is_positional:  # SQLite, past the engine
            noted.ran.append((self.sql, values))
        return values

    event.listen(Engine, "before_cursor_execute", note)
    Compiled.bind = note_prepared
    try:
        yield noted
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        Compiled.bind = bind


@contextmanager
def lost_at(about: str) -> Iterator[None]:
    """Lose the database at each statement that holds a text, while the block lasts."""

    def lose(conn, cursor, statement, parameters, context, executemany) -> None:
        if about in statement:
            raise DatabaseUnreachable

    event.listen(Engine, "before_cursor_execute", lose)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", lose)
