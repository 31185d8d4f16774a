"""Full-text search in both databases: the index, what it holds, and the hits of a search in it.

`SearchEntry` has the tokens of each title and message. On SQLite an FTS5 table indexes them, which
triggers keep in step with it, cascades included. Neither database splits or folds a token again.

The owner is one of the terms of each entry, and of each search: the compiler of scoped sessions
adds it (`row_level_security`). A search reads what its owner's words are in, whatever others wrote.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Integer,
    Table,
    Text,
    bindparam,
    column,
    delete,
    event,
    func,
    insert,
    inspect,
    literal,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import UOWTransaction
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session

from chat_app.core.parts import Part
from chat_app.core.search_tokens import token_text
from chat_app.db.tables import Message, SearchEntry, Thread

INDEX = "search_index"
"""The name of the index, with which the tables that FTS5 makes for it begin."""
MAX_TOKEN_BYTES = 1_000_000
"""The most bytes of tokens of one message; PostgreSQL's tsvector takes as many."""
TITLE = "title"
"""The role of a title's entry."""

_MAX_ID = 2**63 - 1

SQLITE = (
    # Nothing but which rows have a term: the text stands in the entry, and a term is one token.
    "CREATE VIRTUAL TABLE search_index USING fts5 "
    "(terms, content='', columnsize=0, detail=none, tokenize=\"ascii tokenchars '_'\")",
    "CREATE TRIGGER search_entry_added AFTER INSERT ON search_entry BEGIN "
    "INSERT INTO search_index (rowid, terms) "
    "VALUES (new.id, '_' || new.owner_id || ' _' || new.role || ' ' || new.tokens); END",
    "CREATE TRIGGER search_entry_removed AFTER DELETE ON search_entry BEGIN "
    "INSERT INTO search_index (search_index, rowid, terms) "
    "VALUES ('delete', old.id, '_' || old.owner_id || ' _' || old.role || ' ' || old.tokens); END",
    # Not of the owner, who never changes: the key to a thread that moves writes it again.
    "CREATE TRIGGER search_entry_changed AFTER UPDATE OF id, role, tokens ON search_entry BEGIN "
    "INSERT INTO search_index (search_index, rowid, terms) "
    "VALUES ('delete', old.id, '_' || old.owner_id || ' _' || old.role || ' ' || old.tokens); "
    "INSERT INTO search_index (rowid, terms) "
    "VALUES (new.id, '_' || new.owner_id || ' _' || new.role || ' ' || new.tokens); END",
)
"""The index on SQLite. A table that is made anew in a migration loses its triggers."""

# The terms of an entry: its owner, the owner with the numbers of two blocks that it is in, its
# role, and its tokens.
_TERMS = (
    "array_to_tsvector(array_remove(string_to_array('_' || replace({0}owner_id::text, '-', '') || "
    "' _' || replace({0}owner_id::text, '-', '') || '.' || ({0}id >> 10)::text || "
    "' _' || replace({0}owner_id::text, '-', '') || '..' || ({0}id >> 16)::text || "
    "' _' || {0}role || ' ' || {0}tokens, ' '), ''))"
)
POSTGRESQL = (
    f"CREATE INDEX search_index ON search_entry USING gin ({_TERMS.format('')}) "
    "WITH (gin_pending_list_limit = 128)",
    "CREATE INDEX search_index_owner ON search_entry (owner_id, id)",
    # An operator of text search may use no index behind row-level security, because it could tell
    # what is in the rows that it drops. So the function reads as the owner of the table, and only
    # the rows of the user whom the transaction names. It looks through the last entries of the user
    # first, `most` * 20 of them or more, by the blocks that they are in: a word of many texts is
    # found there often enough. No other plan than that of the index of terms is good, whatever the
    # planner believes about them.
    "CREATE FUNCTION search_hits(owner uuid, terms text, upto bigint, most integer) "  # noqa: S608
    "RETURNS TABLE (id bigint) LANGUAGE plpgsql STABLE ROWS 100 SECURITY DEFINER "
    "SET search_path FROM CURRENT SET enable_seqscan = off AS $$ "
    "DECLARE mine text := '_' || replace(owner::text, '-', ''); "
    "newest bigint; oldest bigint; block text; size integer; hits bigint[]; "
    "BEGIN "
    "IF owner IS DISTINCT FROM nullif(current_setting('app.user_id', true), '')::uuid THEN "
    "RETURN; END IF; "
    "IF most <= 1000 THEN "
    "newest := (SELECT entry.id FROM search_entry entry "
    "WHERE entry.owner_id = owner AND entry.id <= upto "
    "ORDER BY entry.owner_id DESC, entry.id DESC LIMIT 1); "
    "oldest := (SELECT entry.id FROM search_entry entry "
    "WHERE entry.owner_id = owner AND entry.id <= upto "
    "ORDER BY entry.owner_id DESC, entry.id DESC OFFSET most * 20 LIMIT 1); "
    "IF (newest >> 10) - (oldest >> 10) < 32 THEN block := mine || '.'; size := 10; "
    "ELSIF (newest >> 16) - (oldest >> 16) < 32 THEN block := mine || '..'; size := 16; "
    "END IF; END IF; "
    "IF size IS NOT NULL THEN "
    "hits := ARRAY(WITH hit AS MATERIALIZED (SELECT entry.id, entry.owner_id "
    f"FROM search_entry entry WHERE {_TERMS.format('entry.')} @@ CAST(terms || ' & (' || "
    "(SELECT string_agg('''' || block || number || '''', ' | ') "
    "FROM generate_series(oldest >> size, newest >> size) number) || ')' AS tsquery)) "
    "SELECT hit.id FROM hit WHERE hit.owner_id = owner AND hit.id <= upto "
    "ORDER BY hit.id DESC LIMIT most); "
    "IF cardinality(hits) = most THEN RETURN QUERY SELECT unnest(hits); RETURN; END IF; "
    "END IF; "
    "RETURN QUERY WITH hit AS MATERIALIZED (SELECT entry.id, entry.owner_id "
    f"FROM search_entry entry WHERE {_TERMS.format('entry.')} "
    "@@ CAST('''' || mine || ''' & ' || terms AS tsquery)) "
    "SELECT hit.id FROM hit WHERE hit.owner_id = owner AND hit.id <= upto "
    "ORDER BY hit.id DESC LIMIT most; "
    "END $$",
)
"""The index on PostgreSQL, and the function that searches it."""

_ENTRY: Table = SearchEntry.__table__  # pyright: ignore[reportAttributeAccessIssue]

for _dialect, _statements in {"sqlite": SQLITE, "postgresql": POSTGRESQL}.items():
    for _statement in _statements:
        _made = DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect)
        event.listen(_ENTRY, "after_create", _made)


class _Terms(TypeDecorator[tuple[Sequence[str], str]]):
    """Terms that all must be there, and one that must not, quoted: none is an operator."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """The terms as a query of FTS5 or as a `tsquery`."""
        quote, operator, negation = (
            ('"', " AND ", " NOT ") if dialect.name == "sqlite" else ("'", " & ", " & !")
        )
        terms, without = value
        every = operator.join(f"{quote}{term.replace(quote, '')}{quote}" for term in terms)
        return f"{every}{negation}{quote}{without}{quote}" if without else every


def hits(*, bounded: bool = False) -> TableValuedAlias:
    """The entries of the owner that a search finds, as a table with their ids.

    Its parameters are those of `hit_params`, so that a statement can be kept.

    Args:
        bounded: Whether only some are returned, those with the largest ids.
    """
    given = [bindparam("terms", type_=_Terms()), bindparam("upto", type_=BigInteger())]
    if bounded:
        given.append(bindparam("most", type_=Integer()))
    return func.search_hits(*given).table_valued(column("id", BigInteger), name="hits")


def hit_params(
    terms: Sequence[str],
    *,
    role: str = "",
    without: str = "",
    upto: int | None = None,
    most: int | None = None,
) -> dict[str, Any]:
    """The parameters of `hits`.

    Args:
        terms: Tokens that an entry has all of, at least one.
        role: Only entries of this role; empty for all.
        without: No entries of this role; empty for none.
        upto: Only entries with this id or a smaller one.
        most: How many of them, for a bounded table; None for another one.
    """
    every = (f"_{role}", *terms) if role else tuple(terms)
    params: dict[str, Any] = {
        "terms": (every, without and f"_{without}"),
        "upto": _MAX_ID if upto is None else upto,
    }
    return params if most is None else {**params, "most": most}


class Contains(FunctionElement[bool]):
    """Whether a text contains another, at the cost of the text's length alone; LIKE multiplies.

    Args:
        text: The text.
        part: What it may contain, or the parameter for it.
    """

    type = Boolean()
    inherit_cache = True
    name = "contains"

    def __init__(self, text: ColumnElement[str], part: str | BindParameter[str]) -> None:
        super().__init__(text, literal(part) if isinstance(part, str) else part)


@compiles(Contains, "sqlite")
def _contains_on_sqlite(element: Contains, compiler: SQLCompiler, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)}) > 0"


@compiles(Contains, "postgresql")
def _contains_on_postgres(element: Contains, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)}) > 0"


def searched_text(parts: Sequence[Part]) -> str:
    """What is searched of a message: its text, not its reasoning, tool calls and files."""
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def write_entries(session: Session, flush: UOWTransaction) -> None:
    """Write the entries of the titles and messages that a flush has written, in its transaction.

    Args:
        session: What it has flushed; its rows still say what has changed.
        flush: The flush.
    """
    new = [row for row in session.new if isinstance(row, Message | Thread)]
    changed = list[Message | Thread]()
    for row in session.dirty:
        if isinstance(row, Message | Thread) and (before := _before(row)) is not None:
            # an empty text had no entry
            (changed if before else new).append(row)
    if not (new or changed):
        return
    connection = flush.transaction.connection(inspect(SearchEntry))
    if changed:
        for row in changed:
            connection.execute(delete(_ENTRY).where(_is_of(row)))
        new += changed
    if entries := list(filter(None, map(_entry_of, new))):
        connection.execute(insert(_ENTRY), entries)


def _before(row: Message | Thread) -> bool | None:
    """Whether a row had text before a change of it; None if the text has not changed."""
    history = inspect(row).attrs["parts" if isinstance(row, Message) else "title"].history
    if not history.has_changes():
        return None
    return not history.deleted or any(history.deleted)


def _is_of(row: Message | Thread) -> ColumnElement[bool]:
    if isinstance(row, Message):
        return _ENTRY.c.message_id == row.id
    return (_ENTRY.c.thread_id == row.id) & _ENTRY.c.message_id.is_(None)


def entry_of_title(title: str, **row: Any) -> dict[str, Any] | None:
    """The columns of a title's entry; None if it has no word.

    Args:
        title: The title.
        row: `owner_id`, `org_id`, `thread_id` and `created_at`.
    """
    return _entry(title, **row, message_id=None, role=TITLE)


def entry_of_message(parts: Sequence[Part], **row: Any) -> dict[str, Any] | None:
    """The columns of a message's entry; None if it has no word.

    Args:
        parts: The message.
        row: `owner_id`, `org_id`, `thread_id`, `message_id`, `role` and `created_at`.
    """
    return _entry(searched_text(parts), **row)


def _entry(text: str, **row: Any) -> dict[str, Any] | None:
    tokens = token_text(text, MAX_TOKEN_BYTES)
    return {**row, "tokens": tokens} if tokens else None


def _entry_of(row: Message | Thread) -> dict[str, Any] | None:
    at = {"owner_id": row.owner_id, "org_id": row.org_id, "created_at": row.created_at}
    if isinstance(row, Thread):
        return entry_of_title(row.title, thread_id=row.id, **at)
    return entry_of_message(
        row.parts, thread_id=row.thread_id, message_id=row.id, role=row.role, **at
    )
