"""Moving the database from SQLite to PostgreSQL: every row is copied and compared, or none is.

It is one transaction of the target: when anything fails, nothing is left there. The source is only
read, under its write lock, because commands of the operator could change it meanwhile.
"""

import hashlib
import json
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import groupby, islice, zip_longest
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    ForeignKeyConstraint,
    LargeBinary,
    Select,
    Table,
    func,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from chat_app.core.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnreachable
from chat_app.core.logging import error_words
from chat_app.db.dialect import broken_references, migration_engine
from chat_app.db.migrations import MigrationFailed, RevisionMismatch, head, migrate, revision_of
from chat_app.db.postgres_roles import check_owner, serialize_migrations
from chat_app.db.server_lock import lock_out_servers
from chat_app.db.tables import metadata
from chat_app.settings import Settings

Row = Mapping[str, Any]
Report = Callable[[str], object]

_BATCH = 200  # rows
_WIDE_BATCH = 10  # rows with a value of any length: a message may have a megabyte
_REPORTED = 10_000  # rows
_WAIT_SECONDS = 5


class MoveFailed(DatabaseError):
    """The database could not be moved; the target is as it was before."""

    code = "move_failed"


def move(source: Settings, target: Settings, report: Report) -> int:
    """Copy a SQLite database into an empty PostgreSQL database.

    Args:
        source: The settings of the SQLite database. It is at the newest revision, and the caller
            owns its data folder.
        target: The settings of the PostgreSQL database; `DATABASE_URL` has the role that owns it.
        report: Called with a line about the progress now and then.

    Returns:
        How many rows were copied; each of them was read back and compared.

    Raises:
        MoveFailed: The target has rows or can't be used, or a row can't be stored there.
        DatabaseError: The source can't be used.
        ConfigError: The tables of the target belong to another role.
    """
    # an error is raised too; the driver's own line about it says nothing more
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    engines = [migration_engine(one.sqlalchemy_url, _WAIT_SECONDS) for one in (source, target)]
    try:
        with engines[0].begin() as reading:
            _check_source(reading)
            with _explained(), engines[1].begin() as writing:
                _prepare_target(writing)
                return _copy_all(reading, writing, report)
    finally:
        for engine in engines:
            engine.dispose()


def row_digest(table: Table, row: Row) -> bytes:
    """A hash of the values of a row, the same on every database.

    Args:
        table: Its columns and their types.
        row: The values by column name.
    """
    digest = hashlib.blake2b(digest_size=16)
    for column in table.columns:
        value = _plain_bytes(column, row[column.name])
        digest.update(len(value).to_bytes(8))
        digest.update(value)
    return digest.digest()


def _plain_bytes(column: Column[Any], value: Any) -> bytes:
    if value is None:
        return b"null"
    if isinstance(column.type, JSON):
        return b"json" + json.dumps(value, sort_keys=True).encode()
    match value:
        case UUID():
            return b"uuid" + value.bytes
        case datetime():
            return b"time" + value.astimezone(UTC).isoformat(timespec="microseconds").encode()
        case date():
            return b"date" + value.isoformat().encode()
        case bytes() | memoryview():
            return b"byte" + bytes(value)
        case str():
            return b"text" + value.encode("utf-8", "surrogatepass")
        case int():
            return b"int " + str(int(value)).encode()
    raise TypeError(f"{column} has a value of the type {type(value).__name__}")


@contextmanager
def _explained() -> Iterator[None]:
    """Around the work on the target: what fails is one sentence."""
    try:
        yield
    except (RevisionMismatch, MigrationFailed) as error:
        raise MoveFailed(f"The target can't be used. {error.message}") from error
    except DatabaseUnreachable as error:
        reason = _first_line(error.__cause__ or error)
        raise MoveFailed(
            f"The target can't be reached, or was lost ({reason}); nothing was moved."
        ) from error
    except DatabaseBusy as error:
        raise MoveFailed(
            "Something else uses the target; nothing was moved. Stop it and try again."
        ) from error
    except DatabaseFull as error:
        raise MoveFailed("The disk of the target is full; nothing was moved.") from error
    except SQLAlchemyError as error:
        raise MoveFailed(f"Nothing was moved: {_first_line(error)}") from error


def _check_source(reading: Connection) -> None:
    if reading.exec_driver_sql("PRAGMA quick_check").scalar() != "ok":
        raise MoveFailed("The SQLite file is damaged; restore a backup of it first.")
    if broken := broken_references(reading):
        raise MoveFailed(f"{broken} rows of the SQLite file have no parent; nothing was moved.")


def _prepare_target(writing: Connection) -> None:
    """Give the target its tables and lock them; refuse one that has rows.

    Raises:
        MoveFailed: It has rows.
        DatabaseInUse: A server uses it.
        RevisionMismatch: It has tables that are not ours, or of a newer program.
        ConfigError: Its tables belong to another role.
    """
    writing.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
    lock_out_servers(writing)
    serialize_migrations(writing)
    check_owner(writing)
    if revision_of(writing) != head():
        migrate(writing)
    # others can read, but add nothing between the look for rows and the end of the move
    writing.exec_driver_sql(f"LOCK TABLE {_names(writing)} IN SHARE ROW EXCLUSIVE MODE")
    if any(_count(writing, table) for table in metadata.sorted_tables):
        raise MoveFailed("The target has rows already; nothing was moved. Use an empty database.")


def _names(connection: Connection) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ", ".join(quote(table.name) for table in metadata.sorted_tables)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _copy_all(reading: Connection, writing: Connection, report: Report) -> int:
    counts = {table: _count(reading, table) for table in metadata.sorted_tables}
    total = sum(counts.values())
    report(f"Copying {total:,} rows of {len(counts)} tables.")
    _set_presealed(writing, is_allowed=True)
    for table, count in counts.items():
        _copy(table, reading, writing, _progress(f"{table.name} copied", count, report))
        _continue_numbers(table, writing)
    _set_presealed(writing, is_allowed=False)
    report("Comparing every row with the source.")
    for table, count in counts.items():
        _compare(table, reading, writing, _progress(f"{table.name} compared", count, report))
    writing.exec_driver_sql(f"ANALYZE {_names(writing)}")  # or the first queries would be slow
    return total


def _set_presealed(writing: Connection, *, is_allowed: bool) -> None:
    """Allow rows of the audit log to come with their seals, in this transaction only."""
    word = "DISABLE" if is_allowed else "ENABLE"
    writing.exec_driver_sql(f"ALTER TABLE audit_event {word} TRIGGER audit_event_added")


def _progress(what: str, total: int, report: Report) -> Callable[[int], None]:
    """What to call with the number of rows that are done: it reports some steps, and the end."""

    def done(count: int) -> None:
        if count == total or count % _REPORTED == 0:
            report(f"  {what}: {count:,} of {total:,}")

    return done


def _copy(
    table: Table, reading: Connection, writing: Connection, done: Callable[[int], None]
) -> None:
    rows = _rows(table, reading)
    count = 0
    while batch := list(islice(rows, _batch_of(table))):
        try:
            writing.execute(table.insert(), batch)
        except (SQLAlchemyError, ValueError) as error:
            raise MoveFailed(_refusal(table, batch, error)) from error
        count += len(batch)
        done(count)


def _continue_numbers(table: Table, writing: Connection) -> None:
    """Let the keys that the target gives go on after those that were copied."""
    for column in table.columns:
        if column.identity is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            writing.execute(select(func.setval(sequence, func.max(column))))


def _batch_of(table: Table) -> int:
    """How many rows of a table may be in memory at a time."""
    return _WIDE_BATCH if any(_is_wide(column) for column in table.columns) else _BATCH


def _is_wide(column: Column[Any]) -> bool:
    kind = column.type
    is_text = not isinstance(kind, JSON) and kind.python_type is str
    return isinstance(kind, JSON | LargeBinary) or (is_text and not getattr(kind, "length", None))


def _rows(table: Table, reading: Connection) -> Iterator[dict[str, Any]]:
    """The rows of a table; one that refers to another row of it comes after that."""
    own = next((key for key in table.foreign_key_constraints if key.referred_table is table), None)
    if own is None:
        yield from _read(reading, select(table), _batch_of(table))
        return
    (key,) = table.primary_key
    keys = _parents_first(table, own, key, reading)
    while batch := list(islice(keys, _batch_of(table))):
        rows = reading.execute(select(table).where(key.in_(batch))).mappings()
        found = {row[key.name]: dict(row) for row in rows}
        yield from (found[one] for one in batch)


def _parents_first(
    table: Table, own: ForeignKeyConstraint, key: Column[Any], reading: Connection
) -> Iterator[Any]:
    """The keys of a table that refers to itself, a parent before its children."""
    shared, parent = _tree(own)
    columns = [table.c[name] for name in shared]
    query = select(*columns, table.c[parent], key).order_by(*columns)
    for _, tree in groupby(_read(reading, query, _BATCH), key=itemgetter(*shared)):
        children: dict[Any, list[Any]] = defaultdict(list)
        for row in tree:
            children[row[parent]].append(row[key.name])
        ready = deque(children.pop(None, ()))
        while ready:
            one = ready.popleft()
            yield one
            ready.extend(children.pop(one, ()))


def _tree(own: ForeignKeyConstraint) -> tuple[list[str], str]:
    """Of a key into its own table: the columns that a tree shares, and that of the parent."""
    pairs = [(one.parent.name, one.column.name) for one in own.elements]
    (parent,) = (child for child, column in pairs if child != column)
    return [child for child, column in pairs if child == column], parent


def _read(connection: Connection, query: Select[Any], batch: int) -> Iterator[dict[str, Any]]:
    """The rows of a query, a few at a time in memory."""
    result = connection.execute(query.execution_options(yield_per=batch))
    return map(dict, result.mappings())


def _compare(
    table: Table, reading: Connection, writing: Connection, done: Callable[[int], None]
) -> None:
    query = select(table).order_by(*table.primary_key)
    batch = _batch_of(table)
    pairs = zip_longest(_read(reading, query, batch), _read(writing, query, batch))
    for count, (here, there) in enumerate(pairs, 1):
        if not here or not there or row_digest(table, here) != row_digest(table, there):
            row = _name_of(table, here or there)
            raise MoveFailed(f"{row} is not the same in the target; nothing was moved.")
        done(count)


def _refusal(table: Table, batch: Iterable[Row], error: Exception) -> str:
    """Which row the target does not take, and why."""
    for row in batch:
        for column in table.columns:
            if reason := _unfit(column, row[column.name]):
                return (
                    f"{_name_of(table, row)} can't be moved: {column.name} {reason}, which "
                    "PostgreSQL does not store. Nothing was moved."
                )
    return f"A row of {table.name} can't be moved: {_first_line(error)}. Nothing was moved."


def _unfit(column: Column[Any], value: Any) -> str:
    """What PostgreSQL does not store in a value that SQLite has stored; empty if it does."""
    if isinstance(column.type, JSON):
        return "has a number that is not finite" if _is_not_json(value) else ""
    if isinstance(value, str):
        length = getattr(column.type, "length", None)
        if "\0" in value:
            return "has a NUL"
        return f"is longer than {length}" if length is not None and len(value) > length else ""
    limit = 2**63 if isinstance(column.type, BigInteger) else 2**31
    if isinstance(value, int) and not -limit <= value < limit:
        return "is too large a number"
    return ""


def _is_not_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return True
    return False


def _name_of(table: Table, row: Row | None) -> str:
    key = ", ".join(str((row or {})[column.name]) for column in table.primary_key)
    return f"The row {key} of {table.name}"


def _first_line(error: BaseException) -> str:
    # the lines after it may repeat the row
    return error_words(str(error).partition("\n")[0])
