"""The group-committing writer, with a store that records and a clock that the test moves."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from chat_app.api.wires.ai_sdk import ui_parts
from chat_app.core.errors import DatabaseFull
from chat_app.core.events import (
    Finish,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    ToolCallDelta,
    ToolResult,
    Usage,
    encode_payload,
    fold,
)
from chat_app.core.json_values import LEFT_OUT
from chat_app.core.parts import notice_part
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
from testing.run_services import VirtualThrottle, text_of

BUSY = OperationalError("insert", {}, Exception("locked"))
ORPHAN = IntegrityError("insert", {}, Exception("foreign key"))


class FaultyStore:
    """A store that notes every transaction and can be slow or broken."""

    def __init__(self) -> None:
        self.commits: list[list[LogEntry]] = []
        self.attempts = 0
        self.errors: list[Exception] = []
        self.refused: dict[UUID, Exception] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()

    async def store(self, entries: Sequence[LogEntry]) -> None:
        self.attempts += 1
        self.entered.set()
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)
        for entry in entries:
            if entry.run_id in self.refused:
                raise self.refused[entry.run_id]
        self.commits.append(list(entries))

    def texts(self) -> list[list[str]]:
        return [[entry.payload for entry in commit] for commit in self.commits]


class HeldThrottle(VirtualThrottle):
    """Rests until the test lets it go on, or until `urgent` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.resting = asyncio.Event()
        self.lag = 0.0

    async def rest(self, seconds: float, urgent: asyncio.Event, work: asyncio.Event) -> float:
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
            return self.lag
        return 0.0

    async def frame(self) -> None:
        """Let one rest end, and wait for the next one to begin."""
        await self.resting.wait()
        self.resting.clear()
        self.go.set()


class WriterHarness:
    def __init__(self) -> None:
        self.disk = FaultyStore()
        self.flush_throttle = HeldThrottle()
        self.writer = LogWriter(self.disk.store, self.flush_throttle)
        self.channels: list[Channel] = []
        self.ids: list[UUID] = []

    def open(self) -> RunLog:
        channel = Channel()
        self.channels.append(channel)
        self.ids.append(uuid4())
        return self.writer.open(self.ids[-1], uuid4(), channel)

    def shown(self, index: int = 0) -> str:
        events, _ = self.channels[index].read(0)
        return text_of(events)


@pytest.fixture
async def harness():
    one = WriterHarness()
    one.writer.start()
    yield one
    await one.writer.stop()


async def test_the_first_token_is_committed_without_a_rest(harness: WriterHarness):
    log = harness.open()
    log.add(TextDelta("a"))
    await harness.flush_throttle.resting.wait()
    assert harness.disk.texts() == [["a"]]
    assert len(harness.flush_throttle.rests) == 1, "the writer rests after the commit, not before"


async def test_tokens_of_many_runs_are_one_transaction(harness: WriterHarness):
    logs = [harness.open() for _ in range(30)]
    for log in logs:
        log.add(TextDelta("a"))
    await harness.flush_throttle.resting.wait()
    assert [len(commit) for commit in harness.disk.commits] == [30]
    for log in logs:
        log.add(TextDelta("b"))
        log.add(TextDelta("c"))
    await harness.flush_throttle.frame()
    await harness.flush_throttle.resting.wait()
    assert [len(commit) for commit in harness.disk.commits] == [30, 30], "one row per run"
    assert set(harness.disk.texts()[1]) == {"bc"}


async def test_a_new_run_does_not_wait_for_the_flushes_of_others(harness: WriterHarness):
    first, second = harness.open(), harness.open()
    first.add(TextDelta("a"))
    await harness.flush_throttle.resting.wait()
    first.add(TextDelta("b"))
    harness.disk.entered.clear()
    second.add(TextDelta("x"))
    await harness.disk.entered.wait()
    assert harness.disk.texts() == [["a"], ["x"]], "the other run keeps its pace"


async def test_nothing_is_shown_before_its_commit_returned(harness: WriterHarness):
    log = harness.open()
    harness.disk.open.clear()
    log.add(TextDelta("a"))
    await harness.disk.entered.wait()
    assert harness.shown() == ""
    harness.disk.open.set()
    await log.flush()
    assert harness.shown() == "a"


async def test_a_failed_commit_is_retried_and_loses_nothing(harness: WriterHarness):
    log = harness.open()
    harness.disk.errors = [BUSY, BUSY]
    log.add(TextDelta("a"))
    await log.flush()
    assert harness.shown() == "a"
    assert harness.flush_throttle.back_offs == list(BACK_OFF[:2])
    assert harness.disk.texts() == [["a"]]


async def test_text_that_comes_while_a_commit_fails_is_kept_in_order(harness: WriterHarness):
    log = harness.open()
    harness.disk.open.clear()
    harness.disk.errors = [BUSY]
    log.add(TextDelta("a"))
    await harness.disk.entered.wait()
    log.add(TextDelta("b"))
    harness.disk.open.set()
    await log.flush()
    assert harness.shown() == "ab"
    assert [entry.seq for commit in harness.disk.commits for entry in commit] == [1, 2]


async def test_a_writer_that_gives_up_shows_nothing_and_raises(harness: WriterHarness):
    log = harness.open()
    harness.disk.errors = [BUSY] * 20
    log.add(TextDelta("a"))
    await log.failure()
    with pytest.raises(RunLogUnavailable):
        await log.flush()
    assert harness.shown() == ""
    assert harness.flush_throttle.back_offs == list(BACK_OFF)


async def test_one_run_that_cannot_be_stored_does_not_stop_the_others(harness: WriterHarness):
    good, orphan = harness.open(), harness.open()
    harness.disk.refused[harness.ids[1]] = ORPHAN
    good.add(TextDelta("a"))
    orphan.add(TextDelta("x"))
    await orphan.failure()
    await good.flush()
    assert harness.shown(0) == "a"
    assert harness.shown(1) == ""
    assert harness.disk.attempts == 3, "together, then one by one"
    assert harness.flush_throttle.back_offs == [], "waiting cannot repair a row without an owner"


async def test_an_unexpected_fault_of_the_store_does_not_end_the_writer(harness: WriterHarness):
    first = harness.open()
    harness.disk.errors = [RuntimeError("a bug")] * 20
    first.add(TextDelta("a"))
    await first.failure()
    harness.disk.errors = []
    second = harness.open()
    second.add(TextDelta("b"))
    await second.flush()
    assert harness.shown(1) == "b"


async def test_a_full_disk_is_not_logged_as_a_bug(
    harness: WriterHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger("chat_app"), "propagate", True)
    log = harness.open()
    harness.disk.errors = [DatabaseFull()] * 20
    log.add(TextDelta("a"))
    await log.failure()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert DatabaseFull().message in caplog.text


async def test_closing_keeps_what_is_being_committed_and_drops_the_rest(harness: WriterHarness):
    log = harness.open()
    harness.disk.open.clear()
    log.add(TextDelta("shown"))
    await harness.disk.entered.wait()
    log.add(TextDelta(" dropped"))
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    assert not closing.done(), "what is on its way to the disk decides"
    harness.disk.open.set()
    await closing
    log.add(TextDelta(" too late"))
    await harness.flush_throttle.frame()
    await asyncio.sleep(0)
    assert harness.shown() == "shown"
    assert harness.disk.texts() == [["shown"]]


async def test_every_event_is_stored_in_its_place_and_only_texts_are_joined(
    harness: WriterHarness,
):
    log = harness.open()
    notice = PartAdded(notice_part("model_changed"))
    added = [
        notice,
        *(ReasoningDelta("h"), ReasoningDelta("m"), ReasoningEnd(1.5)),
        *(TextDelta("a"), TextDelta(""), TextDelta("b")),
        *(ToolCallDelta("c", "n", "{"), ToolCallDelta("c", "n", "}")),
        *(Usage(1, 2), Finish("stop")),
    ]
    for event in added:
        log.add(event)
    await log.flush()
    entries = [(entry.seq, entry.event.kind, entry.payload) for entry in harness.disk.commits[0]]
    assert entries == [
        (1, "part", encode_payload(notice)),
        (2, "reasoning", "hm"),
        (3, "reasoning-end", '{"seconds":1.5}'),
        (4, "text", "ab"),
        (5, "tool-call-delta", '{"call_id":"c","name":"n","arguments":"{"}'),
        (6, "tool-call-delta", '{"call_id":"c","name":"n","arguments":"}"}'),
        (7, "usage", encode_payload(Usage(1, 2))),
        (8, "finish", '{"reason":"stop"}'),
    ]
    assert harness.shown() == "ab"
    assert harness.channels[0].finish == Finish("stop")


async def test_the_first_token_is_no_notice(harness: WriterHarness):
    log = harness.open()
    log.add(PartAdded(notice_part("model_changed")))
    log.add(ReasoningDelta("hm"))
    log.add(TextDelta("a"))
    await log.flush()
    log.add(TextDelta("b"))
    await log.flush()
    entries = [entry for commit in harness.disk.commits for entry in commit]
    assert [entry.first_token for entry in entries] == [False, True, False, False]


async def test_what_is_buffered_counts_every_payload(harness: WriterHarness):
    log = harness.open()
    harness.disk.open.clear()
    log.add(TextDelta("abc"))
    log.add(ToolResult("c", "x" * 1_000))
    assert log.buffered > 1_000
    harness.disk.open.set()
    await log.flush()
    assert log.buffered == 0


async def test_half_a_surrogate_pair_never_reaches_the_disk(harness: WriterHarness):
    log = harness.open()
    log.add(TextDelta("a\ud83d"))
    log.add(TextDelta("b\0"))
    await log.flush()
    harness.shown().encode()
    assert "\0" not in harness.shown()


async def test_a_result_with_half_a_surrogate_pair_is_shown_as_it_is_stored(
    harness: WriterHarness,
):
    log = harness.open()
    log.add(ToolCallDelta("c", "n", "{}"))
    log.add(ToolResult("c", {"a\ud83d": "b"}))
    await log.flush()
    entry = harness.disk.commits[0][-1]
    entry.payload.encode()
    (*_, shown), _ = harness.channels[0].read(0)
    assert shown.event == entry.event == ToolResult("c", {"a\ufffd": "b"})


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        (math.nan, None),
        ({"a": [math.inf, 1]}, {"a": [None, 1]}),
        (json.loads("[" * 900 + "]" * 900), None),
    ],
)
async def test_a_value_that_cannot_be_sent_is_shown_and_stored_without_what_is_wrong(
    harness: WriterHarness, value: object, safe: object
):
    log = harness.open()
    log.add(ToolCallDelta("c", "n", "{}"))
    log.add(ToolResult("c", value))
    log.add(PartAdded({"type": "data", "name": "n", "data": value}))
    await log.flush()
    events = [shown.event for shown in harness.channels[0].read(0)[0]]
    assert events == [entry.event for entry in harness.disk.commits[0]]
    call, data = fold(events).parts
    sent = json.dumps(ui_parts([call, data]), allow_nan=False)
    if isinstance(value, list):
        assert sent.count(LEFT_OUT) == 2
    else:
        assert call == {**call, "state": "done", "result": safe}
        assert data == {"type": "data", "name": "n", "data": safe}


async def test_a_fast_run_is_committed_every_second_frame(harness: WriterHarness):
    log = harness.open()
    log.add(TextDelta("first"))
    await harness.flush_throttle.resting.wait()
    commits = []
    for _ in range(20):
        for _ in range(10):
            log.add(TextDelta("x"))
        before = len(harness.disk.commits)
        await harness.flush_throttle.frame()
        await harness.flush_throttle.resting.wait()
        commits.append(len(harness.disk.commits) - before)
    assert sum(commits[-10:]) == 5


async def test_a_slow_run_is_committed_every_frame(harness: WriterHarness):
    log = harness.open()
    log.add(TextDelta("first"))
    await harness.flush_throttle.resting.wait()
    for _ in range(10):
        log.add(TextDelta("x"))
        await harness.flush_throttle.frame()
        await harness.flush_throttle.resting.wait()
    assert len(harness.disk.commits) == 11


async def test_a_lagging_event_loop_slows_the_commits_down(harness: WriterHarness):
    log = harness.open()
    harness.flush_throttle.lag = 0.2
    log.add(TextDelta("first"))
    for _ in range(3):
        await harness.flush_throttle.frame()
        log.add(TextDelta("x"))
    await harness.flush_throttle.resting.wait()
    assert harness.flush_throttle.rests[-1] == BUSY_FRAME
    assert harness.flush_throttle.rests[0] == FRAME


async def test_a_rest_ends_when_it_is_urgent_or_by_itself():
    flush_throttle, urgent, work = FlushThrottle(), asyncio.Event(), asyncio.Event()
    work.set()
    assert await flush_throttle.rest(0, urgent, work) >= 0
    urgent.set()
    assert await flush_throttle.rest(3600, urgent, work) == 0
    await flush_throttle.back_off(0)


def test_the_flush_interval_depends_on_the_stream_and_the_load():
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
