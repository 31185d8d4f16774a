"""One answer that is being made, in memory."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import cast
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import ChatError
from chat_app.core.logging import log_unexpected_error
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.llm.base import Delta, Model, PromptMessage, ReasoningDelta, TextDelta, Usage
from chat_app.runs.create import SentMessage
from chat_app.runs.events import EndEvent
from chat_app.runs.finalize import RunResult, finalize
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.follow import Channel
from chat_app.runs.log import BACK_OFF, LogWriter, RunLog, RunLogUnavailable
from chat_app.runs.prompt import build_prompt
from chat_app.runs.titles import ThreadTitler
from chat_app.settings import Settings


@dataclass(slots=True, eq=False)
class ActiveRun:
    """A run from before its first row to after its last.

    Attributes:
        thread_id: Its thread, once that is known.
        ending: How it was told to end, by anything but its model.
        told: Set together with `ending`.
        over: Set when its end is stored and shown.
    """

    run_id: UUID
    principal: Principal
    channel: Channel
    log: RunLog
    thread_id: UUID | None = None
    ending: RunResult | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, result: RunResult) -> None:
        """Tell it to end. The first reason given stands."""
        if self.ending is None:
            self.ending = result
            self.told.set()

    def end_event(self, result: RunResult) -> EndEvent:
        """What readers see last."""
        return EndEvent(self.channel.seq, result.status, result.error, self.channel.length)


EMPTY = "The model sent an empty answer. Try again, or choose another model."

_WAITING_CHARS = 64_000
"""A model further ahead of the disk than this is made to wait."""
_FAIR = 64
"""Deltas after which the event loop gets a turn, however fast the model is."""


async def stream_answer(
    model: Model, turns: Sequence[PromptMessage], log: RunLog, *, max_tokens: int
) -> RunResult:
    """Add a model's answer to a log. Cancelling this closes the connection to the provider.

    Args:
        model: Who answers.
        turns: What it is shown.
        log: Where it goes; not flushed at the end.
        max_tokens: The most tokens to answer with.

    Raises:
        ProviderError: The provider failed; the log has what came before.
        NotSaved: The log could not be written.
    """
    usage: Usage | None = None
    said = False
    # A model's iterator can be closed; only a generator's type says so.
    stream = cast(AsyncGenerator[Delta], model.stream(turns, max_tokens=max_tokens))
    async with aclosing(stream) as deltas:
        count = 0
        async for delta in deltas:
            match delta:
                case TextDelta(text):
                    log.add("text", text)
                    said = said or bool(text)
                case ReasoningDelta(text):
                    log.add("reasoning", text)
                case Usage():
                    usage = delta
            count += 1
            if log.waiting > _WAITING_CHARS:
                await log.flush()
            elif count % _FAIR == 0:
                await asyncio.sleep(0)
    return RunResult("complete", "", usage) if said else RunResult("failed", EMPTY, usage)


logger = logging.getLogger(__name__)

BROKEN = "Something went wrong here while the answer was written. Try again."

CANCEL_TIMEOUT_SECONDS = 0.2
"""How long to wait for what was cancelled; a held database may keep it."""
_KEEP_TRYING_SECONDS = 5.0
_CLOSING_SECONDS = 1.0
"""How long a provider's connection may take to close before the run ends without it."""
_EXACT = ("stopped", "revoked")
"""Endings that keep what was shown and nothing more."""


class RunExecutor:
    """The live runs of this process.

    Args:
        db: The database.
        bus: Where ends are told.
        settings: What models are shown, and how long they may answer.
        clock: The time in rows.
        writer: The log of all runs.
        pace: The waits between tries.
        naming: Names threads after their first answer.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        settings: Settings,
        clock: Clock,
        writer: LogWriter,
        flush_throttle: FlushThrottle,
        titler: ThreadTitler,
    ) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._writer = writer
        self._flush_throttle = flush_throttle
        self._titler = titler
        self._live: dict[UUID, ActiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, principal: Principal) -> ActiveRun:
        """Make a run known before it is stored, so that it can be told to end from now on."""
        run_id, channel = uuid4(), Channel()
        log = self._writer.open(run_id, principal.user_id, channel)
        live = ActiveRun(run_id, principal, channel, log)
        self._live[run_id] = live
        return live

    def drop(self, live: ActiveRun) -> None:
        """Forget a run that was not stored after all, or is over."""
        self._live.pop(live.run_id, None)
        live.over.set()

    def launch(self, live: ActiveRun, sent: SentMessage, model: Model) -> None:
        """Start to answer. The run's rows are committed."""
        task = asyncio.create_task(self._serve(live, sent, model), name="answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, run_id: UUID) -> ActiveRun | None:
        """A live run."""
        return self._live.get(run_id)

    def end(self, which: Callable[[ActiveRun], bool], result: RunResult) -> list[ActiveRun]:
        """Tell some runs to end.

        Returns:
            Those that were told; each is `over` when its end is stored.
        """
        told = [live for live in self._live.values() if which(live)]
        for live in told:
            live.end(result)
        return told

    def session_ids(self) -> set[UUID]:
        """The sessions that have an answer running."""
        return {live.principal.credential_id for live in self._live.values()}

    def wake_readers(self) -> None:
        """Let every reader of every live run look again."""
        for live in self._live.values():
            live.channel.wake()

    async def drain(self, seconds: float) -> None:
        """Interrupt every run, and wait until their ends are stored.

        Args:
            seconds: The longest wait; what is left then is let go of, and closed at the next
                start.
        """
        told = self.end(lambda _: True, RunResult("interrupted"))
        waits = [asyncio.create_task(live.over.wait()) for live in told]
        work = [*waits, *self._tasks]
        if work:
            await asyncio.wait(work, timeout=seconds)
        rest = [*waits, *self._tasks]
        for task in rest:
            task.cancel()
        if rest:
            # one that waits for a held database cannot be cancelled until the database answers
            await asyncio.wait(rest, timeout=CANCEL_TIMEOUT_SECONDS)

    async def _serve(self, live: ActiveRun, sent: SentMessage, model: Model) -> None:
        result = await self._run_model(live, sent, model)
        if result.status not in _EXACT:
            try:
                await live.log.flush()
            except RunLogUnavailable:
                result = _NOT_SAVED
        await live.log.close()
        await self._settle(live, sent, result)
        if result.status == "complete":
            self._titler.name(live.principal, sent.thread_id, sent.user_message_id, model)

    async def _run_model(self, live: ActiveRun, sent: SentMessage, model: Model) -> RunResult:
        """Wait for the model, or for somebody who ends the run before it does."""
        if live.ending is not None:
            return live.ending
        making = asyncio.create_task(self._make(live, sent, model))
        told = asyncio.create_task(live.told.wait())
        lost = asyncio.create_task(live.log.failure())
        try:
            await asyncio.wait({making, told, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (making, told, lost):
                task.cancel()
        await asyncio.wait({making}, timeout=_CLOSING_SECONDS)
        if making.done() and not making.cancelled():
            return _result(making)
        return live.ending or _NOT_SAVED

    async def _make(self, live: ActiveRun, sent: SentMessage, model: Model) -> RunResult:
        shown = await build_prompt(
            self._db,
            live.principal,
            sent.user_message_id,
            system=self._settings.chat_system_prompt,
            max_chars=self._settings.chat_context_chars,
        )
        return await stream_answer(
            model, shown, live.log, max_tokens=self._settings.chat_max_tokens
        )

    async def _settle(self, live: ActiveRun, sent: SentMessage, result: RunResult) -> None:
        """Store the end and then show it; readers are not kept waiting for a broken disk."""
        for delay in chain(BACK_OFF, repeat(_KEEP_TRYING_SECONDS)):
            try:
                async with self._db.write(live.principal) as session:
                    await finalize(session, live.run_id, result, self._clock())
            except Exception as error:  # the next try, or the next start, closes the run
                logger.warning("The end of an answer was not stored: %s", type(error).__name__)
                if delay == BACK_OFF[-1]:
                    self._show_end(live, sent, result)
                await self._flush_throttle.back_off(delay)
            else:
                break
        self._show_end(live, sent, result)
        self.drop(live)

    def _show_end(self, live: ActiveRun, sent: SentMessage, result: RunResult) -> None:
        live.channel.close(live.end_event(result))
        live.over.set()
        topic = user_topic(live.principal.user_id)
        self._bus.publish(topic, Signal("run_ended", sent.thread_id, live.run_id))
        self._bus.publish(topic, Signal("thread", sent.thread_id))


_NOT_SAVED = RunResult("failed", RunLogUnavailable().message)


def _result(making: "asyncio.Task[RunResult]") -> RunResult:
    error = making.exception()
    if error is None:
        return making.result()
    if isinstance(error, ChatError):
        return RunResult("failed", error.message)
    log_unexpected_error(error, "an answer")
    return RunResult("failed", BROKEN)
