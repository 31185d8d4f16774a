"""A lint for revisions (expand and contract): what the version before cannot live with.

While a server is updated, or when an update is taken back, the version before works with the
migrated database. So a revision only adds. What it makes unused is removed by a revision of a later
release, which names the one that made it unused: `contract_of: str = '0009'`.
"""

import ast
import re
from collections.abc import Callable, Collection, Iterator
from functools import singledispatch
from io import StringIO
from typing import Any
from unittest.mock import patch

from alembic.config import Config
from alembic.operations import AbstractOperations, MigrateOperation, Operations, ops
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Integer,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine, to_instance

from chat_app.db.migrations import PROJECT
from chat_app.db.tables import metadata

_DIALECTS = ("sqlite", "postgresql")
_BREAKING_SQL = re.compile(
    r"\bDROP (TABLE|COLUMN|VIEW)\b|\bALTER TABLE .*\bRENAME\b|\bSET NOT NULL\b|\bCREATE UNIQUE\b"
    r"|\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b"
    r"|\bADD COLUMN (?!.*\b(DEFAULT|GENERATED)\b).*NOT NULL"
    r"|\bADD (CONSTRAINT \S+ )?(UNIQUE|CHECK|FOREIGN KEY|PRIMARY KEY|EXCLUDE)\b"
)


def lint(source: str, *, earlier: Collection[str]) -> list[str]:
    """What is wrong with a revision.

    Args:
        source: The text of its file.
        earlier: The revisions before it.

    Returns:
        A sentence for each problem.
    """
    module: dict[str, Any] = {}
    exec(compile(source, "<revision>", "exec"), module)
    breaking = sorted({*_breaking_operations(module["upgrade"]), *_breaking_sql(source)})
    expanded = module.get("contract_of")
    if expanded is None:
        return breaking
    if expanded not in earlier:
        return [f"contract_of names {expanded}, which is no earlier revision"]
    return [] if breaking else [f"it is no contract of {expanded}: nothing in it needs that"]


def _breaking_operations(upgrade: Callable[[], None]) -> Iterator[str]:
    for dialect in _DIALECTS:
        operations = _recorded(upgrade, dialect)
        new = _new_names(operations)
        for operation in operations:
            is_named = isinstance(operation, ops.CreateTableOp) or not _named(operation) & new
            if is_named and not _is_widened(operation, operations):
                yield from _problems(operation)


def _recorded(upgrade: Callable[[], None], dialect: str) -> list[MigrateOperation]:
    """The operations of an upgrade, none of which is executed."""
    recorded: list[MigrateOperation] = []

    def record(operations: AbstractOperations, operation: MigrateOperation) -> Table | None:
        recorded.append(operation)
        is_table = isinstance(operation, ops.CreateTableOp)
        return operation.to_table(operations.migration_context) if is_table else None

    config = Config(PROJECT / "alembic.ini")
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, as_sql=True) as environment:
        environment.configure(dialect_name=dialect, output_buffer=StringIO())
        with (
            Operations.context(environment.get_context()),
            patch.object(AbstractOperations, "invoke", record),
        ):
            upgrade()
    return recorded


def _new_names(operations: list[MigrateOperation]) -> set[str]:
    """The tables, and the columns, that the version before neither reads nor fills."""
    tables = {one.table_name for one in operations if isinstance(one, ops.CreateTableOp)}
    columns = {
        f"{one.table_name}.{one.column.name}"
        for one in operations
        if isinstance(one, ops.AddColumnOp) and one.column.nullable
    }
    return tables | columns


def _is_widened(operation: MigrateOperation, operations: list[MigrateOperation]) -> bool:
    """Whether a key only gets columns more that the revision adds, whose default all rows have.

    A unique index with the whole primary key refuses nothing. A foreign key in the place of one
    without the new columns refuses no row as the version before writes it.
    """
    if isinstance(operation, ops.CreateIndexOp):
        table = metadata.tables.get(operation.table_name)
        return table is not None and {key.name for key in table.primary_key} <= {
            *map(str, operation.columns)
        }
    if not isinstance(operation, ops.CreateForeignKeyOp):
        return False
    added = {
        one.column.name
        for one in operations
        if isinstance(one, ops.AddColumnOp)
        and one.table_name == operation.source_table
        and one.column.server_default is not None
    }
    replaced = {
        one.table_name
        for one in operations
        if isinstance(one, ops.DropConstraintOp) and one.constraint_type == "foreignkey"
    }
    has_more = 0 < len(added.intersection(operation.local_cols)) < len(operation.local_cols)
    return has_more and operation.source_table in replaced


def _named(operation: Any) -> set[str]:
    """The table of an operation, and the columns of a constraint or an index."""
    table = _table_of(operation)
    columns = getattr(operation, "local_cols", None) or getattr(operation, "columns", None) or ()
    return {table, *(f"{table}.{column}" for column in columns)}


def _table_of(operation: Any) -> str:
    return getattr(operation, "source_table", None) or getattr(operation, "table_name", "")


@singledispatch
def _problems(_operation: MigrateOperation) -> Iterator[str]:
    yield from ()


@_problems.register
def _(operation: ops.DropTableOp) -> Iterator[str]:
    yield f"drops the table {operation.table_name}"


@_problems.register
def _(operation: ops.RenameTableOp) -> Iterator[str]:
    yield f"renames the table {operation.table_name}"


@_problems.register
def _(operation: ops.DropColumnOp) -> Iterator[str]:
    yield f"drops {operation.table_name}.{operation.column_name}"


@_problems.register
def _(operation: ops.CreateTableOp) -> Iterator[str]:
    for item in operation.columns:
        is_key = isinstance(item, ForeignKeyConstraint)
        for key in item.elements if is_key else getattr(item, "foreign_keys", ()):
            parent = key.target_fullname.partition(".")[0]
            if key.ondelete is None and parent != operation.table_name:
                yield f"keeps the version before from deleting rows of {parent}: no ON DELETE"


@_problems.register
def _(operation: ops.AddColumnOp) -> Iterator[str]:
    column = operation.column
    name = f"{operation.table_name}.{column.name}"
    if not column.nullable and column.server_default is None:
        yield f"adds {name}, which is NOT NULL without a server default"
    if column.unique:
        yield f"makes {name} unique"


@_problems.register
def _(operation: ops.AlterColumnOp) -> Iterator[str]:
    name = f"{operation.table_name}.{operation.column_name}"
    if operation.modify_name is not None:
        yield f"renames {name}"
    if operation.modify_nullable is False:
        yield f"makes {name} NOT NULL"
    if operation.modify_server_default is None:
        yield f"drops the server default of {name}"
    before, after = operation.existing_type, operation.modify_type
    if after is not None and (before is None or not _holds_all(_plain(after), _plain(before))):
        yield f"makes the type of {name} narrower, or names no existing_type"


@_problems.register
def _(operation: ops.CreateIndexOp) -> Iterator[str]:
    if operation.unique:
        yield f"adds a unique index to {operation.table_name}"


@_problems.register
def _(operation: ops.AddConstraintOp) -> Iterator[str]:
    yield f"adds a constraint to {_table_of(operation)}"


@_problems.register
def _(operation: ops.ExecuteSQLOp) -> Iterator[str]:
    yield from _breaking_statement(str(operation.sqltext))


def _breaking_sql(source: str) -> Iterator[str]:
    """What is executed past alembic: every text in the file, but for its downgrade."""
    tree = ast.parse(source)
    tree.body = [one for one in tree.body if getattr(one, "name", "") != "downgrade"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _breaking_statement(node.value)


def _breaking_statement(sql: str) -> Iterator[str]:
    statement = " ".join(sql.split())
    if _BREAKING_SQL.search(statement.upper()):
        yield f"executes: {statement}"


def _plain(kind: Any) -> TypeEngine[Any]:
    kind = to_instance(kind)
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _holds_all(after: TypeEngine[Any], before: TypeEngine[Any]) -> bool:
    """Whether a type holds every value of another one."""
    if isinstance(after, String) and isinstance(before, String):
        return after.length is None or (before.length is not None and after.length >= before.length)
    if isinstance(after, Integer) and isinstance(before, Integer):
        return _rank(after) >= _rank(before)
    return repr(after) == repr(before)


def _rank(kind: Integer) -> int:
    return 2 if isinstance(kind, BigInteger) else 0 if isinstance(kind, SmallInteger) else 1
