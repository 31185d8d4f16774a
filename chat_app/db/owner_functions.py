"""What a user may know beyond the rows that a scope reaches: a sum of their own, a membership.

The compiler of scoped sessions writes these functions out on SQLite (`row_level_security`). On
PostgreSQL they read as the owner of the tables, and only for the user whom the transaction names.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    ColumnElement,
    Function,
    Uuid,
    bindparam,
    event,
    func,
)

from chat_app.db.tables import metadata

_IS_OWNER = "owner = nullif(current_setting('app.user_id', true), '')::uuid"

POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION stored_bytes(owner uuid, row_bytes bigint) "  # noqa: S608
    "RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
    "SELECT ((SELECT coalesce(sum(size), 0) + count(*) * row_bytes FROM message "
    "WHERE owner_id = owner) + (SELECT count(*) * row_bytes FROM thread "
    f"WHERE owner_id = owner))::bigint WHERE {_IS_OWNER} $$",
    "CREATE OR REPLACE FUNCTION stored_report_bytes(owner uuid, row_bytes bigint) "  # noqa: S608
    "RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
    "SELECT (SELECT coalesce(sum(size), 0) + count(*) * row_bytes FROM client_report "
    f"WHERE owner_id = owner)::bigint WHERE {_IS_OWNER} $$",
    # the lock is that of a foreign key: others join and change their roles, but none deletes it
    "CREATE OR REPLACE FUNCTION lock_membership(owner uuid, org uuid) "  # noqa: S608
    "RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
    "SELECT true FROM organisation JOIN membership ON membership.org_id = organisation.id "
    f"WHERE organisation.id = org AND membership.user_id = owner AND {_IS_OWNER} "
    "FOR KEY SHARE OF organisation $$",
)
"""The functions on PostgreSQL."""
NAMES = ("stored_bytes", "stored_report_bytes", "lock_membership")
"""Their names."""

for _statement in POSTGRESQL:
    event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect="postgresql"))


def stored_bytes() -> ColumnElement[int]:
    """How much the owner stores in chats, in organisations that they have left too, in bytes.

    Its parameter is `row_bytes`: what a thread or a message counts besides its text.
    """
    return _function("stored_bytes", bindparam("row_bytes", type_=BigInteger()), BigInteger())


def stored_report_bytes() -> ColumnElement[int]:
    """How much the owner's clients have reported; see `stored_bytes`."""
    return _function(
        "stored_report_bytes", bindparam("row_bytes", type_=BigInteger()), BigInteger()
    )


def lock_membership() -> ColumnElement[bool]:
    """Whether the owner belongs to the organisation `of_org`, which then stays until the end of the
    transaction."""
    return _function("lock_membership", bindparam("of_org", type_=Uuid()), Boolean())


def _function(name: str, argument: Any, returns: Any) -> Function[Any]:
    return getattr(func, name)(argument, type_=returns)
