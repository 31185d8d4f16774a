"""Row-level security: the SQL compiler restricts every statement to the rows of one owner.

A row filter added to ORM statements by option (`with_loader_criteria`) misses rows: it does not
see an entity inside an expression of two (`Thread.title + Message.role`), in `over()`, in
`filter()`, in `select_from(join(…))`, nor in `UPDATE … FROM`. The compiler misses none, because
no table is named in SQL unless it writes the name. Each owned table in a FROM becomes
`(SELECT * FROM thread WHERE owner_id = …) AS thread`, which both databases flatten again, and
each UPDATE and DELETE gets the same condition. What cannot be filtered (text, other tables,
foreign operators) is refused there too.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn
from uuid import UUID, uuid4

from sqlalchemy import Delete, Insert, Update, Uuid, bindparam, event
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler

from chat_app.db.tables import ONLY_READ, OWNED, metadata

_OPTION = "chat_owner"
_TABLES = frozenset(str(model.__tablename__) for model in OWNED)
_ONLY_READ = frozenset(str(model.__tablename__) for model in ONLY_READ)
_PLACEHOLDER = uuid4()
OWNER = bindparam("owner_filter", _PLACEHOLDER, Uuid())
"""A placeholder: compiled statements are cached for all principals, and the owner's id replaces it
before execution."""

_SETS_OWNER = re.compile(r"\bowner_id=")  # a SET has no blank before the sign, a condition has
_CONSTANTS = frozenset({"*", "'%'", "1"})  # what SQLAlchemy itself writes as text
_OPERATORS = frozenset({"MATCH", "@@"})
_BEGIN = ("BEGIN", "BEGIN IMMEDIATE")
_SET_USER = "SELECT set_config('app.user_id', %(user)s, true)"
_prepared: set[str] = set()


class QueryRefused(Exception):
    """A scoped session got a statement that it cannot restrict to its owner: a bug of ours."""


class AuditInsert(Insert):
    """An INSERT into the audit log: the one statement that writes a table without an owner.

    It has no `owner_id`; the identity of whoever acts is looked up among the owner's rows.
    """

    inherit_cache = True

    def __init__(self) -> None:
        super().__init__(metadata.tables["audit_event"])


class _OwnerFilter(SQLCompiler):
    """A compiler mixin that restricts tables to the owner's rows."""

    def visit_table(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        table: Any,
        asfrom: bool = False,
        iscrud: bool = False,
        enclosing_alias: Any = None,
        **kw: Any,
    ) -> str:
        text = super().visit_table(
            table, asfrom=asfrom, iscrud=iscrud, enclosing_alias=enclosing_alias, **kw
        )
        if not asfrom:
            return text
        _check_owned(table)
        if iscrud:
            return text
        rows = f"(SELECT * FROM {text} WHERE owner_id = {self.process(OWNER)})"  # noqa: S608
        if enclosing_alias is not None and enclosing_alias.element is table:
            return rows
        return f"{rows} AS {text}"

    def visit_update(self, update_stmt: Update, visiting_cte: Any = None, **kw: Any) -> str:
        _check_written(update_stmt.table)
        restricted = update_stmt.where(update_stmt.table.c.owner_id == OWNER)
        text = super().visit_update(restricted, visiting_cte=visiting_cte, **kw)
        if _SETS_OWNER.search(text):
            raise QueryRefused("A row's owner cannot be changed.")
        return text

    def visit_delete(self, delete_stmt: Delete, visiting_cte: Any = None, **kw: Any) -> str:
        _check_written(delete_stmt.table)
        restricted = delete_stmt.where(delete_stmt.table.c.owner_id == OWNER)
        return super().visit_delete(restricted, visiting_cte=visiting_cte, **kw)

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> str:
        if not isinstance(insert_stmt, AuditInsert):
            _check_written(insert_stmt.table)
        if insert_stmt.select is not None:
            raise QueryRefused("An INSERT from a SELECT cannot be checked; add the rows.")
        return super().visit_insert(insert_stmt, *args, **kw)

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
        if column.is_literal and column.name not in _CONSTANTS:
            _refuse_text()
        return super().visit_column(column, *args, **kw)

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        if operator.opstring not in _OPERATORS:
            _refuse_text()
        return super().visit_custom_op_binary(element, operator, **kw)

    def _refuse(self, *_args: Any, **_kw: Any) -> NoReturn:
        _refuse_text()

    def visit_search_hits_func(self, fn: Any, **kw: Any) -> str:
        """What a full-text search finds (`full_text.hits`); the owner is one of its terms."""
        owner = self.process(OWNER)
        terms, upto, *most = (self.process(argument, **kw) for argument in fn.clauses)
        if self.dialect.name != "sqlite":
            return f"search_hits({owner}, {terms}, {upto}, {most[0] if most else 'NULL'})"
        query = f"'\"_' || {owner} || '\" AND ' || {terms}"
        found = (
            f"SELECT rowid AS id FROM search_index WHERE search_index MATCH ({query}) "  # noqa: S608
            f"AND rowid <= {upto}"
        )
        return f"({found} ORDER BY rowid DESC LIMIT {most[0]})" if most else f"({found})"

    visit_textclause = visit_tstring = visit_textual_select = _refuse
    visit_custom_op_unary_operator = visit_custom_op_unary_modifier = _refuse


def _refuse_text() -> NoReturn:
    raise QueryRefused("A scoped session takes no SQL text; write the expression.")


def _check_owned(table: Any) -> None:
    if getattr(table, "fullname", None) not in _TABLES:
        raise QueryRefused(f"A scoped session does not reach {table}; it has no owner.")


def _check_written(table: Any) -> None:
    _check_owned(table)
    if table.fullname in _ONLY_READ:
        raise QueryRefused(f"A scoped session does not write {table}.")


def restrict_to_owner(*engines: AsyncEngine) -> None:
    """Restrict new engines to the rows of an owner.

    Their connections then need an owner (see `owned_by`).

    Args:
        engines: Engines that have compiled nothing yet; views of one engine count once.
    """
    for engine in engines:
        dialect: Any = engine.sync_engine.dialect
        base = dialect.statement_compiler
        if not issubclass(base, _OwnerFilter):
            dialect.statement_compiler = type(
                f"OwnerFilter{base.__name__}", (_OwnerFilter, base), {}
            )
            listener = _bind_owner(bind_owner(dialect, _PLACEHOLDER))
            event.listen(engine.sync_engine, "before_cursor_execute", listener, retval=True)


def name_owner(engine: AsyncEngine) -> None:
    """Tell PostgreSQL at the begin of each transaction whose rows it may show.

    Its own row-level security (see `postgres_roles`) then holds also where the compiler's filter
    does not. The setting ends with the transaction, so a pooled connection keeps none.

    Args:
        engine: A restricted engine; its views are covered.
    """

    @event.listens_for(engine.sync_engine, "begin")
    def set_user(connection: Connection) -> None:
        connection.exec_driver_sql(_SET_USER, _user_of(connection))


def _user_of(connection: Connection) -> dict[str, str]:
    return {"user": str(connection.get_execution_options()[_OPTION])}


def owned_by(engine: AsyncEngine, owner: UUID) -> AsyncEngine:
    """A view of a restricted engine, with the same connections, for one owner."""
    return engine.execution_options(**{_OPTION: bind_owner(engine.dialect, owner)})


def bind_owner(dialect: Dialect, owner: UUID) -> Any:
    """The id of an owner as the driver of a dialect takes it."""
    convert = OWNER.type.dialect_impl(dialect).bind_processor(dialect)
    return convert(owner) if convert else owner


def is_restricted(dialect: Dialect) -> bool:
    """Whether the statements of a dialect are restricted to an owner."""
    compiler: Any = dialect.statement_compiler
    return issubclass(compiler, _OwnerFilter)


def register_prepared(sql: str) -> None:
    """Let restricted connections execute this text: what a prepared statement is compiled to."""
    _prepared.add(sql)


def _bind_owner(placeholder: Any) -> Callable[..., tuple[str, Any]]:
    def before_execute(
        connection: Connection,
        _cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> tuple[str, Any]:
        if context is None or context.compiled is None:
            if statement in _prepared:
                owner = connection.get_execution_options()[_OPTION]
                for row in parameters if executemany else [parameters]:
                    if owner not in (row.values() if isinstance(row, dict) else row):
                        raise QueryRefused("A prepared statement has the owner among its values.")
                return statement, parameters
            if statement not in _BEGIN and (
                statement != _SET_USER or parameters != _user_of(connection)
            ):
                _refuse_text()
            return statement, parameters
        owner = connection.get_execution_options()[_OPTION]

        def with_owner(row: Any) -> Any:
            if isinstance(row, dict):
                return {key: owner if value == placeholder else value for key, value in row.items()}
            return tuple(owner if value == placeholder else value for value in row)

        if executemany:
            return statement, [with_owner(row) for row in parameters]
        return statement, with_owner(parameters)

    return before_execute
