"""The run service on a real database, with models whose answers the test writes."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.events import Event, Finish, FinishReason, PartDelta, TextDelta
from chat_app.core.signals import CREDENTIALS, Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.scoped_session import Scope
from chat_app.db.tables import Message, Run, User
from chat_app.llm.base import DEFAULT_OPTIONS, UNKNOWN_MODEL, CallOptions, PromptMessage
from chat_app.llm.health import HealthMonitor
from chat_app.llm.prices import Prices
from chat_app.llm.registry import UnknownModel
from chat_app.orgs.model_rules import ModelRules
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.follow import EndEvent, PartEvent
from chat_app.runs.model_access import ModelAccess
from chat_app.runs.service import RunService
from chat_app.settings import Settings, read_settings
from chat_app.threads.actions import Threads
from testing.database import DatabaseUnderTest

PATIENCE = 60.0
"""The timeout of a wait, in seconds, so that a bug is a failure and not a hang."""

_DONE = object()

T = TypeVar("T")


class VirtualThrottle(FlushThrottle):
    """A throttle whose time passes only while a task waits."""

    def __init__(self) -> None:
        self.time = 0.0
        self.rests: list[float] = []
        self.back_offs: list[float] = []
        self.held = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    def release(self) -> None:
        """Let rests end again."""
        self._free.set()
        self.held.clear()

    def hold(self) -> None:
        """Let no rest end from now on; `held` is set while the writer is in one."""
        self._free.clear()

    def now(self) -> float:
        return self.time

    def busy(self) -> float:
        return 0.0

    async def rest(self, seconds: float, urgent: asyncio.Event, work: asyncio.Event) -> float:
        self.rests.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)
        if not self._free.is_set():
            self.held.set()
            waits = [asyncio.create_task(event.wait()) for event in (self._free, urgent)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return 0.0

    async def back_off(self, seconds: float) -> None:
        self.back_offs.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class Answer:
    """One call of a scripted model."""

    def __init__(self, prompt: Sequence[PromptMessage], options: CallOptions) -> None:
        self.prompt = tuple(prompt)
        self.options = options
        self.closed = asyncio.Event()
        self.finished = False
        self._events: asyncio.Queue[Event | Exception | object] = asyncio.Queue()

    def say(self, *texts: str) -> "Answer":
        for text in texts:
            self._events.put_nowait(TextDelta(text))
        return self

    def send(self, *events: Event) -> "Answer":
        for event in events:
            self._events.put_nowait(event)
        return self

    def finish(self, reason: FinishReason = "stop") -> None:
        self.send(Finish(reason))
        self._events.put_nowait(_DONE)

    def fail(self, error: Exception) -> None:
        self._events.put_nowait(error)

    async def taken(self) -> None:
        """Wait until the executor has read every event."""
        reached = asyncio.Event()
        self._events.put_nowait(reached)
        await reached.wait()

    async def events(self) -> AsyncGenerator[Event]:
        try:
            while True:
                event = await self._events.get()
                if event is _DONE:
                    self.finished = True
                    return
                if isinstance(event, asyncio.Event):
                    event.set()
                    continue
                if isinstance(event, Exception):
                    raise event
                yield event  # pyright: ignore[reportReturnType]
        finally:
            self.closed.set()


class ScriptedModel:
    """A model whose answers the test writes while they stream."""

    def __init__(self, model_id: str) -> None:
        self.id = model_id
        self.name = model_id.title()
        self.info = UNKNOWN_MODEL
        self.answers: list[Answer] = []
        self._asked = asyncio.Condition()

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        answer = Answer(prompt, options)
        async with self._asked:
            self.answers.append(answer)
            self._asked.notify_all()
        async for event in answer.events():
            yield event

    async def answer(self, number: int = 1) -> Answer:
        """The `number`th call, once it was made."""
        async with asyncio.timeout(PATIENCE), self._asked:
            await self._asked.wait_for(lambda: len(self.answers) >= number)
        return self.answers[number - 1]


class ScriptedModels:
    """The models of a `ScriptedModel` registry."""

    def __init__(self) -> None:
        self.one = ScriptedModel("one")
        self.two = ScriptedModel("two")
        self.gone: set[str] = set()
        self.health = HealthMonitor()
        self.prices = Prices({})
        self.fallbacks: dict[str, tuple[ScriptedModel, ...]] = {}

    def all(self) -> tuple[ScriptedModel, ...]:
        return self.one, self.two

    def default(self) -> ScriptedModel:
        return self.one

    def get(self, model_id: str) -> ScriptedModel:
        for model in self.all():
            if model.id == model_id and model_id not in self.gone:
                return model
        raise UnknownModel(model_id)

    async def context_window(self, model: ScriptedModel) -> int | None:
        return model.info.window

    def known_window(self, model: ScriptedModel) -> int | None:
        return model.info.window

    def name_of(self, model_id: str) -> str:
        return model_id if model_id in self.gone else self.get(model_id).name

    def fallbacks_of(self, model_id: str) -> tuple[ScriptedModel, ...]:
        return self.fallbacks.get(model_id, ())

    async def close(self) -> None:
        pass


class Watch:
    """The signals of one user, in order."""

    def __init__(self, bus: Bus, user_id: UUID) -> None:
        self.signals: list[Signal] = []
        bus.subscribe_callback(user_topic(user_id), self.signals.append)

    @property
    def kinds(self) -> list[str]:
        return [signal.kind for signal in self.signals]


class ScriptedDatabase(Database):
    """Records the reason of every system write; scoped writes can be made to fail.

    Attributes:
        queries: How many scoped read transactions of prepared statements there were.
        broken: Errors that the next scoped writes raise instead of their commit, one by one.
        mended: Set when the last of them is raised.
        unheard: Errors that the next transactions raise after their commit, one by one.
        unheard_log: The same for the log of runs.
    """

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self.queries = 0
        self.system_writes: list[str] = []
        self.broken: list[Exception] = []
        self.mended = asyncio.Event()
        self.unheard: list[Exception] = []
        self.unheard_log: list[Exception] = []

    @asynccontextmanager
    async def write(self, principal):  # pyright: ignore[reportIncompatibleMethodOverride]
        async with super().write(principal) as session:
            yield session
            if self.broken:
                failure = self.broken.pop(0)
                if not self.broken:
                    self.mended.set()
                raise failure

    def system(self, reason: str, *, write: bool = False, read_committed: bool = False):
        if write:
            self.system_writes.append(reason)
        return super().system(reason, write=write, read_committed=read_committed)

    async def transact(self, principal: Scope, work: Callable[[Transaction], T]) -> T:
        was_broken = bool(self.broken)

        def work_or_fail(transaction: Transaction) -> T:
            result = work(transaction)
            if self.broken:
                raise self.broken.pop(0)
            return result

        try:
            result = await super().transact(principal, work_or_fail)
        finally:
            if was_broken and not self.broken:
                self.mended.set()
        if self.unheard:
            raise self.unheard.pop(0)
        return result

    async def query(self, principal: Scope, work: Callable[[Transaction], T]) -> T:
        self.queries += 1
        return await super().query(principal, work)

    async def system_transact(
        self, reason: str, work: Callable[[Transaction], T], **more: Any
    ) -> T:
        self.system_writes.append(reason)
        result = await super().system_transact(reason, work, **more)
        if self.unheard_log:
            raise self.unheard_log.pop(0)
        return result


class SteppingClock:
    """A clock that steps a millisecond each time it is read."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


@dataclass
class RunHarness:
    database: DatabaseUnderTest
    settings: Settings
    db: ScriptedDatabase
    bus: Bus
    models: ScriptedModels
    clock: SteppingClock
    flush_throttle: VirtualThrottle
    threads: Threads
    runs: RunService
    model_rules: ModelRules
    model_access: ModelAccess

    async def person(self) -> Principal:
        user = User(email=f"{uuid4().hex}@chat.example")
        async with self.db.system("auth", write=True) as session:
            session.add(user)
        return Principal(user.id, uuid4())

    def end_session(self, principal: Principal) -> None:
        self.bus.publish(
            CREDENTIALS, Signal("session_ended", credential_id=principal.credential_id)
        )

    def watch(self, principal: Principal) -> Watch:
        return Watch(self.bus, principal.user_id)

    async def read(self, principal: Principal, run_id: UUID, after: int = 0):
        """Follow a run to its end."""
        return await rest_of(self.runs.follow(principal, run_id, after))

    async def message(self, principal: Principal, message_id: UUID) -> Message:
        async with self.db.read(principal) as session:
            message = await session.get(Message, message_id)
        assert message is not None
        return message

    async def run(self, principal: Principal, run_id: UUID) -> Run:
        async with self.db.read(principal) as session:
            run = await session.get(Run, run_id)
        assert run is not None
        return run

    async def count(self, principal: Principal, table: type) -> int:
        async with self.db.read(principal) as session:
            return len((await session.exec(select(table))).all())

    def stored(self, run_id: UUID) -> str:
        """A run's text as another process reads it from the database."""
        rows = self.database.rows(
            "select payload from run_event where run_id = :run and kind = 'text' order by seq",
            run=run_id,
        )
        [(parts,)] = self.database.rows(
            "select message.parts from message join run on run.message_id = message.id "
            "where run.id = :run",
            run=run_id,
        )
        parts = json.loads(parts) if isinstance(parts, str) else parts
        folded = [part["text"] for part in parts if part["type"] == "text"]
        return "".join([*folded, *(text for (text,) in rows)])


@asynccontextmanager
async def run_harness(database: DatabaseUnderTest, *, start: bool = True, **settings: object):
    """A harness on a database.

    Args:
        database: The database.
        start: Whether to start the runs.
        settings: What differs from the test's usual settings.
    """
    usual = {"chat_titles": False, "chat_retries": 0, "embedded_model": False, **database.settings}
    wanted = read_settings(_env_file=None, **{**usual, **settings})
    db = database.open(ScriptedDatabase)
    bus, models, clock, flush_throttle = Bus(), ScriptedModels(), SteppingClock(), VirtualThrottle()
    threads = Threads(db, bus, wanted, clock)
    rules = ModelRules(db, bus)
    access = ModelAccess(models, rules)  # pyright: ignore[reportArgumentType]
    runs = RunService(db, bus, models, wanted, clock, flush_throttle, access=access)  # pyright: ignore[reportArgumentType]
    if start:
        await runs.start()
    try:
        yield RunHarness(
            *(database, wanted, db, bus, models, clock, flush_throttle, threads, runs),
            *(rules, access),
        )
    finally:
        await runs.drain()
        await db.close()


async def rest_of(reader: AsyncIterator[PartEvent | EndEvent]) -> list[PartEvent | EndEvent]:
    """Everything a reader still gets."""
    async with asyncio.timeout(PATIENCE):
        return [event async for event in reader]


def parts_of(events: Sequence[PartEvent | EndEvent]) -> list[tuple[str, str]]:
    """Kind and text of each text and reasoning part that a reader has at the end.

    Offsets say where each piece goes.
    """
    parts: dict[int, tuple[str, bytes]] = {}
    for event in events:
        if isinstance(event, PartEvent) and isinstance(event.event, PartDelta):
            _, units = parts.get(event.part, ("", b""))
            units = units[: 2 * event.offset] + event.event.text.encode("utf-16-le")
            parts[event.part] = event.event.kind, units
    return [(kind, units.decode("utf-16-le")) for _, (kind, units) in sorted(parts.items())]


def text_of(events: Sequence[PartEvent | EndEvent]) -> str:
    """The visible text that a reader has at the end."""
    return "".join(text for kind, text in parts_of(events) if kind == "text")


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[RunHarness]:
    async with run_harness(database) as one:
        yield one


@pytest.fixture
async def alice(harness: RunHarness) -> Principal:
    return await harness.person()


@pytest.fixture
async def bob(harness: RunHarness) -> Principal:
    return await harness.person()
