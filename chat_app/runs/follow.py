"""Follow a run: replay what is stored, then stream what comes, until the end event.

A reader keeps an index into the run's channel, not a queue: a slow one costs nothing and gets
everything it missed as one event.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Any, Literal, cast
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import NotFound, message_of
from chat_app.core.events import (
    PART_DELTAS,
    Event,
    Finish,
    FinishReason,
    FoldedRun,
    PartDelta,
    PartLocator,
    Usage,
    decode_event,
    events_of,
    fold,
    is_known,
    text_length,
)
from chat_app.core.parts import Part
from chat_app.core.text import utf16_length
from chat_app.db.tables import ACTIVE, Message, Run, RunEvent

EndStatus = Literal["complete", "stopped", "failed", "interrupted", "revoked"]
"""How a run ends: by itself, by its user, by a provider, by a lost worker, with its session."""
StopReason = Literal["user", "thread-deleted"]
"""Who stopped a run: its user, or the deletion of its thread."""
COMPACTION = "compaction"
"""In place of a finish reason, from its beginning: a run that only adds a summary to an answer."""

_IDS = 1_000  # that one statement names


@dataclass(frozen=True, slots=True)
class PartEvent:
    """An event of an answer and the part it is about; it is stored before a reader sees it.

    Args:
        seq: The last log entry in it.
        part: The index of the part that it begins or changes.
        offset: The length of the part's text before it, in UTF-16 code units; 0 for an event
            without text.
        event: The event; its text may join several log entries.
    """

    seq: int
    part: int
    offset: int
    event: Event


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """What an answer took. None is what is not known.

    Args:
        model: The model's id.
        usage: The provider's token counts.
        first_token_seconds: From the start of the run to the first token, reasoning included.
        total_seconds: From the start of the run to its end.
        cost: In billionths of a US dollar.
    """

    model: str
    usage: Usage | None = None
    first_token_seconds: float | None = None
    total_seconds: float | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The end of a run; nothing follows.

    Args:
        seq: The last log entry of the run.
        status: How it ended.
        reason: Why: a `FinishReason` when complete, a `StopReason` when stopped, else empty; empty
            for runs of older revisions.
        error: The message for the user if it failed, else empty.
        length: The length of all text and reasoning, in UTF-16 code units.
        metrics: What it took.
    """

    seq: int
    status: EndStatus
    reason: FinishReason | StopReason | Literal[""]
    error: str
    length: int
    metrics: RunMetrics


class Channel:
    """The shown events of one active run, in memory.

    Attributes:
        seq: The last stored log entry.
        length: The length of all text and reasoning, in UTF-16 code units.
        usage: The provider's token counts, once they came.
        finish: How the model finished, once it has.
        end: How the run ended, once it has.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.length = 0
        self.usage: Usage | None = None
        self.finish: Finish | None = None
        self.end: EndEvent | None = None
        self._seqs: list[int] = []
        self._parts: list[int] = []
        self._offsets: list[int] = []
        self._events: list[Event] = []
        self._lengths: list[int] = []  # of each part's text
        self._locator = PartLocator()
        self._changed = asyncio.Event()

    def put(self, seq: int, event: Event) -> None:
        """Show a stored log entry. An event that is about no part only moves `seq`."""
        self.seq = seq
        part = self._locator.locate(event)
        if part is None:
            if isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Finish):
                self.finish = event
            return
        if part == len(self._lengths):
            self._lengths.append(0)
        offset = 0
        if isinstance(event, PART_DELTAS):
            offset = self._lengths[part]
            length = utf16_length(event.text)
            self._lengths[part] = offset + length
            self.length += length
        self._seqs.append(seq)
        self._parts.append(part)
        self._offsets.append(offset)
        self._events.append(event)
        self.wake()

    def close(self, end: EndEvent) -> None:
        """Show the end event."""
        self.end = end
        self.wake()

    def wake(self) -> None:
        """Wake every reader."""
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()

    async def changed(self) -> None:
        """Wait for the next `put`, `close` or `wake`."""
        await self._changed.wait()

    def index_after(self, seq: int) -> int:
        """The index at which a reader that has everything up to `seq` continues."""
        return bisect_right(self._seqs, seq)

    def read(self, index: int) -> tuple[list[PartEvent], int]:
        """Everything from an index on, and the index to continue from.

        Texts that follow each other in one part are joined.
        """
        found: list[PartEvent] = []
        end = len(self._events)
        while index < end:
            event, last = self._events[index], index
            if isinstance(event, PART_DELTAS):
                while last + 1 < end and self._continues(last + 1):
                    last += 1
                if last > index:
                    deltas = cast(list[PartDelta], self._events[index : last + 1])
                    event = type(event)("".join([delta.text for delta in deltas]))
            found.append(
                PartEvent(self._seqs[last], self._parts[index], self._offsets[index], event)
            )
            index = last + 1
        return found, end

    def _continues(self, index: int) -> bool:
        """Whether an event is text of the same part as the one before it."""
        return self._parts[index] == self._parts[index - 1] and isinstance(
            self._events[index], PART_DELTAS
        )


class RevokedCredentials:
    """A bounded memory of revoked session and API key ids.

    A request that passed the gateway can start a run after its credential is revoked, and a reader
    may be asleep when that happens: both check here. Only the oldest ids are ever forgotten,
    because a revoked one never becomes valid again.

    Args:
        max_size: How many ids are remembered.
    """

    def __init__(self, max_size: int = 10_000) -> None:
        self._max_size = max_size
        self._ids: dict[UUID, None] = {}

    def add(self, credential_id: UUID) -> None:
        """Remember a revoked session or API key."""
        self._ids[credential_id] = None
        if len(self._ids) > self._max_size:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, credential_id: UUID) -> bool:
        return credential_id in self._ids


async def follow_channel(
    channel: Channel, after: int, credential_id: UUID, revoked: RevokedCredentials
) -> AsyncIterator[PartEvent | EndEvent]:
    """Replay what an active run has shown, then stream what it shows next.

    Args:
        channel: The run's.
        after: The last log entry the reader has.
        credential_id: The reader's session or API key; its end is the end of the stream.
        revoked: The revoked credentials.
    """
    index = channel.index_after(after)
    while True:
        if credential_id in revoked:
            metrics = RunMetrics("")
            yield EndEvent(channel.seq, "revoked", "", "", channel.length, metrics)
            return
        events, index = channel.read(index)
        for event in events:
            yield event
        if events:
            continue
        if channel.end is not None:
            yield channel.end
            return
        await channel.changed()


async def stored_answer(
    session: AsyncSession, run_id: UUID, after: int
) -> tuple[list[PartEvent], EndEvent]:
    """What is left to read of a finished run.

    Its log is folded into the message, so a reader in the middle of it gets every part from the
    beginning again, at offset 0.

    Args:
        session: A session scoped to the reader.
        run_id: The run.
        after: The last log entry the reader has.

    Raises:
        NotFound: The run is missing or foreign.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        raise NotFound
    parts, seq = message.parts, run.last_seq
    if run.status in ACTIVE:  # its worker is lost; the next start closes the run
        folded, seq = await fold_log(session, run_id)
        parts = folded.parts
    end = end_event(run, seq, parts)
    if after >= seq:
        return [], end
    return [PartEvent(seq, part, 0, event) for part, event in events_of(parts)], end


def end_event(run: Run, seq: int, parts: list[Part]) -> EndEvent:
    """The end event of a run, as its row says.

    Args:
        run: The row.
        seq: The run's last log entry.
        parts: What the log folds to.
    """
    return EndEvent(
        seq,
        _end_status(run),
        end_reason(run.finish_reason),
        message_of(run.error, run.error_params),
        text_length(parts),
        run_metrics(run),
    )


async def runs_of(session: AsyncSession, message_ids: Sequence[UUID]) -> list[Run]:
    """The runs that wrote answers, the first one of each first: a continued answer has several."""
    found = list[Run]()
    for start in range(0, len(message_ids), _IDS):
        runs = select(Run).where(
            col(Run.message_id).in_(message_ids[start : start + _IDS]),
            col(Run.finish_reason) != COMPACTION,
        )
        found += await session.exec(runs.order_by(col(Run.created_at), col(Run.id)))
    return found


def end_reason(stored: str) -> FinishReason | StopReason | Literal[""]:
    """Why an answer ended, as the row of a run says; a compaction has no reason."""
    return "" if stored == COMPACTION else cast(Any, stored)


async def fold_log(session: AsyncSession, run_id: UUID) -> tuple[FoldedRun, int]:
    """What a run's stored events fold to, and the last `seq`."""
    log = select(RunEvent.seq, RunEvent.kind, RunEvent.payload).where(RunEvent.run_id == run_id)
    return fold_entries((await session.exec(log.order_by(col(RunEvent.seq)))).all())


def fold_entries(entries: Sequence[tuple[int, str, str]]) -> tuple[FoldedRun, int]:
    """What log entries fold to, and the last `seq`.

    Args:
        entries: The `seq`, kind and payload of each, in order.
    """
    folded = fold(decode_event(kind, payload) for _, kind, payload in entries if is_known(kind))
    return folded, entries[-1][0] if entries else 0


def run_metrics(run: Run) -> RunMetrics:
    """What an answer took, as its run's row says."""
    usage = None
    if run.input_tokens is not None and run.output_tokens is not None:
        usage = Usage(
            run.input_tokens, run.output_tokens, run.reasoning_tokens, run.cached_input_tokens
        )
    return RunMetrics(
        run.model,
        usage,
        seconds_between(run.created_at, run.first_event_at),
        seconds_between(run.created_at, run.finished_at),
        run.cost_nanodollars,
    )


def answer_metrics(runs: Sequence[Run]) -> RunMetrics:
    """What an answer took that was continued by further runs; see `run_metrics`.

    Args:
        runs: Its runs, at least one, in their order.
    """
    first, *others = map(run_metrics, runs)
    return reduce(_sum, others, first)


def _sum(first: RunMetrics, second: RunMetrics) -> RunMetrics:
    usage, total = second.usage, second.total_seconds
    if first.usage is not None and usage is not None:
        usage = Usage(
            first.usage.input_tokens + usage.input_tokens,
            first.usage.output_tokens + usage.output_tokens,
            _sum_of_known(first.usage.reasoning_tokens, usage.reasoning_tokens),
            _sum_of_known(first.usage.cached_input_tokens, usage.cached_input_tokens),
        )
    if first.total_seconds is not None and total is not None:
        total += first.total_seconds
    return replace(
        second,
        usage=usage or first.usage,
        first_token_seconds=first.first_token_seconds,
        total_seconds=total,
        cost=_sum_of_known(first.cost, second.cost),
    )


def _sum_of_known(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def seconds_between(start: datetime, end: datetime | None) -> float | None:
    """How long something took; None if it has not ended."""
    return None if end is None else max(0.0, (end - start).total_seconds())


def _end_status(run: Run) -> EndStatus:
    match run.status:
        case "complete" | "stopped" | "failed" | "revoked" as status:
            return status
        case _:
            return "interrupted"
