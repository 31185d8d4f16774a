"""PostgreSQL's roles: what each may do, and whether PostgreSQL itself keeps users' rows apart.

The owner of the tables migrates them. `system` sees every row: system sessions and the log of
answers. `app` is the role of scoped sessions: it has rights on the tables of users' rows only, and
policies show it the rows of the user that its transaction names, and of these no row of an
organisation that it does not name (see `name_owner`). A transaction that names a subject in place
of a user, for a grant, selects that user's threads and messages in one organisation. Nothing that a
statement of `app` says leads to another role, so a statement that slips past the compiler's filter
still meets this wall. To the audit log `app` only adds rows, and `system` only seals them.

With one role for everything that role owns the tables, and the policies let it see every row.
"""

from typing import Any

from sqlalchemy import Connection, text

from chat_app.db.owner_functions import NAMES
from chat_app.db.tables import (
    ONLY_READ,
    OWNED,
    PRIVATE,
    READ_BY_GRANT,
    AuditEvent,
    InOrganisation,
)
from chat_app.settings.database import DatabaseSettings, role_of
from chat_app.settings.validation import ConfigError

_OWN = "owner_id = nullif(current_setting('app.user_id', true), '')::uuid"
# the inner SELECT is evaluated once, not for each row
_REACHED = (
    f"(org_id = '{PRIVATE}' OR org_id = ANY ((SELECT string_to_array("
    "nullif(current_setting('app.org_ids', true), ''), ',')::uuid[])::uuid[]))"
)
# what a grant names, which only a policy to select reads: its transaction names no user
_GRANTED = (
    "owner_id = (SELECT nullif(current_setting('app.subject_id', true), '')::uuid) AND "
    "org_id = (SELECT nullif(current_setting('app.subject_org', true), '')::uuid) AND "
    f"org_id <> '{PRIVATE}'"
)
_WRITE = "SELECT, INSERT, UPDATE, DELETE"
_TABLES = tuple(str(model.__tablename__) for model in OWNED)
_ONLY_READ = frozenset(str(model.__tablename__) for model in ONLY_READ)
_AUDIT = str(AuditEvent.__tablename__)
_SEAL = "seq, seal, key_id, anchor_seal"
_APPENDED = "at, action, actor, subject_kind, subject, org_id, network, request_id, details"
_POLICIES = {
    str(model.__tablename__): f"{_OWN} AND {_REACHED}"
    if issubclass(model, InOrganisation)
    else _OWN
    for model in OWNED
}
"""Which rows of each table the policies show, and let be written."""
_FUNCTIONS = ("search_hits", "refuse_audit_change", *NAMES)
MIGRATIONS_LOCK = 0x63686174_0001  # "chat", and a number for this purpose


def serialize_migrations(connection: Connection) -> None:
    """Wait until no other process migrates the database; the end of the transaction lets it go.

    Raises:
        DatabaseBusy: The other one takes too long.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATIONS_LOCK})


def protect_tables(connection: Connection, settings: DatabaseSettings) -> None:
    """Give every table of users' rows its policies, and each role its rights, and no others.

    It repeats what is there already, so it can follow every migration: a table that a migration
    adds is protected whatever the migration says.

    Args:
        connection: The connection of the role that migrates, in the migration's transaction.
        settings: The URLs, which name the roles.
    """
    quote = connection.dialect.identifier_preparer.quote
    database, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    database, schema = quote(database), quote(schema)
    everyone = ["CURRENT_USER"]
    statements: list[str] = []
    if settings.database_system_url:
        app, system = (
            quote(role_of(url)) for url in (settings.database_url, settings.database_system_url)
        )
        everyone.append(system)
        statements += [
            # A temporary table would stand before the real one of that name, and outlive the
            # transaction on a pooled connection.
            f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {app}",
            f"GRANT CONNECT ON DATABASE {database} TO {system}, {app}",
            f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {app}",
            f"GRANT USAGE ON SCHEMA {schema} TO {system}, {app}",
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {app}, {system}",
            f"GRANT {_WRITE} ON ALL TABLES IN SCHEMA {schema} TO {system}",
            f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {system}",
            *(f"GRANT {_WRITE} ON {table} TO {app}" for table in _TABLES),
            # A row of the audit log is added without a seal, and sealed once; a trigger of the
            # table refuses to change a sealed one, whoever asks.
            f"REVOKE INSERT, UPDATE, DELETE ON {_AUDIT} FROM {system}",
            f"GRANT INSERT ({_APPENDED}) ON {_AUDIT} TO {system}, {app}",
            f"GRANT UPDATE ({_SEAL}) ON {_AUDIT} TO {system}",
        ]
    for table, condition in _POLICIES.items():
        for_what = " FOR SELECT" if table in _ONLY_READ else ""
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS owner_rows ON {table}",
            f"CREATE POLICY owner_rows ON {table}{for_what} USING ({condition})",
            f"DROP POLICY IF EXISTS every_row ON {table}",
            # The owner too is bound by FORCE: without this a data migration would change no row.
            f"CREATE POLICY every_row ON {table} TO {', '.join(everyone)} "
            "USING (true) WITH CHECK (true)",
        ]
    for table in (str(model.__tablename__) for model in READ_BY_GRANT):
        statements += [
            f"DROP POLICY IF EXISTS subject_rows ON {table}",
            f"CREATE POLICY subject_rows ON {table} FOR SELECT USING ({_GRANTED})",
        ]
    for statement in statements:
        connection.exec_driver_sql(statement)


def check_owner(connection: Connection) -> None:
    """Refuse to migrate what belongs to another role, with how to hand it over.

    Raises:
        ConfigError: Tables, or functions, belong to another role.
    """
    query = (
        "SELECT rolname, rolsuper, current_user FROM pg_roles WHERE oid IN ("
        "SELECT relowner FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
        "AND relname = ANY(CAST(:tables AS text[])) UNION "
        "SELECT proowner FROM pg_proc WHERE pronamespace = current_schema()::regnamespace "
        "AND proname = ANY(CAST(:functions AS text[]))) AND rolname <> current_user LIMIT 1"
    )
    names = {"tables": list(_TABLES), "functions": list(_FUNCTIONS)}
    found = connection.execute(text(query), names).one_or_none()
    if found is None:
        return
    owner, is_superuser, user = found
    hand_over = f'as a superuser, run: REASSIGN OWNED BY "{owner}" TO "{user}"'
    if is_superuser:  # PostgreSQL's own objects may be theirs, which cannot be reassigned
        hand_over = f"docs/postgresql.md says how to hand them over to {user}"
    raise ConfigError(f"DATABASE_ADMIN_URL: the tables belong to the role {owner}; {hand_over}")


def check_grantor(connection: Connection) -> None:
    """Refuse to migrate for several roles what cannot give them their rights.

    Raises:
        ConfigError: The database, or its schema, belongs to another role.
    """
    query = (
        "SELECT 'DATABASE', current_database(), current_user FROM pg_database "
        "WHERE datname = current_database() AND NOT pg_has_role(datdba, 'USAGE') UNION ALL "
        "SELECT 'SCHEMA', nspname, current_user FROM pg_namespace "
        "WHERE nspname = current_schema() AND NOT pg_has_role(nspowner, 'USAGE')"
    )
    found = connection.execute(text(query)).first()
    if found is not None:
        kind, name, user = found
        raise ConfigError(
            f"DATABASE_ADMIN_URL: the role {user} does not own the {kind.lower()} {name}, so it "
            "can't give the other roles their rights; as a superuser, run: "
            f'ALTER {kind} "{name}" OWNER TO "{user}"'
        )


_FAULTS = {
    "is a superuser or has BYPASSRLS": (
        "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ),
    "may create roles": "SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user",
    "is a member of another role": (
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname <> current_user "
        "AND pg_has_role(oid, 'MEMBER'))"
    ),
    "owns tables": (
        "SELECT EXISTS (SELECT FROM pg_class WHERE pg_get_userbyid(relowner) = current_user "
        "AND relnamespace = current_schema()::regnamespace)"
    ),
    "may create tables": (
        "SELECT has_schema_privilege(current_schema(), 'CREATE') "
        "OR has_database_privilege(current_database(), 'CREATE') "
        "OR has_database_privilege(current_database(), 'TEMPORARY')"
    ),
    "reads tables that hold no user's rows": (
        "SELECT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND relnamespace = current_schema()::regnamespace "
        "AND relname <> ALL(CAST(:tables AS text[])) AND relname <> :audit "
        "AND has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES'))"
    ),
    "does more with the audit log than add rows": (
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = :audit "
        "AND relnamespace = current_schema()::regnamespace "
        "AND (has_any_column_privilege(oid, 'SELECT, UPDATE, REFERENCES') "
        "OR has_table_privilege(oid, 'INSERT, DELETE')))"
    ),
    "may empty or change tables": (
        "SELECT EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = current_schema()::regnamespace "
        "AND has_table_privilege(oid, 'TRUNCATE, REFERENCES, TRIGGER'))"
    ),
    "may not read and write users' rows": (
        "SELECT count(*) < :count FROM pg_class WHERE relname = ANY(CAST(:tables AS text[])) "
        "AND relnamespace = current_schema()::regnamespace "
        "AND has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') "
        "AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')"
    ),
    "is not held by row-level security": (
        "SELECT count(*) < :count FROM pg_class WHERE relname = ANY(CAST(:tables AS text[])) "
        "AND relnamespace = current_schema()::regnamespace AND relforcerowsecurity "
        "AND row_security_active(oid)"
    ),
    **{
        f"sees rows of the table {table} without naming a user": (
            f"SELECT EXISTS (SELECT FROM {table})"  # noqa: S608
        )
        for table in _TABLES
    },
}
"""What is wrong with the role of scoped sessions → a query that finds it."""


def check_isolation(app: Connection, system: Connection) -> None:
    """Refuse several roles that do not keep users' rows apart.

    Args:
        app: A connection of the role of scoped sessions.
        system: A connection of the role of system sessions.

    Raises:
        ConfigError: With what is wrong.
    """
    if _place(app) != _place(system):
        raise ConfigError("DATABASE_SYSTEM_URL is another database than DATABASE_URL")
    role = app.execute(text("SELECT current_user")).scalar_one()
    for fault, query in _FAULTS.items():
        statement = text(query)
        known = {"tables": list(_TABLES), "count": len(_TABLES), "audit": _AUDIT}
        if app.execute(statement, {name: known[name] for name in statement._bindparams}).scalar():
            raise ConfigError(
                f"DATABASE_URL: the role {role} {fault}, so PostgreSQL would not keep users' rows "
                "apart; docs/postgresql.md says how to make the roles"
            )


def _place(connection: Connection) -> Any:
    """Which database of which server a connection leads to."""
    query = (
        "SELECT oid, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
    )
    return connection.execute(text(query)).one()
