"""How alembic reaches the database: our settings, our tables, our connection.

The program passes a connection with an open transaction; the alembic command gets its own.
"""

from sqlalchemy import Connection

from alembic import context
from chat_app.db.dialect import migration_engine
from chat_app.db.full_text import INDEX
from chat_app.db.tables import metadata
from chat_app.settings import settings


def _url() -> str:
    return settings().migration_url or settings().sqlalchemy_url


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a table or an index of the database is one of the models: not those of full_text."""
    return kind not in ("table", "index") or not (name or "").startswith(INDEX)


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        compare_type=True,
        include_name=_is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


def _print_sql() -> None:
    context.configure(
        url=_url(),
        target_metadata=metadata,
        literal_binds=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print_sql()
elif given := context.config.attributes.get("connection"):
    _migrate(given)
else:
    with migration_engine(_url()).begin() as own:
        _migrate(own)
