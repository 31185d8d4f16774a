"""A database under test: all its tables without migrations, and its connections in use."""

from sqlalchemy import QueuePool

from chat_app.db import migrations
from chat_app.db.engine import Database
from chat_app.db.tables import metadata


async def create_tables(db: Database) -> None:
    """Create all tables as the models declare them; the program migrates instead."""
    async with db._all.writers.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))"
        )
        await connection.exec_driver_sql("DELETE FROM alembic_version")
        await connection.exec_driver_sql(
            f"INSERT INTO alembic_version VALUES ('{migrations.head()}')"
        )


def connections_in_use(db: Database) -> int:
    """How many connections are checked out of the pools."""
    engines = (db._own.readers, db._own.writers, db._all.readers, db._all.writers)
    pools = {engine.sync_engine.pool for engine in engines}
    return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))
