"""The run log: group commit of the events of all active runs; stored before shown.

Models add to the buffer of their run; the writer commits every due buffer in one transaction, and
only then puts the events into the runs' channels. So the number of transactions does not grow with
the number of runs, and no reader sees what a crash could take back.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from chat_app.core.clock import Clock, retry
from chat_app.core.errors import ChatError, StorableError
from chat_app.core.events import (
    PART_DELTAS,
    Event,
    ToolCallDelta,
    decode_event,
    encode_payload,
)
from chat_app.core.logging import log_unexpected_error
from chat_app.core.text import repair_surrogates
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import INSERT_EVENT, START_RUN
from chat_app.db.tables import PRIVATE
from chat_app.runs.flush import FlushThrottle, flush_interval
from chat_app.runs.follow import Channel

logger = logging.getLogger(__name__)

BACK_OFF = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds before each further attempt of a commit that failed."""
_PAGES_OF_ENTRY = 2
"""Pages that an entry changes: one of the table, one of its index."""
_PAGE_CHARS = 1_000
"""Characters on a page; they may take up to four bytes each."""


_TOKENS = (*PART_DELTAS, ToolCallDelta)


class RunLogUnavailable(StorableError):
    """The log of a run could not be written."""

    code = "unavailable"
    status = 503

    def __init__(self) -> None:
        super().__init__("not_saved")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of a run's log.

    Args:
        seq: Counts from 1 within the run.
        event: The event.
        payload: What is stored of it, beside its kind.
        first_token: Whether it is the run's first output of the model.
        org_id: The organisation of its thread.
    """

    run_id: UUID
    owner_id: UUID
    seq: int
    event: Event
    payload: str
    first_token: bool
    org_id: UUID = PRIVATE


StoreEntries = Callable[[Sequence[LogEntry]], Awaitable[None]]
"""Stores entries in one transaction: all or none."""


class RunLog:
    """The writing end of one run's log. Made by `LogWriter.open`.

    Attributes:
        buffered: The characters added and not yet stored.
    """

    def __init__(self, writer: "LogWriter", run_id: UUID, owner_id: UUID, channel: Channel) -> None:
        self.buffered = 0
        self._writer = writer
        self._run_id = run_id
        self._owner_id = owner_id
        self._org_id = PRIVATE
        self._channel = channel
        self._seq = 0
        self._has_token = False
        self._added: list[tuple[type[Event], Event, str]] = []  # type, event, payload
        self._taken: list[LogEntry] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._urgent = True
        self._closed = False
        self._failed = asyncio.Event()
        self._committed_at = -math.inf
        self._rate = 0.0

    @property
    def has_token(self) -> bool:
        """Whether something that a model wrote was added."""
        return self._has_token or any(issubclass(kind, _TOKENS) for kind, _, _ in self._added)

    def add(self, event: Event) -> None:
        """Buffer the next event. The writer stores and shows it when it is due."""
        if isinstance(event, PART_DELTAS):
            if not event.text:
                return
            payload = repair_surrogates(event.text)
            if payload is not event.text:
                event = type(event)(payload)
        else:
            payload = repair_surrogates(encode_payload(event))
            event = decode_event(event.kind, payload)  # readers get what the log has
        if self._closed:
            return
        self._added.append((type(event), event, payload))
        self.buffered += len(payload)
        self._idle.clear()
        self._writer.wake(self, urgent=self._urgent)

    def begin(self, org_id: UUID, events: Iterable[Event] = ()) -> None:
        """Begin the log of a run that is stored now, before anything is added.

        Args:
            org_id: The organisation of the thread; it does not move while the run is active.
            events: What was stored together with the run, to be shown.
        """
        self._org_id = org_id
        for self._seq, event in enumerate(events, 1):
            self._channel.put(self._seq, event)

    async def flush(self) -> None:
        """Wait until everything added is stored and shown.

        Raises:
            RunLogUnavailable: The writer gave up.
        """
        if self._added:
            self._urgent = True
            self._writer.wake(self, urgent=True)
        await self._idle.wait()
        if self._failed.is_set():
            raise RunLogUnavailable

    async def close(self) -> None:
        """Discard what is not stored, wait for a running commit, and accept nothing more."""
        self._closed = True
        self._drop()
        await self._idle.wait()
        self._writer.forget(self)

    def is_due(self, now: float, lag: float, busy: float) -> bool:
        """Whether to commit now; see `flush_interval`."""
        # a tick may come a little early by the clock; a tenth keeps it from being skipped
        return self._urgent or now - self._committed_at >= 0.9 * flush_interval(
            self._rate, lag, busy
        )

    def take(self, now: float) -> list[LogEntry]:
        """Move the buffer into entries for the next commit."""
        elapsed = now - self._committed_at
        self._rate = (self._rate + len(self._added) / elapsed) / 2 if elapsed > 0 else self._rate
        self._committed_at = now
        self._urgent = False
        for event_type, group in groupby(self._added, itemgetter(0)):
            added = list(group)
            if event_type in PART_DELTAS and len(added) > 1:
                text = "".join([payload for _, _, payload in added])
                added = [(event_type, event_type(text), text)]
            for _, event, payload in added:
                self._take(event, payload)
        self._added.clear()
        return self._taken

    def _take(self, event: Event, payload: str) -> None:
        self._seq += 1
        first_token = not self._has_token and isinstance(event, _TOKENS)
        self._has_token = self._has_token or first_token
        self._taken.append(
            LogEntry(
                *(self._run_id, self._owner_id, self._seq, event, payload, first_token),
                self._org_id,
            )
        )

    def show(self) -> None:
        """The entries taken are stored: show them to the readers."""
        for entry in self._taken:
            self.buffered -= len(entry.payload)
            self._channel.put(entry.seq, entry.event)
        self._taken.clear()
        self._update_idle()

    def fail(self) -> None:
        """The entries taken cannot be stored: show neither them nor what follows."""
        self._closed = True
        self._taken.clear()
        self._drop()
        self._failed.set()

    async def failure(self) -> None:
        """Wait until the writer gives up; forever in most runs."""
        await self._failed.wait()

    @property
    def has_more(self) -> bool:
        """Whether the buffer has something for the next commit."""
        return bool(self._added)

    def _drop(self) -> None:
        self._added.clear()
        self._update_idle()

    def _update_idle(self) -> None:
        if not self._added and not self._taken:
            self.buffered = 0
            self._idle.set()


class LogWriter:
    """Commits the logs of all runs together.

    Args:
        store: Commits a batch in one transaction.
        flush_throttle: The clock and the waits.
    """

    def __init__(self, store: StoreEntries, flush_throttle: FlushThrottle) -> None:
        self._store = store
        self._flush_throttle = flush_throttle
        self._pending: dict[RunLog, None] = {}
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._lag = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to write. Needs a running event loop."""
        self._task = asyncio.create_task(self._write(), name="run log")

    async def stop(self, timeout: float | None = None) -> None:
        """Stop to write.

        Args:
            timeout: How long to wait for a running commit, in seconds; None waits for its end.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=timeout)
            self._task = None

    def open(self, run_id: UUID, owner_id: UUID, channel: Channel) -> RunLog:
        """The log of a new run.

        Args:
            run_id: The run; its row must be committed before the first `add`.
            owner_id: Its owner.
            channel: Where stored entries are shown.
        """
        return RunLog(self, run_id, owner_id, channel)

    def wake(self, log: RunLog, *, urgent: bool) -> None:
        """A log has something to store."""
        self._pending[log] = None
        self._work.set()
        if urgent:
            self._urgent.set()

    def forget(self, log: RunLog) -> None:
        """A log has nothing more to store."""
        self._pending.pop(log, None)

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._urgent.clear()
            start = self._flush_throttle.now()
            busy = self._flush_throttle.busy()
            due = [log for log in self._pending if log.is_due(start, self._lag, busy)]
            if due:
                await self._commit(due, start)
            if not self._pending:
                self._work.clear()
            elapsed = self._flush_throttle.now() - start
            pause = max(0.0, flush_interval(0.0, self._lag, busy) - elapsed)
            lag = await self._flush_throttle.rest(pause, self._urgent, self._work)
            self._lag = 0.7 * self._lag + 0.3 * lag

    async def _commit(self, logs: list[RunLog], now: float) -> None:
        batch: list[tuple[RunLog, list[LogEntry]]] = []
        for log in logs:
            self._pending.pop(log)
            if log.has_more:
                batch.append((log, log.take(now)))
        if not batch:
            return
        entries = [entry for _, taken in batch for entry in taken]
        try:
            await retry(
                partial(self._store, entries),
                BACK_OFF,
                should_retry=_should_retry,
                sleep=self._flush_throttle.back_off,
            )
        except Exception:
            await self._commit_one_by_one(batch)
        else:
            for log, _ in batch:
                log.show()

    async def _commit_one_by_one(self, batch: list[tuple[RunLog, list[LogEntry]]]) -> None:
        """Store what can be stored, so that the fault of one run does not end the others."""
        for log, entries in batch:
            try:
                await self._store(entries)
            except ChatError as error:  # a full disk is no bug
                logger.warning("An answer was given up: %s", error.message)
                log.fail()
            except Exception as error:  # it ends this run only, and its readers see an error
                log_unexpected_error(error, "the log of an answer")
                log.fail()
            else:
                log.show()


def _should_retry(error: Exception) -> bool:
    if isinstance(error, IntegrityError):
        return False  # one row is invalid (its owner is deleted); waiting cannot help
    logger.warning("A commit of the run log failed: %s", type(error).__name__)
    return True


def event_store(db: Database, clock: Clock) -> StoreEntries:
    """The `store` of a `LogWriter`; it also sets a run to `running` with its first token."""

    async def store(entries: Sequence[LogEntry]) -> None:
        # By run, in the order in which a deletion locks them, so that they do not wait in a circle.
        entries = sorted(entries, key=attrgetter("run_id"))
        # the run's last_seq is written at its end: until then the log itself has it
        started = [
            {"run_id": entry.run_id, "now": clock()} for entry in entries if entry.first_token
        ]
        rows = [
            {
                "run_id": entry.run_id,
                "seq": entry.seq,
                "owner_id": entry.owner_id,
                "org_id": entry.org_id,
                "kind": entry.event.kind,
                "payload": entry.payload,
            }
            for entry in entries
        ]

        def write(transaction: Transaction) -> None:
            transaction.run_each(INSERT_EVENT, rows)
            transaction.run_each(START_RUN, started)

        pages = sum(_PAGES_OF_ENTRY + len(entry.payload) // _PAGE_CHARS for entry in entries)
        await db.system_transact("run log", write, pages=pages)

    return store
