"""The lock of the one server of a PostgreSQL database.

A second server would take the first one's answers for those of a lost process, end them and
delete their log. So a server holds an advisory lock by a connection of its own: PostgreSQL lets the
lock go when that connection ends, however the process does. A server whose connection is lost may
not be the only one any more, and writes nothing until it holds the lock again.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import psycopg
from sqlalchemy import Connection, make_url, text

from chat_app.core.clock import Sleep
from chat_app.core.errors import DatabaseError, DatabaseUnreachable
from chat_app.core.logging import log_unexpected_error
from chat_app.db.outbox import CHANNEL, MESSAGE

OnMessage = Callable[[str], None]
"""Takes a message."""

SERVER_LOCK = 0x63686174_0002  # "chat", and a number for this purpose
_HEARTBEAT_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_CONNECTION = {
    "application_name": "chat-app server lock",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SERVER_SIDE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Settings of the session: PostgreSQL lets go of the lock of a server whose machine is gone."""
_SET = (
    "SELECT set_config(name, value, false) "
    "FROM unnest(CAST(%s AS text[]), CAST(%s AS text[])) AS given (name, value)"
)

logger = logging.getLogger(__name__)


class DatabaseInUse(DatabaseError):
    """Another server uses the database."""

    code = "database_in_use"

    def __init__(self) -> None:
        super().__init__(
            "Another server is using this database; stop it, or give this one another database."
        )


class ServerLock:
    """The lock of one server.

    Args:
        url: The async SQLAlchemy URL of the role of system sessions; no pooler may be in between
            that shares connections.
        wait_seconds: How long to wait for a server that stops, in seconds.
        sleep: Waits between two attempts to reach the database again.
        heartbeat_seconds: How often the database is asked for a sign of life, in seconds. One that
            gives none for twice as long is taken for lost.
        on_message: Called with each message on the channel of the outbox, which the connection
            listens on; and with `outbox.MESSAGE` when it listens again after it was lost.
    """

    def __init__(
        self,
        url: str,
        *,
        wait_seconds: float = 5,
        sleep: Sleep = asyncio.sleep,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
        on_message: OnMessage | None = None,
    ) -> None:
        self._url = _plain(url)
        self._heartbeat_seconds = heartbeat_seconds
        self._wait_seconds = wait_seconds
        self._sleep = sleep
        self._on_message = on_message
        self._held = asyncio.Event()

    def check(self) -> None:
        """Refuse to write without the lock.

        Raises:
            DatabaseUnreachable: The lock is lost.
        """
        if not self._held.is_set():
            raise DatabaseUnreachable

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the lock until the block ends; regain it when the connection is lost.

        Raises:
            DatabaseInUse: Another server holds it.
            DatabaseUnreachable: The database cannot be reached.
        """
        keeping = asyncio.create_task(self._keep(await self._acquire()), name="server lock")
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _keep(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            try:
                await self._until_lost(connection)
            finally:
                self._held.clear()  # before the connection that holds the lock is closed
                await connection.close()
            logger.error(
                "The connection that holds the database for this server is lost: nothing is "
                "written until it is held again."
            )
            connection = await self._regain()
            self._held.set()
            self._hear(MESSAGE)  # what was said meanwhile is lost
            logger.warning("The database is held by this server again.")

    async def _until_lost(self, connection: psycopg.AsyncConnection) -> None:
        """Return when a connection is lost: at once if its end is told, else with a heartbeat."""
        try:
            while True:
                async for message in connection.notifies(timeout=self._heartbeat_seconds):
                    self._hear(message.payload)
                if not await self._is_alive(connection):
                    return
        except psycopg.Error:
            return
        except Exception as error:  # a bug must not let this server write without the lock
            log_unexpected_error(error, "the lock of the database")

    def _hear(self, message: str) -> None:
        if self._on_message is not None:
            self._on_message(message)

    async def _is_alive(self, connection: psycopg.AsyncConnection) -> bool:
        heartbeat = asyncio.ensure_future(connection.execute("SELECT 1"))
        try:
            await asyncio.wait({heartbeat}, timeout=2 * self._heartbeat_seconds)
            return heartbeat.done() and bool(heartbeat.result())
        finally:
            if not heartbeat.done():
                # A driver whose query is cancelled asks the database to end it, and waits for that.
                self._held.clear()
                await connection.close()
                heartbeat.cancel()
                await asyncio.wait({heartbeat})

    async def _regain(self) -> psycopg.AsyncConnection:
        while True:
            try:
                return await self._acquire()
            except DatabaseInUse:
                continue  # it has waited already
            except DatabaseError:
                await self._sleep(_RETRY_SECONDS)

    async def _acquire(self) -> psycopg.AsyncConnection:
        """A connection that holds the lock."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, **_CONNECTION
                )
                stack.push_async_callback(connection.close)
                # The server itself waits, so that the lock is taken as soon as it is free.
                milliseconds = str(max(1, int(self._wait_seconds * 1000)))
                settings = {**_SERVER_SIDE, "lock_timeout": milliseconds}
                await connection.execute(_SET, [list(settings), list(settings.values())])
                await connection.execute("SELECT pg_advisory_lock(%s)", [SERVER_LOCK])
                if self._on_message is not None:
                    await connection.execute(f"LISTEN {CHANNEL}")
            except psycopg.errors.LockNotAvailable:
                raise DatabaseInUse from None
            except psycopg.Error as error:
                raise DatabaseUnreachable from error
            stack.pop_all()
            return connection


def lock_out_servers(connection: Connection) -> None:
    """Take the lock for the transaction of a connection: for work that no server may be beside.

    Raises:
        DatabaseInUse: A server uses the database.
    """
    query = text("SELECT pg_try_advisory_xact_lock(:key)")
    if not connection.execute(query, {"key": SERVER_LOCK}).scalar_one():
        raise DatabaseInUse


async def is_served(url: str) -> bool:
    """Whether a server holds the lock of a database.

    Args:
        url: The async SQLAlchemy URL of the role of system sessions.

    Raises:
        DatabaseUnreachable: The database cannot be reached.
    """
    query = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (classid::bigint << 32) + objid::bigint = %s)"
    )
    try:
        async with await psycopg.AsyncConnection.connect(
            _plain(url), autocommit=True, **_CONNECTION
        ) as connection:
            found = await (await connection.execute(query, [SERVER_LOCK])).fetchone()
    except psycopg.Error as error:
        raise DatabaseUnreachable from error
    return found == (True,)


def _plain(url: str) -> str:
    """The URL for the driver alone."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
