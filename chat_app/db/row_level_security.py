"""Row-level security: the SQL compiler restricts every statement to the rows of one owner.

Of these it leaves out what is in an organisation to which the owner does not belong.

A row filter added to ORM statements by option (`with_loader_criteria`) misses rows: it does not
see an entity inside an expression of two (`Thread.title + Message.role`), in `over()`, in
`filter()`, in `select_from(join(…))`, nor in `UPDATE … FROM`. The compiler misses none, because
no table is named in SQL unless it writes the name. Each owned table in a FROM becomes
`(SELECT * FROM thread WHERE owner_id = …) AS thread`, which both databases flatten again, and
each UPDATE and DELETE gets the same condition. What cannot be filtered (text, other tables,
foreign operators) is refused there too.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Boolean,
    Delete,
    Insert,
    String,
    Update,
    Uuid,
    bindparam,
    event,
    func,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine

from chat_app.db.tables import (
    ONLY_READ,
    OWNED,
    PRIVATE,
    READ_BY_GRANT,
    InOrganisation,
    metadata,
)


@dataclass(frozen=True, slots=True)
class RowScope:
    """Whose rows are reached, and of which organisations.

    Args:
        owner: The owner.
        org_ids: The organisations to which the owner belongs; of a grant, the one that it is for.
        is_grant: Whether another user reads them by a grant: then no private row is reached, only
            the tables `READ_BY_GRANT` are, and nothing is written.
    """

    owner: UUID
    org_ids: frozenset[UUID] = frozenset()
    is_grant: bool = False

    def has(self, org_id: UUID) -> bool:
        """Whether the owner's rows in an organisation are reached; their own private ones are."""
        return org_id in self.org_ids or (org_id == PRIVATE and not self.is_grant)

    @property
    def reached(self) -> tuple[UUID, ...]:
        """The organisations whose rows are reached, in a fixed order; `PRIVATE` is the first."""
        return (*(() if self.is_grant else (PRIVATE,)), *sorted(self.org_ids))


@dataclass(frozen=True, slots=True)
class BoundScope:
    """A scope as the driver of a dialect takes it.

    Args:
        scope: The scope.
        owner: The id of the owner.
        org_ids: Those of the organisations, `PRIVATE` among them unless it is a grant's.
    """

    scope: RowScope
    owner: Any
    org_ids: Any


class _OrgIds(TypeDecorator[Sequence[UUID]]):
    """Ids as one value: an array, or on SQLite a text in which an id is looked for."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type on a dialect."""
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(String() if is_sqlite else ARRAY(Uuid()))

    def process_bind_param(self, value: Iterable[UUID] | None, dialect: Dialect) -> Any:
        """The ids, in their order."""
        every = list(value or ())
        return ",".join(one.hex for one in every) if dialect.name == "sqlite" else every


_OPTION = "chat_owner"
_TABLES = frozenset(str(model.__tablename__) for model in OWNED)
_ONLY_READ = frozenset(str(model.__tablename__) for model in ONLY_READ)
_READ_BY_GRANT = frozenset(str(model.__tablename__) for model in READ_BY_GRANT)
IN_ORGANISATIONS = frozenset(
    str(model.__tablename__) for model in OWNED if issubclass(model, InOrganisation)
)
"""The tables whose rows may be in an organisation."""
_PLACEHOLDER = RowScope(uuid4(), frozenset({uuid4()}))
OWNER = bindparam("owner_filter", _PLACEHOLDER.owner, Uuid())
"""A placeholder: compiled statements are cached for all principals, and the owner's id replaces it
before execution."""
ORGANISATIONS = bindparam("organisations_filter", _PLACEHOLDER.reached, _OrgIds())
"""A placeholder like `OWNER`, for the owner's organisations."""
_NAMES = "chat_names"
"""The attribute of a compiled statement with the tables and functions that it names."""
MOVES = "moves_thread"
"""The argument of the compiler for the one statement that may move a thread
(`prepared.PreparedMove`)."""

# a SET has no blank before the sign, a condition has
_SETS_OWNER = re.compile(r"\bowner_id=")
_SETS_ORGANISATION = re.compile(r"\borg_id=")
_CONSTANTS = frozenset({"*", "'%'", "1"})  # what SQLAlchemy itself writes as text
_OPERATORS = frozenset({"MATCH", "@@"})
_BEGIN = ("BEGIN", "BEGIN IMMEDIATE")
_SET_USER = (
    "SELECT set_config('app.user_id', %(user)s, true), set_config('app.org_ids', %(orgs)s, true)"
)
_SET_SUBJECT = (
    "SELECT set_config('app.subject_id', %(user)s, true), "
    "set_config('app.subject_org', %(orgs)s, true)"
)
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
    """A compiler mixin that restricts tables to the owner's rows.

    It notes what a statement reads: the same compiled statement serves owners and grants.
    """

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
        self._note(table.fullname)
        if iscrud:
            return text
        condition = self._is_own()
        if table.fullname in IN_ORGANISATIONS:
            condition += f" AND {self._is_reached('org_id')}"
        rows = f"(SELECT * FROM {text} WHERE {condition})"  # noqa: S608
        if enclosing_alias is not None and enclosing_alias.element is table:
            return rows
        return f"{rows} AS {text}"

    def _note(self, name: str) -> None:
        # a compiler begins to compile in its __init__
        self.__dict__.setdefault(_NAMES, set()).add(name)

    def _is_own(self) -> str:
        """The condition that a row is the owner's."""
        return f"owner_id = {self.process(OWNER)}"

    def _is_reached(self, column: str) -> str:
        """The condition that a row is in no organisation, or in one of the owner's."""
        org_ids = self.process(ORGANISATIONS)
        if self.dialect.name == "sqlite":  # every id has 32 digits, so none is a part of another
            return f"(instr({org_ids}, {column}) > 0)"
        return f"{column} = ANY ({org_ids})"

    def visit_owned_rows_func(self, fn: Any, **kw: Any) -> str:
        """The condition of an UPDATE or a DELETE, with the column of its own table."""
        (org_id,) = (self.process(argument, **kw) for argument in fn.clauses)
        return self._is_reached(org_id)

    def visit_update(
        self,
        update_stmt: Update,
        visiting_cte: Any = None,
        *,
        moves_thread: bool = False,
        **kw: Any,
    ) -> str:
        restricted = update_stmt.where(*_own(update_stmt.table))
        text = super().visit_update(restricted, visiting_cte=visiting_cte, **kw)
        if _SETS_OWNER.search(text):
            raise QueryRefused("A row's owner cannot be changed.")
        if _SETS_ORGANISATION.search(text) and not moves_thread:
            raise QueryRefused("A row's organisation cannot be changed; move its thread.")
        return text

    def visit_delete(self, delete_stmt: Delete, visiting_cte: Any = None, **kw: Any) -> str:
        restricted = delete_stmt.where(*_own(delete_stmt.table))
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
        self._note(fn.name)
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

    def visit_stored_bytes_func(self, fn: Any, **kw: Any) -> str:
        """What the owner stores, whichever organisation it is in (`owner_functions`)."""
        if self.dialect.name != "sqlite":
            return self._of_owner(fn, **kw)
        (row_bytes,) = (self.process(argument, **kw) for argument in fn.clauses)
        messages = self._sum_of("message", f"coalesce(sum(size), 0) + count(*) * {row_bytes}")
        return f"({messages} + {self._sum_of('thread', f'count(*) * {row_bytes}')})"

    def visit_stored_report_bytes_func(self, fn: Any, **kw: Any) -> str:
        """What the owner's clients have reported (`owner_functions`)."""
        if self.dialect.name != "sqlite":
            return self._of_owner(fn, **kw)
        (row_bytes,) = (self.process(argument, **kw) for argument in fn.clauses)
        return self._sum_of("client_report", f"coalesce(sum(size), 0) + count(*) * {row_bytes}")

    def visit_lock_membership_func(self, fn: Any, **kw: Any) -> str:
        """Whether the owner belongs to an organisation (`owner_functions`)."""
        if self.dialect.name != "sqlite":
            return self._of_owner(fn, **kw)
        self._note(fn.name)
        (org_id,) = (self.process(argument, **kw) for argument in fn.clauses)
        found = f"SELECT 1 FROM membership WHERE user_id = {self.process(OWNER)}"  # noqa: S608
        return f"EXISTS ({found} AND org_id = {org_id})"

    def _of_owner(self, fn: Any, **kw: Any) -> str:
        """A function of the database whose first argument is the owner."""
        self._note(fn.name)
        arguments = ", ".join(self.process(argument, **kw) for argument in fn.clauses)
        return f"{fn.name}({self.process(OWNER)}, {arguments})"

    def _sum_of(self, table: str, what: str) -> str:
        self._note(f"a sum of {table}")
        return f"(SELECT {what} FROM {table} WHERE owner_id = {self.process(OWNER)})"  # noqa: S608

    visit_textclause = visit_tstring = visit_textual_select = _refuse
    visit_custom_op_unary_operator = visit_custom_op_unary_modifier = _refuse


def _refuse_text() -> NoReturn:
    raise QueryRefused("A scoped session takes no SQL text; write the expression.")


def _check_owned(table: Any) -> None:
    if getattr(table, "fullname", None) not in _TABLES:
        raise QueryRefused(f"A scoped session does not reach {table}; it has no owner.")


def _check_grant(compiled: Any) -> None:
    """Refuse what a grant does not allow: a statement that writes, or reads another table."""
    if compiled is None or compiled.isinsert or compiled.isupdate or compiled.isdelete:
        raise QueryRefused("A grant only reads, and by no prepared statement.")
    if others := getattr(compiled, _NAMES, frozenset[str]()) - _READ_BY_GRANT:
        raise QueryRefused(f"A grant does not reach {', '.join(sorted(others))}.")


def _check_written(table: Any) -> None:
    _check_owned(table)
    if table.fullname in _ONLY_READ:
        raise QueryRefused(f"A scoped session does not write {table}.")


def _own(table: Any) -> list[Any]:
    """The conditions that a row of a table is changed."""
    _check_written(table)
    conditions = [table.c.owner_id == OWNER]
    if table.fullname in IN_ORGANISATIONS:
        conditions.append(func.owned_rows(table.c.org_id, type_=Boolean()))
    return conditions


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
            listener = _bind_owner(bind_scope(dialect, _PLACEHOLDER))
            event.listen(engine.sync_engine, "before_cursor_execute", listener, retval=True)


def name_owner(engine: AsyncEngine) -> None:
    """Tell PostgreSQL at the begin of each transaction whose rows it may show.

    Its own row-level security (see `postgres_roles`) then holds also where the compiler's filter
    does not. The setting ends with the transaction, so a pooled connection keeps none. A grant has
    settings of its own, which only policies to select threads and messages read.

    Args:
        engine: A restricted engine; its views are covered.
    """

    @event.listens_for(engine.sync_engine, "begin")
    def set_user(connection: Connection) -> None:
        connection.exec_driver_sql(*_user_of(connection))


def _user_of(connection: Connection) -> tuple[str, dict[str, str]]:
    bound: BoundScope = connection.get_execution_options()[_OPTION]
    orgs = ",".join(map(str, sorted(bound.scope.org_ids)))
    statement = _SET_SUBJECT if bound.scope.is_grant else _SET_USER
    return statement, {"user": str(bound.scope.owner), "orgs": orgs}


def owned_by(engine: AsyncEngine, scope: RowScope) -> AsyncEngine:
    """A view of a restricted engine, with the same connections, for one owner."""
    return engine.execution_options(**{_OPTION: bind_scope(engine.dialect, scope)})


def bind_scope(dialect: Dialect, scope: RowScope) -> BoundScope:
    """A scope as the driver of a dialect takes it."""
    return BoundScope(
        scope, _bound(dialect, OWNER, scope.owner), _bound(dialect, ORGANISATIONS, scope.reached)
    )


def _bound(dialect: Dialect, parameter: BindParameter[Any], value: Any) -> Any:
    convert = parameter.type.dialect_impl(dialect).bind_processor(dialect)
    return convert(value) if convert else value


def is_restricted(dialect: Dialect) -> bool:
    """Whether the statements of a dialect are restricted to an owner."""
    compiler: Any = dialect.statement_compiler
    return issubclass(compiler, _OwnerFilter)


def register_prepared(sql: str) -> None:
    """Let restricted connections execute this text: what a prepared statement is compiled to."""
    _prepared.add(sql)


def _bind_owner(placeholder: BoundScope) -> Callable[..., tuple[str, Any]]:
    def before_execute(
        connection: Connection,
        _cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> tuple[str, Any]:
        bound: BoundScope = connection.get_execution_options()[_OPTION]
        if context is None or context.compiled is None:
            if statement in _prepared:
                if bound.scope.is_grant:
                    _check_grant(None)
                for row in parameters if executemany else [parameters]:
                    if bound.owner not in (row.values() if isinstance(row, dict) else row):
                        raise QueryRefused("A prepared statement has the owner among its values.")
                return statement, parameters
            if statement not in _BEGIN and (statement, parameters) != _user_of(connection):
                _refuse_text()
            return statement, parameters
        if bound.scope.is_grant:
            _check_grant(context.compiled)

        def fill_in(value: Any) -> Any:
            if value == placeholder.owner:
                return bound.owner
            return bound.org_ids if value == placeholder.org_ids else value

        def with_owner(row: Any) -> Any:
            if isinstance(row, dict):
                return {key: fill_in(value) for key, value in row.items()}
            return tuple(map(fill_in, row))

        if executemany:
            return statement, [with_owner(row) for row in parameters]
        return statement, with_owner(parameters)

    return before_execute
