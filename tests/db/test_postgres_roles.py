"""PostgreSQL's roles: made right by the migration, checked at the start, or one for everything."""

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from chat_app.core.errors import DatabaseError
from chat_app.db.engine import Database
from chat_app.db.migrations import RevisionMismatch, check, upgrade
from chat_app.db.owner_functions import NAMES
from chat_app.db.tables import OWNED, READ_BY_GRANT, Thread
from chat_app.settings import ConfigError, Settings, read_settings, start_warnings
from testing.database import without_sqlite
from testing.owned_rows import make_person
from testing.postgres import OWNER, ROOT, SUPERUSER, PostgresDatabase, PostgresServer

HAND_OVER = ROOT / "docs" / "deployment" / "postgresql-owner.sql"


def _settings(database: PostgresDatabase, **given: Any) -> Settings:
    return read_settings(_env_file=None, **{**database.settings, **given})


FAULTS = {
    "ALTER ROLE chat_app BYPASSRLS": ("has BYPASSRLS", "ALTER ROLE chat_app NOBYPASSRLS"),
    "ALTER ROLE chat_app SUPERUSER": ("is a superuser", "ALTER ROLE chat_app NOSUPERUSER"),
    "ALTER ROLE chat_app CREATEROLE": ("may create roles", "ALTER ROLE chat_app NOCREATEROLE"),
    "GRANT chat_system TO chat_app": (
        "is a member of another role",
        "REVOKE chat_system FROM chat_app",
    ),
    "ALTER TABLE run OWNER TO chat_app": (
        "owns tables",
        "ALTER TABLE run OWNER TO chat_owner; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON run TO chat_app",
    ),
    "GRANT TEMPORARY ON DATABASE {name} TO PUBLIC": (
        "may create tables",
        "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
    ),
    'GRANT SELECT (email) ON "user" TO chat_app': (
        "reads tables that hold no user's rows",
        'REVOKE SELECT (email) ON "user" FROM chat_app',
    ),
    "GRANT TRUNCATE ON message TO chat_app": (
        "may empty or change tables",
        "REVOKE TRUNCATE ON message FROM chat_app",
    ),
    "REVOKE DELETE ON message FROM chat_app": (
        "may not read and write users' rows",
        "GRANT DELETE ON message TO chat_app",
    ),
    "ALTER TABLE thread NO FORCE ROW LEVEL SECURITY": (
        "is not held by row-level security",
        "ALTER TABLE thread FORCE ROW LEVEL SECURITY",
    ),
    "CREATE POLICY other ON thread USING (true)": (
        "sees rows of the table thread without naming a user",
        "DROP POLICY other ON thread",
    ),
}


async def test_a_role_that_would_see_rows_of_other_users_stops_the_start(
    postgres: PostgresDatabase,
) -> None:
    db = postgres.open(Database)
    await make_person(db, "alice")
    await db.close()
    server = _settings(postgres, database_admin_url="")
    for spoil, (fault, mend) in FAULTS.items():
        postgres.rows(spoil.format(name=postgres.name))
        try:
            with pytest.raises(ConfigError, match=r"^DATABASE_URL: the role chat_app ") as error:
                upgrade(server)
            assert fault in str(error.value)
        finally:
            postgres.rows(mend.format(name=postgres.name))
        assert not upgrade(server), spoil


def test_a_migration_gives_the_roles_their_rights_and_no_others(postgres: PostgresDatabase) -> None:
    for spoil in (
        'GRANT ALL ON "user", account TO chat_app',
        "GRANT TRUNCATE ON thread TO chat_app",
        "REVOKE ALL ON thread, message FROM chat_app",
        "REVOKE ALL ON auth_session FROM chat_system",
        "DROP POLICY every_row ON run",
        "ALTER POLICY owner_rows ON message USING (true)",
        "ALTER TABLE message NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE run_event DISABLE ROW LEVEL SECURITY",
        f"GRANT TEMPORARY ON DATABASE {postgres.name} TO PUBLIC",
    ):
        postgres.rows(spoil)
    assert not upgrade(_settings(postgres))
    assert postgres.rows("SELECT count(*) FROM pg_policies") == [
        (2 * len(OWNED) + len(READ_BY_GRANT),)
    ]
    assert postgres.rows("SELECT has_table_privilege('chat_system', 'auth_session', 'UPDATE')") == [
        (True,)
    ]


def test_a_server_without_the_owners_role_leaves_migrating_to_the_operator(
    postgres: PostgresDatabase,
) -> None:
    server = _settings(postgres, database_admin_url="")
    check(server)
    assert not upgrade(server)
    postgres.rows("UPDATE alembic_version SET version_num = '0006'")
    for refuse in (check, upgrade):
        with pytest.raises(RevisionMismatch, match="run: chat-app migrate"):
            refuse(server)


def test_tables_of_another_role_are_not_migrated(postgres: PostgresDatabase) -> None:
    postgres.rows("ALTER TABLE thread OWNER TO chat_system")
    with pytest.raises(ConfigError, match=r"belong to the role chat_system; .* REASSIGN OWNED"):
        upgrade(_settings(postgres))


def test_what_a_superuser_made_is_handed_over_as_the_docs_say(
    postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    owned = "SELECT count(*) FROM pg_tables WHERE tableowner = 'chat_owner'"
    count = postgres.rows(owned)
    for (name,) in postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        postgres.rows(f'ALTER TABLE "{name}" OWNER TO {SUPERUSER}')
    for arguments in ("uuid, text", "uuid, text, bigint, integer"):
        postgres.rows(f"ALTER FUNCTION search_hits({arguments}) OWNER TO {SUPERUSER}")
    for name in NAMES:
        postgres.rows(f"ALTER FUNCTION {name} OWNER TO {SUPERUSER}")
    postgres.rows(f"ALTER DATABASE {postgres.name} OWNER TO {SUPERUSER}")
    with pytest.raises(ConfigError, match=r"belong to the role postgres; docs/postgresql\.md says"):
        upgrade(_settings(postgres))
    postgres_server.execute(HAND_OVER.read_text(), postgres.name)
    assert postgres.rows(owned) == count
    assert not upgrade(_settings(postgres))


def test_a_function_of_another_role_is_not_replaced(postgres: PostgresDatabase) -> None:
    postgres.rows(f"ALTER FUNCTION search_hits(uuid, text) OWNER TO {SUPERUSER}")
    with pytest.raises(ConfigError, match="belong to the role postgres"):
        upgrade(_settings(postgres))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        ("ALTER DATABASE {name} OWNER TO postgres", 'ALTER DATABASE "{name}" OWNER'),
        ("ALTER SCHEMA public OWNER TO postgres", 'ALTER SCHEMA "public" OWNER'),
    ],
)
def test_an_owner_that_cannot_give_rights_is_told_what_to_run(
    postgres: PostgresDatabase, spoil: str, problem: str
) -> None:
    postgres.rows(spoil.format(name=postgres.name))
    with pytest.raises(ConfigError) as error:
        upgrade(_settings(postgres))
    said = f'as a superuser, run: {problem.format(name=postgres.name)} TO "chat_owner"'
    assert str(error.value).endswith(said)
    postgres.rows(said.partition("run: ")[2])
    assert not upgrade(_settings(postgres))


def test_urls_of_two_databases_are_refused(
    postgres: PostgresDatabase, postgres_server: PostgresServer
) -> None:
    other = postgres_server.database("chat")
    wrong = _settings(postgres, database_admin_url="", database_url=other.app_url)
    with pytest.raises(ConfigError, match="DATABASE_SYSTEM_URL is another database"):
        upgrade(wrong)


async def test_one_role_works_with_a_warning(empty_postgres: PostgresDatabase) -> None:
    settings = read_settings(_env_file=None, **empty_postgres.one_role)
    assert upgrade(settings)
    assert not upgrade(settings)
    assert any("row-level security is off" in said for said in start_warnings(settings, {}))
    assert not any("row-level" in said for said in start_warnings(_settings(empty_postgres), {}))
    db = Database(settings.sqlalchemy_url, system_url=settings.system_url)
    alice, _ = await make_person(db, "alice"), await make_person(db, "bob")
    async with db.read(alice.principal) as session:
        assert (await session.exec(select(Thread.title))).all() == ["alice thread"]
    await db.close()
    assert not upgrade(_settings(empty_postgres)), "and three roles can follow"


def test_of_two_migrations_at_once_one_waits_for_the_other(
    empty_postgres: PostgresDatabase,
) -> None:
    settings, results = _settings(empty_postgres), []
    threads = [
        threading.Thread(target=lambda: results.append(upgrade(settings, busy_seconds=60)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]


async def test_a_dump_of_the_owner_has_every_row_and_can_be_restored(
    postgres: PostgresDatabase, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    db = postgres.open(Database)
    await make_person(db, "alice")
    await make_person(db, "bob")
    await db.close()
    dump = str(tmp_path / "chat.dump")
    at = ("-h", str(postgres_server.folder))

    def run(program: str, *words: str) -> None:
        subprocess.run([postgres_server.program(program), *at, *words], check=True)

    run("pg_dump", "--enable-row-security", "-U", OWNER, "-Fc", "-f", dump, postgres.name)
    with postgres_server.new_database("template0") as restored:
        run("pg_restore", "-U", SUPERUSER, "-d", restored.name, dump)
        assert not upgrade(_settings(restored))
        for table in ("user", "thread", "message", "run", "run_event"):
            query = f'SELECT t::text FROM "{table}" t ORDER BY 1'
            assert restored.rows(query) == postgres.rows(query)
            assert len(restored.rows(query)) == 2


def test_a_test_on_postgres_cannot_open_a_sqlite_file(tmp_path: Path) -> None:
    def run() -> None:
        with without_sqlite():
            url = f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}"
            with pytest.raises((AssertionError, DatabaseError)):
                upgrade(read_settings(_env_file=None, data_dir=tmp_path, database_url=url))

    with pytest.raises(AssertionError, match="has opened a SQLite file"):
        run()
