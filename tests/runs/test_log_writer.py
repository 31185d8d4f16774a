"""The group-committing writer, with a store that records and a clock that the test moves."""

import asyncio
import logging
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from chat_app.db.errors import DatabaseFull
from chat_app.runs.flush import (
    BUSY_FRAME,
    FAST_FRAME,
    FRAME,
    IDLE_SHARE,
    MAX_LAG,
    FlushThrottle,
    flush_interval,
)
from chat_app.runs.follow import Channel
from chat_app.runs.log import BACK_OFF, LogEntry, LogWriter, RunLog, RunLogUnavailable
from testing.run_services import VirtualPace

BUSY = OperationalError("insert", {}, Exception("locked"))
ORPHAN = IntegrityError("insert", {}, Exception("foreign key"))


class Disk:
    """A store that notes every transaction and can be slow or broken."""

    def __init__(self) -> None:
        self.commits: list[list[LogEntry]] = []
        self.tries = 0
        self.errors: list[Exception] = []
        self.refused: dict[UUID, Exception] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()

    async def store(self, entries: Sequence[LogEntry]) -> None:
        self.tries += 1
        self.entered.set()
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)
        for entry in entries:
            if entry.run_id in self.refused:
                raise self.refused[entry.run_id]
        self.commits.append(list(entries))

    def texts(self) -> list[list[str]]:
        return [[entry.text for entry in commit] for commit in self.commits]


class HeldPace(VirtualPace):
    """Rests until the test lets it go on, or until `urgent` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.resting = asyncio.Event()
        self.late = 0.0

    async def rest(self, seconds: float, urgent: asyncio.Event) -> float:
        self.rests.append(seconds)
        self.resting.set()
        waits = [asyncio.create_task(event.wait()) for event in (self.go, urgent)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            self.resting.clear()
        if self.go.is_set():
            self.go.clear()
            self.time += seconds
            return self.late
        return 0.0

    async def frame(self) -> None:
        """Let one rest end, and wait for the next one to begin."""
        await self.resting.wait()
        self.resting.clear()
        self.go.set()


class Desk:
    def __init__(self) -> None:
        self.disk = Disk()
        self.flush_throttle = HeldPace()
        self.writer = LogWriter(self.disk.store, self.flush_throttle)
        self.channels: list[Channel] = []
        self.ids: list[UUID] = []

    def open(self) -> RunLog:
        channel = Channel()
        self.channels.append(channel)
        self.ids.append(uuid4())
        return self.writer.open(self.ids[-1], uuid4(), channel)

    def shown(self, index: int = 0) -> str:
        event, _ = self.channels[index].read(0)
        return event.text if event else ""


@pytest.fixture
async def desk():
    one = Desk()
    one.writer.start()
    yield one
    await one.writer.stop()


async def test_the_first_token_is_committed_without_a_rest(desk: Desk):
    log = desk.open()
    log.add("text", "a")
    await desk.flush_throttle.resting.wait()
    assert desk.disk.texts() == [["a"]]
    assert len(desk.flush_throttle.rests) == 1, "the writer rests after the commit, not before"


async def test_tokens_of_many_runs_are_one_transaction(desk: Desk):
    logs = [desk.open() for _ in range(30)]
    for log in logs:
        log.add("text", "a")
    await desk.flush_throttle.resting.wait()
    assert [len(commit) for commit in desk.disk.commits] == [30]
    for log in logs:
        log.add("text", "b")
        log.add("text", "c")
    await desk.flush_throttle.frame()
    await desk.flush_throttle.resting.wait()
    assert [len(commit) for commit in desk.disk.commits] == [30, 30], "one row per run"
    assert set(desk.disk.texts()[1]) == {"bc"}


async def test_a_run_that_begins_does_not_wait_for_the_pace_of_others(desk: Desk):
    first, second = desk.open(), desk.open()
    first.add("text", "a")
    await desk.flush_throttle.resting.wait()
    first.add("text", "b")
    desk.disk.entered.clear()
    second.add("text", "x")
    await desk.disk.entered.wait()
    assert desk.disk.texts() == [["a"], ["x"]], "the other run keeps its pace"


async def test_nothing_is_shown_before_its_commit_returned(desk: Desk):
    log = desk.open()
    desk.disk.open.clear()
    log.add("text", "a")
    await desk.disk.entered.wait()
    assert desk.shown() == ""
    desk.disk.open.set()
    await log.flush()
    assert desk.shown() == "a"


async def test_a_failed_commit_is_tried_again_and_loses_nothing(desk: Desk):
    log = desk.open()
    desk.disk.errors = [BUSY, BUSY]
    log.add("text", "a")
    await log.flush()
    assert desk.shown() == "a"
    assert desk.flush_throttle.back_offs == list(BACK_OFF[:2])
    assert desk.disk.texts() == [["a"]]


async def test_text_that_comes_while_a_commit_fails_is_kept_in_order(desk: Desk):
    log = desk.open()
    desk.disk.open.clear()
    desk.disk.errors = [BUSY]
    log.add("text", "a")
    await desk.disk.entered.wait()
    log.add("text", "b")
    desk.disk.open.set()
    await log.flush()
    assert desk.shown() == "ab"
    assert [entry.seq for commit in desk.disk.commits for entry in commit] == [1, 2]


async def test_a_writer_that_gives_up_shows_nothing_and_says_so(desk: Desk):
    log = desk.open()
    desk.disk.errors = [BUSY] * 20
    log.add("text", "a")
    await log.failure()
    with pytest.raises(RunLogUnavailable):
        await log.flush()
    assert desk.shown() == ""
    assert desk.flush_throttle.back_offs == list(BACK_OFF)


async def test_one_run_that_cannot_be_stored_does_not_stop_the_others(desk: Desk):
    good, orphan = desk.open(), desk.open()
    desk.disk.refused[desk.ids[1]] = ORPHAN
    good.add("text", "a")
    orphan.add("text", "x")
    await orphan.failure()
    await good.flush()
    assert desk.shown(0) == "a"
    assert desk.shown(1) == ""
    assert desk.disk.tries == 3, "together, then one by one"
    assert desk.flush_throttle.back_offs == [], "waiting cannot mend a row without an owner"


async def test_an_unexpected_fault_of_the_store_does_not_end_the_writer(desk: Desk):
    first = desk.open()
    desk.disk.errors = [RuntimeError("a bug")] * 20
    first.add("text", "a")
    await first.failure()
    desk.disk.errors = []
    second = desk.open()
    second.add("text", "b")
    await second.flush()
    assert desk.shown(1) == "b"


async def test_a_full_disk_is_written_down_as_no_bug(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger("chat_app"), "propagate", True)
    log = desk.open()
    desk.disk.errors = [DatabaseFull()] * 20
    log.add("text", "a")
    await log.failure()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert DatabaseFull().message in caplog.text


async def test_closing_keeps_what_is_being_committed_and_drops_the_rest(desk: Desk):
    log = desk.open()
    desk.disk.open.clear()
    log.add("text", "shown")
    await desk.disk.entered.wait()
    log.add("text", " dropped")
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    assert not closing.done(), "what is on its way to the disk decides"
    desk.disk.open.set()
    await closing
    log.add("text", " too late")
    await desk.flush_throttle.frame()
    await asyncio.sleep(0)
    assert desk.shown() == "shown"
    assert desk.disk.texts() == [["shown"]]


async def test_reasoning_is_stored_in_its_place_and_not_shown(desk: Desk):
    log = desk.open()
    log.add("reasoning", "hm")
    log.add("text", "a")
    log.add("text", "b")
    await log.flush()
    assert [(e.seq, e.kind, e.text) for e in desk.disk.commits[0]] == [
        (1, "reasoning", "hm"),
        (2, "text", "ab"),
    ]
    assert desk.shown() == "ab"


async def test_half_a_surrogate_pair_never_reaches_the_disk(desk: Desk):
    log = desk.open()
    log.add("text", "a\ud83d")
    log.add("text", "b\0")
    await log.flush()
    desk.shown().encode()
    assert "\0" not in desk.shown()


async def test_a_fast_run_is_committed_every_second_frame(desk: Desk):
    log = desk.open()
    log.add("text", "first")
    await desk.flush_throttle.resting.wait()
    commits = []
    for _ in range(20):
        for _ in range(10):
            log.add("text", "x")
        before = len(desk.disk.commits)
        await desk.flush_throttle.frame()
        await desk.flush_throttle.resting.wait()
        commits.append(len(desk.disk.commits) - before)
    assert sum(commits[-10:]) == 5


async def test_a_slow_run_is_committed_every_frame(desk: Desk):
    log = desk.open()
    log.add("text", "first")
    await desk.flush_throttle.resting.wait()
    for _ in range(10):
        log.add("text", "x")
        await desk.flush_throttle.frame()
        await desk.flush_throttle.resting.wait()
    assert len(desk.disk.commits) == 11


async def test_a_late_event_loop_slows_the_commits_down(desk: Desk):
    log = desk.open()
    desk.flush_throttle.late = 0.2
    log.add("text", "first")
    for _ in range(3):
        await desk.flush_throttle.frame()
        log.add("text", "x")
    await desk.flush_throttle.resting.wait()
    assert desk.flush_throttle.rests[-1] == BUSY_FRAME
    assert desk.flush_throttle.rests[0] == FRAME


async def test_a_rest_ends_at_a_hurry_or_by_itself():
    flush_throttle, urgent = FlushThrottle(), asyncio.Event()
    assert await flush_throttle.rest(0, urgent) >= 0
    urgent.set()
    assert await flush_throttle.rest(3600, urgent) == 0
    await flush_throttle.back_off(0)


def test_the_pace_follows_the_stream_and_the_strain():
    assert flush_interval(50, 0) == FRAME
    assert flush_interval(400, 0) == FAST_FRAME
    assert flush_interval(50, MAX_LAG * 1.1) == BUSY_FRAME
    assert flush_interval(50, 0, busy=1 - IDLE_SHARE) == FRAME
    assert FRAME < flush_interval(50, 0, busy=1 - IDLE_SHARE / 2) < BUSY_FRAME
    assert flush_interval(50, 0, busy=1) == flush_interval(400, 0, busy=1) == BUSY_FRAME


def test_a_loop_that_only_works_is_busy():
    flush_throttle = FlushThrottle()
    until = time.thread_time() + 0.5
    seen = 0.0
    while time.thread_time() < until:
        seen = max(seen, flush_throttle.busy())
    assert seen > 0
