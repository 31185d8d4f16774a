"""Prepared statements: compiled once, executed without the ORM, restricted to an owner.

The hot paths (a send, the log of a run, its end) execute the same few statements for every answer.
Here each is compiled once, by the compiler that restricts it like any other statement, and then
costs what the driver costs. A `Transaction` executes nothing else, so a hot path has no way around
the scope; `statements.py` has all of them, and a test names each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Select,
    Table,
    Uuid,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.base import Executable

from chat_app.core.errors import DatabaseFull
from chat_app.db.row_level_security import (
    IN_ORGANISATIONS,
    MOVES,
    ORGANISATIONS,
    OWNER,
    AuditInsert,
    BoundScope,
    QueryRefused,
    RowScope,
    bind_scope,
    is_restricted,
    register_prepared,
)
from chat_app.db.tables import NEED_ROOM, metadata

_Converter = Callable[[Any], Any] | None
_NEED_ROOM = frozenset(str(table.__tablename__) for table in NEED_ROOM)


class Prepared:
    """A statement of a hot path.

    Args:
        statement: What to execute; a named `bindparam` is a parameter.
    """

    def __init__(self, statement: Executable) -> None:
        if isinstance(statement, Insert):
            raise QueryRefused("Use `PreparedInsert`, which fills in the owner.")
        self.statement = statement
        self.needs_room = False
        self.places = False
        self._compiled: dict[tuple[str, str, bool], Compiled] = {}

    def compiled(self, dialect: Dialect) -> "Compiled":
        """The statement in a dialect, with its owner's condition if the dialect is restricted."""
        key = dialect.name, dialect.driver, is_restricted(dialect)
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = Compiled.make(
                self._for(dialect),
                dialect,
                moves=isinstance(self, PreparedMove),
                places=self.places,
            )
        return found

    def _for(self, dialect: Dialect) -> Executable:
        return self.statement


class PreparedInsert(Prepared):
    """An INSERT of whole rows. In a restricted session the owner is filled in, never given.

    A key that the database counts up is left to it.

    Args:
        table: The table.
        is_repeatable: Whether a row whose primary key is there already is left out, because a
            commit whose answer was lost is repeated.
    """

    def __init__(self, table: Table, *, is_repeatable: bool = False) -> None:
        self.table = table
        self.is_repeatable = is_repeatable
        super().__init__(table.select())
        self.needs_room = table.name in _NEED_ROOM
        self.places = table.name in IN_ORGANISATIONS

    def _for(self, dialect: Dialect) -> Executable:
        values: dict[str, Any] = {
            column.name: bindparam(column.name, type_=column.type)
            for column in self.table.c
            if column.identity is None
        }
        if is_restricted(dialect):
            values["owner_id"] = OWNER
        if self.is_repeatable:
            keys = [column.name for column in self.table.primary_key]
            add = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect.name]
            return add(self.table).values(values).on_conflict_do_nothing(index_elements=keys)
        return insert(self.table).values(values)


class PreparedAddition(PreparedInsert):
    """An INSERT of counters; where a row with the key is there already, they are added to its.

    Args:
        table: The table: every column is a part of the primary key, or a counter.
    """

    def in_dialect(self, dialect: Dialect) -> Executable:
        """The statement, for a connection of SQLAlchemy."""
        return self._for(dialect)

    def _for(self, dialect: Dialect) -> Executable:
        add = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect.name]
        values: dict[str, Any] = {
            column.name: bindparam(column.name, type_=column.type) for column in self.table.c
        }
        if is_restricted(dialect):
            values["owner_id"] = OWNER
        row = add(self.table).values(values)
        counters = [column for column in self.table.c if not column.primary_key]
        return row.on_conflict_do_update(
            index_elements=list(self.table.primary_key),
            set_={one.name: one + row.excluded[one.name] for one in counters},
        )


class PreparedAppend(Prepared):
    """The INSERT of a row into the audit log: the one table without owner that everybody writes.

    Its parameters are the columns up to `details`, but for `actor` and `subject`: each is given as
    a word (`actor_word`) and a user (`actor_user`, or None), whose identity stands for the word. In
    a restricted session, a user who is not the owner has none.
    """

    def __init__(self) -> None:
        events = metadata.tables["audit_event"]
        super().__init__(events.select())
        plain = ("at", "action", "subject_kind", "org_id", "network", "request_id", "details")
        values: dict[str, Any] = {
            name: bindparam(name, type_=events.c[name].type) for name in plain
        }
        for name in ("actor", "subject"):
            values[name] = self._identity(name)
        # inline: the role of scoped sessions may not read the key that the row gets
        self.statement = AuditInsert().values(values).inline()

    @staticmethod
    def _identity(name: str) -> ColumnElement[str]:
        identities = metadata.tables["audit_identity"]
        user = bindparam(f"{name}_user", type_=Uuid())
        found = select(identities.c.audit_id).where(identities.c.owner_id == user)
        return func.coalesce(
            found.scalar_subquery(), bindparam(f"{name}_word", type_=identities.c.audit_id.type)
        )


class PreparedMove(Prepared):
    """The UPDATE that moves a thread: it alone sets `org_id`, from the parameter of that name."""

    def __init__(self, statement: Executable) -> None:
        super().__init__(statement)
        self.places = True


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a value of the compiled statement comes from.

    Args:
        name: In the compiled statement.
        parameter: The parameter's name; None for a constant or the scope.
        constant: The converted constant; `_OWNER_SLOT` or `_ORGANISATIONS_SLOT` for the scope.
        convert: Converts a parameter for the driver.
    """

    name: str
    parameter: str | None
    constant: Any
    convert: _Converter


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement in the SQL of one dialect.

    Args:
        sql: The text.
        slots: What its placeholders are filled with, in order.
        is_positional: Whether the driver takes the values in order, or by name.
        columns: Converts each column of a row, where that is needed.
        places: Whether the parameter `org_id` is the organisation of what is written.
    """

    sql: str
    slots: tuple[_Slot, ...]
    is_positional: bool
    columns: tuple[tuple[int, Callable[[Any], Any]], ...]
    places: bool

    @classmethod
    def make(
        cls, statement: Executable, dialect: Dialect, *, moves: bool, places: bool
    ) -> "Compiled":
        """Compile a statement.

        Args:
            statement: The statement.
            dialect: For which database, restricted or not.
            moves: Whether it may move a thread.
            places: See `places`.
        """
        options = {MOVES: True} if moves and is_restricted(dialect) else {}
        compiled: Any = statement.compile(dialect=dialect, compile_kwargs=options)  # pyright: ignore[reportAttributeAccessIssue]
        names = compiled.positiontup if compiled.positional else tuple(compiled.binds)
        slots = tuple(_slot(name, compiled.binds[name], dialect) for name in names)
        found: list[tuple[int, Callable[[Any], Any]]] = []
        if isinstance(statement, Select):
            for index, column in enumerate(statement.selected_columns):
                convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if convert is not None:
                    found.append((index, convert))
        if is_restricted(dialect):
            register_prepared(compiled.string)
        return cls(compiled.string, slots, compiled.positional, tuple(found), places)

    def bind(self, parameters: Mapping[str, Any], bound: BoundScope | None) -> Any:
        """The values of the placeholders, as the driver takes them.

        Args:
            parameters: By name; all of them are needed.
            bound: Whose rows are reached; None for everyone's.

        Raises:
            QueryRefused: A row would be in an organisation to which its owner does not belong.
        """
        if self.places and bound is not None and not bound.scope.has(parameters[_ORGANISATION]):
            raise QueryRefused("The user does not belong to the organisation of this row.")
        values: list[Any] = []
        for slot in self.slots:
            if slot.parameter is None:
                value = slot.constant
                if bound is not None:
                    if value is _OWNER_SLOT:
                        value = bound.owner
                    elif value is _ORGANISATIONS_SLOT:
                        value = bound.org_ids
                values.append(value)
            else:
                value = parameters[slot.parameter]
                values.append(value if slot.convert is None else slot.convert(value))
        if self.is_positional:
            return tuple(values)
        return {slot.name: value for slot, value in zip(self.slots, values, strict=True)}

    def convert(self, rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows of the driver with the values that the tables have."""
        if not self.columns:
            return [tuple(row) for row in rows]
        found: list[tuple[Any, ...]] = []
        for row in rows:
            values = list(row)
            for index, convert in self.columns:
                values[index] = convert(values[index])
            found.append(tuple(values))
        return found


_OWNER_SLOT = object()
_ORGANISATIONS_SLOT = object()
_ORGANISATION = "org_id"
"""The parameter for the organisation of a row that is written."""


def _slot(name: str, bind: Any, dialect: Dialect) -> _Slot:
    convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if bind.key == OWNER.key:
        return _Slot(name, None, _OWNER_SLOT, None)
    if bind.key == ORGANISATIONS.key:
        return _Slot(name, None, _ORGANISATIONS_SLOT, None)
    if bind.required:
        return _Slot(name, bind.key, None, convert)
    return _Slot(name, None, bind.value if convert is None else convert(bind.value), None)


class Driver(Protocol):
    """Executes the SQL of a compiled statement: on a driver's connection, or on SQLAlchemy's."""

    def execute(self, sql: str, values: Any, /) -> Any:
        """Execute it once; what is returned has `fetchall` and `rowcount`."""
        ...

    def executemany(self, sql: str, values: Any, /) -> Any:
        """Execute it once for each of the values."""
        ...


class ServerDriver:
    """The driver of a database server, by way of SQLAlchemy's connection.

    Args:
        connection: A connection; in a restricted one the owner is bound by its listener.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Any, /) -> Any:
        """See `Driver`."""
        return self._connection.exec_driver_sql(sql, values)

    def executemany(self, sql: str, values: Any, /) -> Any:
        """See `Driver`."""
        return self._connection.exec_driver_sql(sql, list(values))


class Transaction:
    """A transaction of one owner, or an unrestricted one, for prepared statements only.

    Args:
        driver: Executes them.
        dialect: The dialect, restricted if there is an owner.
        scope: Whose rows it reads and writes; None for an unrestricted one.
        is_full: Whether the disk is full, so that no row is added that needs room.
    """

    def __init__(
        self, driver: Driver, dialect: Dialect, scope: RowScope | None, *, is_full: bool = False
    ) -> None:
        if (scope is not None) != is_restricted(dialect):
            raise QueryRefused("A restricted transaction has an owner, and no other has.")
        self._driver = driver
        self._dialect = dialect
        self._bound = None if scope is None else bind_scope(dialect, scope)
        self._is_full = is_full

    def all(self, statement: Prepared, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""
        compiled = statement.compiled(self._dialect)
        values = compiled.bind(parameters, self._bound)
        return compiled.convert(self._driver.execute(compiled.sql, values).fetchall())

    def first(self, statement: Prepared, **parameters: Any) -> tuple[Any, ...] | None:
        """The first row of a SELECT; None if there is none."""
        rows = self.all(statement, **parameters)
        return rows[0] if rows else None

    def run(self, statement: Prepared, **parameters: Any) -> int:
        """Execute a statement that changes rows; how many.

        Raises:
            DatabaseFull: It adds a row that needs room, and the disk is full.
        """
        compiled = self._compiled_to_write(statement)
        return self._driver.execute(compiled.sql, compiled.bind(parameters, self._bound)).rowcount

    def run_each(self, statement: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement that changes rows once for each of the parameters.

        Raises:
            DatabaseFull: It adds rows that need room, and the disk is full.
        """
        if rows:
            compiled = self._compiled_to_write(statement)
            values = [compiled.bind(row, self._bound) for row in rows]
            self._driver.executemany(compiled.sql, values)

    def _compiled_to_write(self, statement: Prepared) -> Compiled:
        if statement.needs_room and self._is_full:
            raise DatabaseFull
        return statement.compiled(self._dialect)
