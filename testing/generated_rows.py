"""A database at any revision, and rows for its tables: random, with the extremes of each type."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    inspect,
    select,
)

from alembic import command
from chat_app.db.dialect import broken_references
from chat_app.db.migrations import PROJECT
from chat_app.db.tables import metadata

SCRIPT = ScriptDirectory.from_config(Config(PROJECT / "alembic.ini"))
REVISIONS = [one.revision for one in SCRIPT.walk_revisions()][::-1]
"""Every revision, the oldest first."""

Row = dict[str, Any]
Rows = dict[str, dict[tuple[Any, ...], Row]]
"""The rows of each table, by primary key."""

_ROWS = 5
_TRIES = 200
_MAX_INTEGER = 2**31 - 1
_TEXT = "Ünï 😀 日本 العربية {model} %s ' \" \\ \n\t"
_PARTS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"type": "text", "text": _TEXT}],
    [{"type": "reasoning", "text": "hm \x00 \ud800", "seconds": 1.5}, {"type": "text", "text": ""}],
    [{"type": "data-notice", "code": "unknown", "params": {"text": "日本", "n": [1e-300, 2**53]}}],
)
_WORDS: Mapping[str, tuple[Any, ...]] = {
    "role": ("user", "assistant"),
    "kind": ("text", "reasoning"),
    "status": ("complete", "failed", "running", "queued"),
    "parts": _PARTS,
    "transports": ([], ["internal", "hybrid"]),
    "error_params": ({}, {"model": "alpha", "retry_after": 20}),
}
"""What columns hold whose values the migrations read."""


def migrate_to(connection: Connection, revision: str) -> None:
    """Upgrade or downgrade a database, in the transaction of the connection.

    Args:
        connection: The connection.
        revision: A revision, or `base` for none.
    """
    config = Config(PROJECT / "alembic.ini")
    config.attributes["connection"] = connection
    is_there = "alembic_version" in inspect(connection).get_table_names()
    query = "SELECT version_num FROM alembic_version"
    current = connection.exec_driver_sql(query).scalar() if is_there else None
    is_older = revision != "base" and (current is None or current < revision)
    (command.upgrade if is_older else command.downgrade)(config, revision)
    assert broken_references(connection) == 0


def tables_of(connection: Connection) -> list[Table]:
    """The tables of a database as its revision declares them, parents first.

    A column has the type of the model of today; one that no model has, that of the database.
    """
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in metadata.tables)
    for table in found.tables.values():
        for column in table.columns:
            model = metadata.tables[table.name].columns.get(column.name)
            if model is not None:
                column.type = model.type
    return found.sorted_tables


def read_rows(connection: Connection, tables: Iterable[Table]) -> Rows:
    """Every row."""
    return {
        table.name: {
            tuple(row[column.name] for column in table.primary_key): dict(row)
            for row in connection.execute(select(table)).mappings()
        }
        for table in tables
    }


def add_rows(connection: Connection, tables: Iterable[Table], random: Random) -> None:
    """Add a few rows to every table; they belong to one another, and to none of before."""
    added: dict[str, list[Row]] = {}
    for table in tables:
        rows = added.setdefault(table.name, [])
        for _ in range(_TRIES):
            if len(rows) == _ROWS:
                break
            row = _row(table, added, random)
            if row is not None and _is_unique(table, row, rows):
                _insert(connection, table, row)
                rows.append(row)
        assert rows, table.name


def _insert(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row; one of the audit log gets its seal afterwards, or a trigger refuses it."""
    seal: Row = {}
    if table.name == "audit_event":
        seal = {name: row[name] for name in ("seq", "seal", "key_id", "anchor_seal")}
    connection.execute(table.insert(), row | dict.fromkeys(seal))
    if seal:
        connection.execute(table.update().where(table.c.id == row["id"]).values(seal))


def _row(table: Table, added: Mapping[str, list[Row]], random: Random) -> Row | None:
    """A row; None if no parent fits."""
    row: Row = {}
    keys = [key for key in table.constraints if isinstance(key, ForeignKeyConstraint)]
    for key in sorted(keys, key=lambda one: (one.referred_table is table, str(one.column_keys))):
        if not _choose_parent(key, row, added[key.referred_table.name], random):
            return None
    for column in table.columns:
        if column.name not in row:
            is_null = column.nullable and random.random() < 0.3
            row[column.name] = None if is_null else _value(column, random)
    return row


def _choose_parent(
    key: ForeignKeyConstraint, row: Row, parents: Iterable[Row], random: Random
) -> bool:
    pairs = [(one.parent, one.column.name) for one in key.elements]
    fitting = [
        parent
        for parent in parents
        if all(row.get(child.name, parent[name]) == parent[name] for child, name in pairs)
    ]
    open_columns = [child for child, _ in pairs if child.name not in row]
    if all(child.nullable for child in open_columns) and (not fitting or random.random() < 0.3):
        row.update({child.name: None for child in open_columns})
        return True
    if not fitting:
        return False
    parent = random.choice(fitting)
    row.update({child.name: parent[name] for child, name in pairs})
    return True


def _is_unique(table: Table, row: Row, rows: Iterable[Row]) -> bool:
    keys = [table.primary_key, *(c for c in table.constraints if isinstance(c, UniqueConstraint))]
    return not any(
        all(row[column.name] == other[column.name] is not None for column in key.columns)
        for key in keys
        for other in rows
    )


def _is_key(column: Column[Any]) -> bool:
    """Whether a column alone is a key of its table."""
    unique = (one for one in column.table.constraints if isinstance(one, UniqueConstraint))
    return any([*one.columns] == [column] for one in (column.table.primary_key, *unique))


def _value(column: Column[Any], random: Random) -> Any:
    if column.name in _WORDS:
        return random.choice(_WORDS[column.name])
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    match kind:
        case Uuid():
            return UUID(int=random.getrandbits(128), version=4)
        case JSON():
            return random.choice(({}, {"a": [None, True, -1.5, _TEXT], "b": {"c": "\x00"}}))
        case DateTime():
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                days=random.randrange(40_000), microseconds=random.randrange(10**9)
            )
        case Date():
            return date(1970, 1, 1) + timedelta(days=random.randrange(40_000))
        case Boolean():
            return random.random() < 0.5
        case Integer() if _is_key(column):
            return random.randrange(10**6, _MAX_INTEGER)  # those that a migration adds are low
        case Integer():
            return random.choice((0, 1, random.randrange(_MAX_INTEGER), _MAX_INTEGER))
        case LargeBinary():
            return random.choice((b"", b"\x00\xff" + random.randbytes(30)))
        case String():
            text = f"{random.getrandbits(64):x}{_TEXT * 100}"
            length = kind.length or 2_000
            return text[: random.choice((length, min(length, 16)))]
    raise AssertionError(f"{column} has a type without values: {kind!r}")
