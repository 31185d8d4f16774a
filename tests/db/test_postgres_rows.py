"""What the role of scoped sessions reaches with SQL of its own, past the filter of the program."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from chat_app.db.engine import Database
from chat_app.db.tables import OWNED
from testing.owned_rows import Person
from testing.postgres import PostgresDatabase

OWNED_TABLES = tuple(str(model.__tablename__) for model in OWNED)

pytestmark = pytest.mark.parametrize("database", ["postgres"], indirect=True)

READS = {
    "a table": "SELECT * FROM thread",
    "the table command": "TABLE message",
    "or true": "SELECT title FROM thread WHERE title = '' OR true",
    "no where at all": "SELECT payload FROM run_event",
    "a join": "SELECT * FROM thread JOIN message ON true JOIN run ON true",
    "an outer join": "SELECT * FROM message FULL JOIN run ON false",
    "a subquery": "SELECT (SELECT string_agg(title, ',') FROM thread)",
    "exists": "SELECT 1 WHERE EXISTS (SELECT FROM thread WHERE title LIKE 'bob%')",
    "a union": "SELECT title FROM thread UNION ALL SELECT model FROM run",
    "a cte": "WITH t AS MATERIALIZED (SELECT * FROM thread) SELECT * FROM t",
    "a recursive cte": (
        "WITH RECURSIVE r AS (SELECT id, parts::text FROM message UNION "
        "SELECT m.id, m.parts::text FROM message m JOIN r ON true) SELECT * FROM r"
    ),
    "lateral": "SELECT * FROM thread t, LATERAL (SELECT * FROM message) m",
    "a window": "SELECT title, count(*) OVER () FROM thread",
    "a sample": "SELECT * FROM thread TABLESAMPLE SYSTEM (100)",
    "physical places": "SELECT ctid, xmin, title FROM thread",
    "only": "SELECT * FROM ONLY thread",
    "locked": "SELECT title FROM thread FOR UPDATE",
    "a function of a query": "SELECT query_to_xml('SELECT * FROM thread', true, false, '')",
    "a function of a table": "SELECT table_to_xml('message', true, false, '')",
    "a function of the schema": (
        "SELECT table_to_xml(oid::regclass, true, false, '') FROM pg_class WHERE relname = 'run'"
    ),
    "words of a query": "SELECT * FROM ts_stat('SELECT to_tsvector(title) FROM thread')",
    "a prepared statement": "PREPARE p AS SELECT * FROM thread; EXECUTE p; DEALLOCATE p",
    "a cursor": "DECLARE c CURSOR FOR SELECT * FROM thread; FETCH ALL FROM c",
    "an error that says a value": "SELECT title::int FROM thread",
    "an error in a condition": "SELECT 1 FROM thread WHERE title::int > 0",
    "an error in a function": "SELECT 1 FROM run_event WHERE 1 / (length(payload) - 9) > 0",
    "a block": (
        "DO $$ DECLARE t text; BEGIN SELECT string_agg(title, ',') INTO t FROM thread; "
        "RAISE EXCEPTION '%', t; END $$"
    ),
    "another search path": "SET LOCAL search_path = pg_catalog; SELECT * FROM public.thread",
    "the planner's statistics": "SELECT most_common_vals::text FROM pg_stats",
    "the statistics themselves": "SELECT * FROM pg_statistic",
    "the owner's policy by name": "SET LOCAL row_security = off; SELECT * FROM thread",
    "an explanation": "EXPLAIN (VERBOSE) SELECT * FROM thread",
    "words that were found": "SELECT * FROM search_entry",
    "users": 'SELECT * FROM "user"',
    "passwords": "SELECT password_hash FROM account",
    "sessions": "SELECT token_hash FROM auth_session",
    "one column of users": 'SELECT count(email) FROM "user"',
    "files of the server": "SELECT pg_read_file('pg_hba.conf')",
    "a large object": "SELECT lo_import('/etc/passwd')",
    "a copy to a program": "COPY thread TO PROGRAM 'cat'",
    "a copy to a file": "COPY thread TO '/srv/threads'",
}
WRITES = {
    "a search for another": "SELECT search_hits('{bob}', 'bob')",
    "a search for the newest of another": "SELECT search_hits('{bob}', 'bob', 1000000, 10)",
    "what another stores": "SELECT stored_bytes('{bob}', 1)",
    "what another's clients report": "SELECT stored_report_bytes('{bob}', 1)",
    "an update": "UPDATE thread SET title = title || '!' RETURNING *",
    "an update from another table": "UPDATE thread SET title = m.role FROM message m RETURNING m.*",
    "an update of the owner": "UPDATE thread SET owner_id = '{bob}'",
    "an upsert on another's id": (
        "INSERT INTO thread SELECT '{bob}', '{thread}', 't', 's', 'm', NULL, now(), now() "
        "ON CONFLICT (id) DO UPDATE SET title = 'stolen' RETURNING *"
    ),
    "an upsert that does nothing": (
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        "VALUES ('{thread}', '{alice}', '', '', '', now(), now()) ON CONFLICT DO NOTHING"
    ),
    "a forged row": (
        "INSERT INTO thread (id, owner_id, title, title_origin, model, created_at, updated_at) "
        "VALUES (gen_random_uuid(), '{bob}', '', '', '', now(), now())"
    ),
    "a child of another's row": (
        "INSERT INTO run_event (run_id, seq, owner_id, kind, payload) "
        "VALUES ('{run}', 9, '{alice}', 'text', '')"
    ),
    "a merge": (
        "MERGE INTO thread t USING (SELECT '{thread}'::uuid AS id) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET title = 'stolen' RETURNING t.*"
    ),
    "a temporary table": "CREATE TEMP TABLE thread AS SELECT 1",
    "a view": "CREATE VIEW stolen AS SELECT * FROM thread",
    "a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "no more policies": "ALTER TABLE thread DISABLE ROW LEVEL SECURITY",
    "another policy": "CREATE POLICY mine ON thread USING (true)",
    "one policy less": "DROP POLICY owner_rows ON thread",
    "a grant": 'GRANT SELECT ON "user" TO chat_app',
    "no triggers": "SET LOCAL session_replication_role = replica",
    "an empty table": "TRUNCATE thread CASCADE",
    "a delete of all": "DELETE FROM thread RETURNING *",
}
BECOMING_ANOTHER_ROLE = (
    "SET ROLE chat_system",
    "SET ROLE chat_owner",
    "SET LOCAL ROLE chat_system",
    "SET SESSION AUTHORIZATION chat_system",
    "GRANT chat_system TO chat_app",
    "GRANT chat_owner TO chat_app",
    "ALTER ROLE chat_app BYPASSRLS",
    "ALTER ROLE chat_app SUPERUSER",
    "ALTER ROLE chat_system PASSWORD 'known'",
    "CREATE ROLE other IN ROLE chat_system",
    "REASSIGN OWNED BY chat_owner TO chat_app",
    "ALTER TABLE thread OWNER TO chat_app",
    "SELECT set_config('role', 'chat_system', true)",
    "SELECT set_config('session_authorization', 'chat_system', true)",
)


@contextmanager
def _as_app(database: PostgresDatabase, person: Person | None) -> Iterator[psycopg.Connection]:
    """A transaction of the role of scoped sessions, on behalf of a user or of none."""
    with psycopg.connect(database.app_url) as connection:
        if person is not None:
            user_id = str(person.principal.user_id)
            connection.execute("SELECT set_config('app.user_id', %s, true)", [user_id])
        yield connection


def _outcome(connection: psycopg.Connection, statement: str) -> str:
    """Everything that statements return or say when they fail."""
    try:
        cursor = connection.execute(statement.encode())
        said: list[object] = []
        while True:
            said.append(cursor.fetchall() if cursor.description else cursor.statusmessage)
            if not cursor.nextset():
                break
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        return f"{type(error).__name__}: {error}"
    return str(said)


def _rows_of(database: PostgresDatabase, person: Person) -> list[tuple[object, ...]]:
    tables = OWNED_TABLES
    return [
        row
        for table in tables
        for row in database.rows(
            f"SELECT {table}::text FROM {table} WHERE owner_id = :user",
            user=person.principal.user_id,
        )
    ]


async def test_no_statement_of_the_role_shows_or_changes_a_row_of_another_user(
    database: PostgresDatabase, db: Database, alice: Person, bob: Person
) -> None:
    database.rows("ANALYZE")
    ids = {
        "alice": alice.principal.user_id,
        "bob": bob.principal.user_id,
        "thread": bob.thread_id,
        "run": bob.run_id,
    }
    before = _rows_of(database, bob)
    assert len(before) >= 4
    seen = 0
    for name, statement in (READS | WRITES).items():
        with _as_app(database, alice) as connection:
            given = statement.format(**ids) if name in WRITES else statement
            said = _outcome(connection, given)
        told = said.replace(given, "").replace("'bob%'", "")
        seen += "alice" in told
        for secret in ("DivisionByZero", "bob ", "bob@", str(bob.thread_id), str(bob.message_id)):
            assert secret not in told or f"({secret})" in told, f"{name}: {said}"
        assert _rows_of(database, bob) == before, name
    assert seen > 20, "most reads show the rows of the user who asks"


async def test_a_transaction_that_names_no_user_sees_nothing(
    database: PostgresDatabase, db: Database, alice: Person
) -> None:
    for table in OWNED_TABLES:
        with _as_app(database, None) as connection:
            assert _outcome(connection, f"SELECT * FROM {table}") == "[[]]"
    with _as_app(database, None) as connection:
        assert "InvalidTextRepresentation" in _outcome(
            connection, "SET LOCAL app.user_id = 'everybody'; SELECT * FROM thread"
        )


async def test_a_pooled_connection_forgets_whose_rows_it_showed(
    database: PostgresDatabase, db: Database, alice: Person
) -> None:
    with _as_app(database, alice) as connection:
        assert "alice thread" in _outcome(connection, "SELECT title FROM thread")
        assert _outcome(connection, "SELECT title FROM thread") == "[[]]"


async def test_the_role_of_scoped_sessions_cannot_become_another(
    database: PostgresDatabase, db: Database, alice: Person, bob: Person
) -> None:
    for statement in BECOMING_ANOTHER_ROLE:
        with _as_app(database, alice) as connection:
            said = _outcome(connection, statement)
            assert said.startswith(("InsufficientPrivilege", "InvalidParameterValue")), said
            who = _outcome(connection, "SELECT current_user, session_user")
            assert who == "[[('chat_app', 'chat_app')]]", statement
            assert _outcome(connection, "SELECT title FROM thread") == "[[]]", statement


async def test_the_owner_sees_every_row_so_that_data_migrations_change_them(
    database: PostgresDatabase, db: Database, alice: Person, bob: Person
) -> None:
    for url in (database.owner_url, database.system_url):
        with psycopg.connect(url) as connection:
            changed = connection.execute("UPDATE thread SET model = 'moved'")
            assert changed.rowcount == 2, url
            connection.rollback()
