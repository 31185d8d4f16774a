"""The outbox: what a command changes is heard by the server, and a message alone does nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event

from chat_app.core.control import CommandBus
from chat_app.core.signals import (
    CREDENTIALS,
    ROLES,
    UNLOCKED_USERS,
    Bus,
    PublishedSignal,
    Signal,
    user_topic,
)
from chat_app.db.engine import Database
from chat_app.db.outbox import CHANNEL, MESSAGE, Outbox, OutboxReader
from chat_app.db.scoped_session import SyncSystemSession
from chat_app.db.server_lock import SERVER_LOCK
from chat_app.db.tables import User
from testing.auth_services import Time
from testing.database import DatabaseUnderTest, only_postgres
from testing.postgres import PostgresDatabase

USER, ORG = uuid4(), uuid4()
SAID = [
    PublishedSignal(CREDENTIALS, Signal("session_ended", credential_id=USER, reason="disabled")),
    PublishedSignal(ROLES, Signal("roles_changed", user_id=USER, org_id=ORG, reason="left")),
    PublishedSignal(UNLOCKED_USERS, Signal("user_unlocked", account="ada@example.org")),
    PublishedSignal(user_topic(USER), Signal("user")),
]


class ServerBus(Bus):
    """The bus of a server, with everything that was published on it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[PublishedSignal] = []

    def publish(self, topic: str, signal: Signal) -> None:
        self.heard.append(PublishedSignal(topic, signal))


class Command:
    """A command with a database of its own: another process has the server."""

    def __init__(self, database: DatabaseUnderTest) -> None:
        self.db, self.bus = database.open(Database), CommandBus()
        self.outbox = Outbox(self.db, Time(), notifies=self.db.is_postgres)
        self.db.store_signals(self.outbox.store)

    async def change(self, *said: PublishedSignal, fails: bool = False) -> None:
        """Change something, and publish it in the same transaction."""
        with suppress(InterruptedError):
            async with self.db.system("auth", write=True) as session:
                session.add(User(email=f"{uuid4().hex}@example.org"))
                for one in said:
                    session.publish(self.bus, one.topic, one.signal)
                if fails:
                    raise InterruptedError


@pytest.fixture
async def command(database: DatabaseUnderTest) -> AsyncIterator[Command]:
    one = Command(database)
    yield one
    await one.db.close()


@pytest.fixture
def bus() -> ServerBus:
    return ServerBus()


@pytest.fixture
async def reader(database: DatabaseUnderTest, bus: ServerBus) -> AsyncIterator[OutboxReader]:
    db = database.open(Database)
    yield OutboxReader(db, bus)
    await db.close()


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 PostgreSQL has no event for this
            await asyncio.sleep(0.01)


async def test_what_is_committed_is_heard_once_and_in_order(
    command: Command, reader: OutboxReader, bus: ServerBus
) -> None:
    await command.change(*SAID[:2])
    await command.change(SAID[0], fails=True)
    await command.outbox.add(SAID[2:])
    assert command.bus.take() == [], "it is stored"
    assert not await command.outbox.wait_until_heard(0)
    await reader.read()
    assert bus.heard == SAID
    assert await command.outbox.wait_until_heard(0)
    await reader.read()
    assert bus.heard == SAID
    assert reader.unknown == 0


async def test_a_reader_that_is_cancelled_while_it_commits_publishes_what_it_took(
    command: Command, reader: OutboxReader, bus: ServerBus, database: DatabaseUnderTest
) -> None:
    await command.change(*SAID)
    reading = asyncio.create_task(reader.read())

    def cancel(_: SyncSystemSession) -> None:
        reading.cancel()

    event.listen(SyncSystemSession, "before_commit", cancel)
    try:
        await asyncio.wait({reading})
    finally:
        event.remove(SyncSystemSession, "before_commit", cancel)
    assert reading.cancelled()
    assert database.rows("SELECT count(*) FROM outbox_signal") == [(0,)]
    assert bus.heard == SAID


async def test_a_change_that_fails_leaves_nothing_to_hear(
    command: Command, reader: OutboxReader, bus: ServerBus
) -> None:
    heard: list[Signal] = []
    command.bus.subscribe_callback(CREDENTIALS, heard.append)
    await command.change(SAID[0], fails=True)
    await reader.read()
    assert bus.heard == heard == []
    await command.change(SAID[0])
    assert heard == [SAID[0].signal], "in the command too"


async def test_without_an_outbox_a_change_is_published_in_its_own_process(
    database: DatabaseUnderTest,
) -> None:
    db, bus = database.open(Database), ServerBus()
    async with db.system("auth", write=True) as session:
        session.publish(bus, SAID[0].topic, SAID[0].signal)
        assert bus.heard == []
    assert bus.heard == SAID[:1]
    assert database.rows("SELECT count(*) FROM outbox_signal") == [(0,)]
    await db.close()


async def test_what_was_stored_without_a_server_is_not_published_at_its_start(
    command: Command, reader: OutboxReader, bus: ServerBus
) -> None:
    await command.change(SAID[0])
    await reader.discard_old()
    await reader.read()
    assert bus.heard == []
    await command.change(SAID[1])
    await command.outbox.discard()
    await reader.read()
    assert bus.heard == []


@pytest.mark.parametrize(
    "signal",
    [
        '{"kind": "everything"}',
        '{"kind": "session_ended", "credential_id": "7"}',
        '{"kind": "user", "more": 1, "thread_id": []}',
        "[]",
        '"user"',
        "{}",
    ],
)
async def test_a_row_of_another_version_is_ignored_and_counted(
    command: Command,
    reader: OutboxReader,
    bus: ServerBus,
    database: DatabaseUnderTest,
    signal: str,
) -> None:
    for _ in range(2):
        database.rows(
            "INSERT INTO outbox_signal (topic, signal, created_at) "
            "VALUES ('credentials', :signal, :at)",
            signal=signal,
            at="2026-01-01 00:00:00",
        )
    await command.change(SAID[0])
    await reader.read()
    assert (bus.heard, reader.unknown) == (SAID[:1], 2)


@asynccontextmanager
async def _serving(database: DatabaseUnderTest, bus: Bus) -> AsyncIterator[OutboxReader]:
    """A server that listens, without a sweep: it looks only when it is told to."""
    db = database.open(Database)
    reader = OutboxReader(db, bus)
    async with db.serving(on_message=reader.on_message):
        reading = asyncio.create_task(reader.run())
        yield reader
        reading.cancel()
        await asyncio.wait({reading})
    await db.close()


@only_postgres
async def test_postgresql_tells_the_server_of_each_commit(
    database: DatabaseUnderTest, command: Command, bus: ServerBus
) -> None:
    async with _serving(database, bus):
        for number, one in enumerate(SAID, 1):
            await command.change(one)
            assert await command.outbox.wait_until_heard(30)
            await _until(lambda number=number: len(bus.heard) == number)
    assert bus.heard == SAID


@only_postgres
async def test_a_server_that_was_deaf_looks_when_it_listens_again(
    database: DatabaseUnderTest, command: Command, bus: ServerBus
) -> None:
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted LIMIT 1"
    assert isinstance(database, PostgresDatabase)
    async with _serving(database, bus):
        with psycopg.connect(database.system_url, autocommit=True) as other:
            take = partial(other.execute, "SELECT pg_advisory_lock(%s)", [SERVER_LOCK])
            taking = asyncio.create_task(asyncio.to_thread(take))
            await _until(lambda: database.rows(waits))
            database.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND granted"
            )
            await taking
            await command.change(SAID[0])  # nothing listens
            assert not await command.outbox.wait_until_heard(0)
        await _until(lambda: bus.heard == SAID[:1])


@only_postgres
@pytest.mark.parametrize("role", ["app_url", "system_url"])
async def test_a_role_that_can_only_notify_does_nothing(
    database: DatabaseUnderTest, command: Command, bus: ServerBus, role: str
) -> None:
    assert isinstance(database, PostgresDatabase)
    forged = [
        "",
        "look ",
        "LOOK",
        '{"topic": "credentials", "signal": {"kind": "session_ended"}}',
        f"session_ended {USER}",
        "x" * 7_999,
        "\u00e9\u4f60",
    ]
    async with _serving(database, bus) as reader:
        with psycopg.connect(getattr(database, role), autocommit=True) as other:
            for message in forged:
                other.execute("SELECT pg_notify(%s, %s)", [CHANNEL, message])
            for _ in range(200):
                other.execute("SELECT pg_notify(%s, %s)", [CHANNEL, MESSAGE])
        await command.change(SAID[0])
        await _until(lambda: bus.heard)
        assert (bus.heard, reader.unknown) == (SAID[:1], len(forged))


@only_postgres
async def test_a_flood_of_messages_is_few_reads(
    database: DatabaseUnderTest, bus: ServerBus
) -> None:
    db, rested = database.open(Database), list[float]()
    go_on = asyncio.Event()

    async def sleep(seconds: float) -> None:
        rested.append(seconds)
        await go_on.wait()
        go_on.clear()

    reader = OutboxReader(db, bus, sleep)
    reading = asyncio.create_task(reader.run())
    for _ in range(1_000):
        reader.on_message(MESSAGE)
    await _until(lambda: len(rested) == 1)
    for _ in range(1_000):
        reader.on_message(MESSAGE)
    go_on.set()
    await _until(lambda: len(rested) == 2)
    go_on.set()
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    assert len(rested) == 2
    await db.close()


@only_postgres
async def test_the_role_of_users_sessions_reaches_no_signal(database: DatabaseUnderTest) -> None:
    assert isinstance(database, PostgresDatabase)
    for statement in (
        "SELECT * FROM outbox_signal",
        "DELETE FROM outbox_signal",
        "INSERT INTO outbox_signal (topic, signal, created_at) VALUES ('roles', '{}', now())",
        "SELECT * FROM sign_up_choice",
        "UPDATE sign_up_choice SET mode = 'open'",
    ):
        with (
            psycopg.connect(database.app_url) as app,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            app.execute(statement.encode())


@only_postgres
async def test_a_message_carries_nothing(database: DatabaseUnderTest, command: Command) -> None:
    assert isinstance(database, PostgresDatabase)
    with (
        psycopg.connect(database.app_url, autocommit=True) as other,
        psycopg.connect(database.app_url, autocommit=True) as last,
    ):
        other.execute(f"LISTEN {CHANNEL}".encode())
        await command.change(*SAID)
        await command.change(SAID[0], fails=True)
        last.execute(f"NOTIFY {CHANNEL}, 'end'".encode())
        said = [one.payload for one in other.notifies(timeout=30, stop_after=2)]
    assert said == [MESSAGE, "end"]
