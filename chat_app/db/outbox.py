"""The outbox: signals that a command stores beside its change, for the server to publish.

A command writes them in the transaction of the change, so what is not committed is not heard, and
what is committed is heard, whatever becomes of the command. The server takes them out and publishes
them. It is told to look by the control socket on SQLite and by NOTIFY on PostgreSQL; it also looks
at each sweep. Neither says anything but "look": what is published is what the rows have, so who can
only send a message causes a query.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from operator import itemgetter
from time import monotonic

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlmodel import col, delete, select

from chat_app.core.clock import Clock, Sleep
from chat_app.core.signals import Bus, PublishedSignal, Signal
from chat_app.db.engine import DATABASE_ERRORS, Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import OutboxSignal

CHANNEL = "chat_app_signals"
"""The channel of PostgreSQL on which a command notifies."""
MESSAGE = "look"
"""The one message on it."""
PAUSE_SECONDS = 0.1
"""The least time between two reads: a flood of messages costs ten small queries a second."""
RETRY_SECONDS = 1.0
"""How long the reader waits after the database could not be read."""
WAIT_SECONDS = 3.0
"""How long a command waits for the server to take its signals out."""
_POLL_SECONDS = 0.02

_SIGNALS = TypeAdapter(Signal)

logger = logging.getLogger(__name__)


class Outbox:
    """What a command stores for the server.

    Args:
        db: The database of both.
        clock: The time in rows.
        notifies: Whether the database tells the server: PostgreSQL does.
    """

    def __init__(self, db: Database, clock: Clock, *, notifies: bool) -> None:
        self._db = db
        self._clock = clock
        self._notifies = notifies
        self._rows: list[OutboxSignal] = []

    @property
    def is_used(self) -> bool:
        """Whether there is anything to hear."""
        return bool(self._rows)

    async def store(self, session: SystemSession, published: Iterable[PublishedSignal]) -> None:
        """Store signals in a transaction; PostgreSQL notifies when that has committed."""
        rows = [
            OutboxSignal(
                topic=one.topic,
                signal=_SIGNALS.dump_python(one.signal, mode="json", exclude_defaults=True),
                created_at=self._clock(),
            )
            for one in published
        ]
        if not rows:
            return
        session.add_all(rows)
        await session.flush()
        self._rows += rows
        if self._notifies:
            notify = text("SELECT pg_notify(:channel, :message)")
            connection = await session.connection()
            await connection.execute(notify, {"channel": CHANNEL, "message": MESSAGE})

    async def add(self, published: Iterable[PublishedSignal]) -> None:
        """Store signals of changes that are committed already, in a transaction of their own."""
        rest = list(published)
        if rest:
            async with self._db.system("signals", write=True) as session:
                await self.store(session, rest)

    async def discard(self) -> None:
        """Delete what was stored: no server runs."""
        async with self._db.system("signals", write=True, read_committed=True) as session:
            await session.exec(delete(OutboxSignal).where(col(OutboxSignal.id).in_(self._ids())))

    async def wait_until_heard(self, seconds: float = WAIT_SECONDS) -> bool:
        """Whether a server takes everything out in time.

        Args:
            seconds: How long to wait.
        """
        deadline = monotonic() + seconds
        while await self._is_left():
            if monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def _is_left(self) -> bool:
        async with self._db.system("signals") as session:
            query = select(OutboxSignal.id).where(col(OutboxSignal.id).in_(self._ids())).limit(1)
            return (await session.exec(query)).first() is not None

    def _ids(self) -> list[int]:
        return [row.id for row in self._rows if row.id is not None]


class OutboxReader:
    """Publishes what commands have stored. One for each database: only one server uses it.

    Args:
        db: The database.
        bus: Receives the signals.
        sleep: Waits between two reads.

    Attributes:
        unknown: How many messages and rows were ignored, because they are none of ours.
    """

    def __init__(self, db: Database, bus: Bus, sleep: Sleep = asyncio.sleep) -> None:
        self._db = db
        self._bus = bus
        self._sleep = sleep
        self._news = asyncio.Event()
        self.unknown = 0

    def look(self) -> None:
        """Let `run` read again: a command has stored something, or the listener was deaf."""
        self._news.set()

    def on_message(self, message: str) -> None:
        """Take a message of the channel, which any role of the database can send."""
        if message == MESSAGE:
            self.look()
        else:
            self._ignore("A message on the channel of the commands is not ours.")

    async def run(self) -> None:
        """Read whenever there is something new, until cancelled."""
        is_failing = False
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.read()
                is_failing = False
            except DATABASE_ERRORS as error:
                if not is_failing:
                    logger.warning("No command can be heard: %s", type(error).__name__)
                is_failing = True
                self._news.set()
            await self._sleep(RETRY_SECONDS if is_failing else PAUSE_SECONDS)

    async def read(self) -> None:
        """Take out what is stored, and publish it once that has committed.

        A reader that is cancelled during the commit publishes it too: the rows are gone then.

        Raises:
            DatabaseError: The database cannot be used.
        """
        async with self._db.system("signals") as session:
            if (await session.exec(select(OutboxSignal.id).limit(1))).first() is None:
                return
        async with self._write() as session:
            taken = await session.exec(
                delete(OutboxSignal).returning(
                    col(OutboxSignal.id), col(OutboxSignal.topic), col(OutboxSignal.signal)
                )
            )
            for _, topic, values in sorted(taken.all(), key=itemgetter(0)):
                session.after_commit.append(partial(self._publish, topic, values))

    async def discard_old(self) -> None:
        """Delete what was stored while no server ran: nothing that it is about is cached yet."""
        async with self._write() as session:
            await session.exec(delete(OutboxSignal))

    def _publish(self, topic: str, values: dict[str, object]) -> None:
        try:
            signal = _SIGNALS.validate_python(values)
        except ValidationError:
            self._ignore("A command has stored a signal that this version does not know.")
        else:
            self._bus.publish(topic, signal)

    def _write(self) -> AbstractAsyncContextManager[SystemSession]:
        return self._db.system("signals", write=True, read_committed=True)

    def _ignore(self, why: str) -> None:
        self.unknown += 1
        if self.unknown == 1:  # a flood of them fills no log
            logger.warning("%s It is ignored; more are only counted.", why)
