"""What the suite changes of every SQLAlchemy engine: the order of rows, the compiled statements."""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import Pool
from sqlalchemy.util import LRUCache


@event.listens_for(Pool, "connect")
def _reverse_rows_without_order(connection: Any, _record: object) -> None:
    """Give rows whose order is not asked for in the reverse of the usual one, on SQLite.

    PostgreSQL gives them in any order. A test that relies on one fails here.
    """
    if "sqlite" in type(connection).__module__:
        connection.cursor().execute("PRAGMA reverse_unordered_selects=ON")


class _CompiledStatements(LRUCache[Hashable, Any]):
    """Compiled statements of all engines whose compilers are the same: the 2,000 used last.

    Each engine has its own in the program. Every test opens engines of its own, and compiling their
    statements anew is a fifth of what a test costs.
    """

    def __init__(self) -> None:
        super().__init__(2_000)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_compiler(*key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_of_compiler(*key), compiled)


def _of_compiler(dialect: Dialect, *statement: Hashable) -> Hashable:
    from chat_app.db.row_level_security import is_restricted

    return dialect.name, dialect.driver, is_restricted(dialect), *statement


_compiled = _CompiledStatements()
_is_shared = True


def share_compiled_statements(is_shared: bool) -> None:
    """Choose whether connections that are opened from now on share compiled statements.

    Args:
        is_shared: False for tests that change the compiler.
    """
    global _is_shared
    _is_shared = is_shared


@event.listens_for(Engine, "engine_connect")
def _use_compiled_statements(connection: Connection) -> None:
    if _is_shared:
        connection.execution_options(compiled_cache=_compiled)
