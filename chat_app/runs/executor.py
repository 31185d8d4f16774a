"""Execute runs: stream the model's answer to a prompt into the log, finalize."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, repeat
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock, retry
from chat_app.core.errors import StorableError
from chat_app.core.events import (
    PART_DELTAS,
    Event,
    Finish,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextWasReasoning,
    ToolCallDelta,
    Usage,
    events_of,
)
from chat_app.core.logging import log_unexpected_error
from chat_app.core.parts import Part, has_content, notice_part
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.llm.base import CallOptions, Model, text_message
from chat_app.llm.errors import ContextTooLong
from chat_app.llm.registry import Models
from chat_app.runs.calls import ModelCall, ModelCalls, Requester, UserCalls, fallback_notice
from chat_app.runs.compact import FittedPrompt, add_summary, can_shorten, fit_prompt
from chat_app.runs.context_size import ContextSizes
from chat_app.runs.continuation import INSTRUCTION, joined
from chat_app.runs.create import CreatedRun
from chat_app.runs.finalize import RunResult, finalize, finished_result
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.follow import Channel, EndEvent, EndStatus, RunMetrics
from chat_app.runs.log import BACK_OFF, LogWriter, RunLog, RunLogUnavailable
from chat_app.runs.model_access import AllowedModels
from chat_app.runs.prompt import StoredPrompt, read_prompt
from chat_app.runs.size_limit import SizeLimit
from chat_app.runs.titles import ThreadTitler
from chat_app.settings import Settings
from chat_app.threads.options import call_options, system_prompt
from chat_app.usage.ledger import CountedCall, add_calls

logger = logging.getLogger(__name__)

CANCEL_TIMEOUT_SECONDS = 0.2
"""How long to wait for cancelled tasks; one that waits for the database may take longer."""
_RETRY_SECONDS = 5.0
"""The back-off between attempts to store the end of a run, after `BACK_OFF`."""
_CLOSE_SECONDS = 1.0
"""How long a provider's connection may take to close before the run ends without it."""
_DISCARDING = ("stopped", "revoked")
"""Statuses that keep what readers have seen and discard what is buffered."""
_MAX_BUFFERED_CHARS = 64_000
"""A model further ahead of the disk than this is made to wait."""
_TURN_CHARS = 10_000
"""Characters after which others get their turn in the event loop, however fast the model is."""
_EVENT_CHARS = 150
"""What an event costs beside its text, in characters."""


@dataclass(slots=True, eq=False)
class ActiveRun:
    """A run of this process, from before its first row is written to after its last.

    Attributes:
        created: Its rows, once they are written; whether they are committed may not be known.
        prompt: The prompt, if its branch was short enough to be read with the rows; else None.
        model: The model that answers, once that is known.
        allowed: The models that the user may call, by the rules at its beginning.
        calls: The calls of models for its answer, which its end adds to the ledger.
        result: How it must end, if not by its model.
        cancelled: Set together with `result`.
        finished: Set when its end is stored and shown.
    """

    run_id: UUID
    principal: Principal
    channel: Channel
    log: RunLog
    created: CreatedRun | None = None
    prompt: StoredPrompt | None = None
    model: Model | None = None
    allowed: AllowedModels | None = None
    calls: list[CountedCall] = field(default_factory=list)
    result: RunResult | None = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def thread_id(self) -> UUID | None:
        """Its thread, once that is known."""
        return None if self.created is None else self.created.thread_id

    @property
    def org_id(self) -> UUID | None:
        """The organisation of its thread, once that is known."""
        return None if self.created is None else self.created.org_id

    def cancel(self, result: RunResult) -> None:
        """End the run with this result. The first call wins."""
        if self.result is None:
            self.result = result
            self.cancelled.set()

    def end_event(self, result: RunResult, model: Model) -> EndEvent:
        """The last event that readers get while its row cannot be stored."""
        channel = self.channel
        metrics = RunMetrics(model.id, channel.usage)
        reason = result.reason(channel.finish)
        return EndEvent(channel.seq, result.status, reason, result.message, channel.length, metrics)


class RunExecutor:
    """The active runs of this process.

    Args:
        db: The database.
        bus: Where the ends of runs are published.
        models: The models, for their names.
        settings: The prompt and its limits.
        clock: The time in rows.
        writer: The log of all runs.
        flush_throttle: A monotonic clock; waits between attempts to store the end of a run.
        titler: Names threads after their first answer.
        calls: Calls the models.
        contexts: How much of a conversation a model gets.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        models: Models,
        settings: Settings,
        clock: Clock,
        writer: LogWriter,
        flush_throttle: FlushThrottle,
        titler: ThreadTitler,
        calls: ModelCalls,
        contexts: ContextSizes,
    ) -> None:
        self._db = db
        self._bus = bus
        self._models = models
        self._settings = settings
        self._clock = clock
        self._writer = writer
        self._flush_throttle = flush_throttle
        self._titler = titler
        self._calls = calls
        self._contexts = contexts
        self._active: dict[UUID, ActiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, principal: Principal) -> ActiveRun:
        """Add a run before it is stored, so that it can be cancelled from now on."""
        run_id, channel = uuid4(), Channel()
        log = self._writer.open(run_id, principal.user_id, channel)
        active_run = ActiveRun(run_id, principal, channel, log)
        self._active[run_id] = active_run
        return active_run

    def unregister(self, active_run: ActiveRun) -> None:
        """Remove a run that was not stored after all, or is finished."""
        self._active.pop(active_run.run_id, None)
        active_run.finished.set()

    def start(self, active_run: ActiveRun, created: CreatedRun, model: Model) -> None:
        """Start to answer. The run's rows are committed."""
        before = (event for _, event in events_of(created.continues))
        active_run.log.begin(created.org_id, before)
        task = asyncio.create_task(self._execute(active_run, created, model), name="run")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, run_id: UUID) -> ActiveRun | None:
        """An active run."""
        return self._active.get(run_id)

    def count(self, user_id: UUID) -> int:
        """How many runs of a user are active, those that are about to be stored included."""
        return sum(run.principal.user_id == user_id for run in self._active.values())

    def cancel(
        self, predicate: Callable[[ActiveRun], bool], result: RunResult
    ) -> Sequence[ActiveRun]:
        """Cancel the runs that match.

        Returns:
            Those runs; each is `finished` when its end is stored.
        """
        matching = [run for run in self._active.values() if predicate(run)]
        for active_run in matching:
            active_run.cancel(result)
        return matching

    def credential_ids(self) -> set[UUID]:
        """The sessions and API keys that have an active run."""
        return {run.principal.credential_id for run in self._active.values()}

    def wake_readers(self) -> None:
        """Wake every reader of every active run."""
        for active_run in self._active.values():
            active_run.channel.wake()

    async def drain(self, seconds: float) -> None:
        """Interrupt every run, and wait until their ends are stored.

        Args:
            seconds: The longest wait; the reaper closes what is left at the next start.
        """
        runs = self.cancel(lambda _: True, RunResult("interrupted"))
        waits = [asyncio.create_task(run.finished.wait()) for run in runs]
        if work := [*waits, *self._tasks]:
            await asyncio.wait(work, timeout=seconds)
        remaining = [*waits, *self._tasks]
        for task in remaining:
            task.cancel()
        if remaining:
            # one that waits for a locked database cannot be cancelled until the database answers
            await asyncio.wait(remaining, timeout=CANCEL_TIMEOUT_SECONDS)

    async def _execute(self, active_run: ActiveRun, created: CreatedRun, model: Model) -> None:
        result = await self._stream_or_cancel(active_run, created, model)
        if result.status not in _DISCARDING:
            try:
                await active_run.log.flush()
            except RunLogUnavailable:
                result = _NOT_SAVED
        await active_run.log.close()
        model = active_run.model or model
        status = await self._finalize(active_run, created, result, model)
        if status == "complete" and not created.compacts:
            self._titler.start(
                *(active_run.principal, created.thread_id, created.user_message_id, model),
                org_id=created.org_id,
            )

    async def _stream_or_cancel(
        self, active_run: ActiveRun, created: CreatedRun, model: Model
    ) -> RunResult:
        """Stream the answer until the model finishes, the run is cancelled or its log fails."""
        if active_run.result is not None:
            return active_run.result
        streaming = asyncio.create_task(self._stream(active_run, created, model))
        cancelled = asyncio.create_task(active_run.cancelled.wait())
        log_failed = asyncio.create_task(active_run.log.failure())
        try:
            await asyncio.wait(
                {streaming, cancelled, log_failed}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (streaming, cancelled, log_failed):
                task.cancel()
        await asyncio.wait({streaming}, timeout=_CLOSE_SECONDS)
        if streaming.done() and not streaming.cancelled():
            return _result_of(streaming)
        return active_run.result or _NOT_SAVED

    async def _stream(self, active_run: ActiveRun, created: CreatedRun, model: Model) -> RunResult:
        calls = self._calls_of(active_run, created)
        prompt = active_run.prompt
        if prompt is None:
            prompt = await read_prompt(self._db, active_run.principal, created.leaf)
        compacting = Requester(active_run.principal, created.org_id, "compaction")
        if created.compacts:
            return await add_summary(
                *(calls, model, prompt, active_run.log, compacting),
                limit=await self._contexts.prompt_limit(model),
                max_tokens=self._settings.chat_max_tokens,
            )
        if prompt.previous_model not in ("", model.id):
            before = self._models.name_of(prompt.previous_model)
            notice = notice_part("model_changed", before=before, after=model.name)
            active_run.log.add(PartAdded(notice))
        limit = await self._contexts.prompt_limit(model)
        while True:
            fitted = await self._fit(
                calls, active_run.log, prompt, created, model, limit, compacting
            )
            try:
                return await self._answer(calls, active_run, created, fitted, model)
            except ContextTooLong:  # the window is smaller than was known, or the tokens are
                prompt, limit = fitted.stored, fitted.size // 2
                if active_run.log.has_token or not can_shorten(prompt, limit):
                    raise

    def _calls_of(self, active_run: ActiveRun, created: CreatedRun) -> UserCalls:
        assert active_run.allowed is not None, "a run has begun by the rules"
        return self._calls.by(active_run.allowed.within(created.org_id))

    async def _answer(
        self,
        calls: UserCalls,
        active_run: ActiveRun,
        created: CreatedRun,
        fitted: FittedPrompt,
        model: Model,
    ) -> RunResult:
        def options_for(candidate: Model) -> CallOptions:
            options = call_options(created.options, candidate.info, self._settings)
            return replace(options, cache_key=created.thread_id.hex)

        told = (text_message("user", INSTRUCTION),) if created.continues else ()
        prompt = (*fitted.messages, *told)
        requester = Requester(active_run.principal, created.org_id, "answer", active_run.calls)
        async with calls.answer(model, prompt, options_for, requester) as call:
            active_run.model = call.model
            if call.model is not model:
                active_run.log.add(PartAdded(fallback_notice(model, call.model)))
            return await stream_answer(
                call,
                active_run.log,
                max_bytes=self._settings.answer_bytes - created.continued_bytes,
                now=self._flush_throttle.now,
                on_usage=partial(self._contexts.observe, call.model, fitted.size),
                before=created.continues,
            )

    async def _fit(
        self,
        calls: UserCalls,
        log: RunLog,
        prompt: StoredPrompt,
        created: CreatedRun,
        model: Model,
        limit: int,
        requester: Requester,
    ) -> FittedPrompt:
        """Make the prompt, and put a summary that had to be made into the answer."""
        system = system_prompt(created.options, self._settings)
        fitted = await fit_prompt(
            calls,
            model,
            prompt,
            requester,
            system=system,
            limit=limit,
            max_tokens=self._settings.chat_max_tokens,
        )
        if fitted.summary is not None:
            log.add(PartAdded(fitted.summary))
        return fitted

    async def _finalize(
        self, active_run: ActiveRun, created: CreatedRun, result: RunResult, model: Model
    ) -> EndStatus:
        """Store the end, then show it; readers do not wait for a broken disk."""
        attempts = 0
        end = active_run.end_event(result, model)

        async def store() -> None:
            nonlocal end
            now = self._clock()

            def close(transaction: Transaction) -> EndEvent | None:
                calls = active_run.calls
                stored = finalize(
                    *(transaction, active_run.run_id, result, now),
                    models=self._models,
                    calls=calls,
                )
                if stored is None:  # the run is deleted, but its calls were made
                    owner_id = active_run.principal.user_id
                    add_calls(transaction, calls, owner_id=owner_id, org_id=created.org_id, now=now)
                return stored

            end = await self._db.transact(active_run.principal, close) or end

        def should_retry(error: Exception) -> bool:  # forever; the next start would close the run
            nonlocal attempts
            attempts += 1
            logger.warning("The end of an answer was not stored: %s", type(error).__name__)
            if attempts == len(BACK_OFF):
                self._show_end(active_run, created, end)
            return True

        await retry(
            store,
            chain(BACK_OFF, repeat(_RETRY_SECONDS)),
            should_retry=should_retry,
            sleep=self._flush_throttle.back_off,
        )
        self._show_end(active_run, created, end)
        self.unregister(active_run)
        return end.status

    def _show_end(self, active_run: ActiveRun, created: CreatedRun, end: EndEvent) -> None:
        active_run.channel.close(end)
        active_run.finished.set()
        topic = user_topic(active_run.principal.user_id)
        self._bus.publish(topic, Signal("run_ended", created.thread_id, active_run.run_id))
        self._bus.publish(topic, Signal("thread", created.thread_id))


async def stream_answer(
    call: ModelCall,
    log: RunLog,
    *,
    max_bytes: int,
    now: Callable[[], float],
    on_usage: Callable[[Usage], None] = lambda _: None,
    before: Sequence[Part] = (),
) -> RunResult:
    """Stream a model's answer into a log, as much of it as fits.

    The connection to the provider is closed when the answer is full, and when this is cancelled.

    Args:
        call: The call of the model.
        log: The run's log; it is not flushed at the end.
        max_bytes: The largest answer; see `SizeLimit`.
        now: Seconds of a monotonic clock.
        on_usage: Called with the usage that the provider reports.
        before: What the answer has, if it is continued.

    Raises:
        ProviderError: The provider failed; the log has what came before.
        RunLogUnavailable: The log could not be written.
    """
    finish = Finish("other")
    has_answer = has_content(before)
    size = SizeLimit(max_bytes)
    last_type: type[Event] | None = None
    since = 0.0
    stream = joined(call, before) if before else call
    async with aclosing(stream) as events:
        turn = 0
        async for event in events:
            if isinstance(event, PART_DELTAS) and not event.text:
                continue
            event_type = type(event)
            fitting = size.fit(event, begins_part=event_type is not last_type)
            if fitting is None:
                if size.is_exceeded:
                    break
                continue
            event = fitting
            if event_type is not last_type and event_type is not Usage:
                seconds = round(now() - since, 3)
                if last_type is ReasoningDelta:
                    log.add(ReasoningEnd(seconds))
                elif last_type is TextDelta and event_type is TextWasReasoning:
                    event = TextWasReasoning(seconds)
                elif last_type is TextDelta:
                    has_answer = True
                last_type, since = event_type, now()
            match event:
                case TextDelta() | ReasoningDelta():
                    pass
                case ToolCallDelta():
                    has_answer = True
                case PartAdded(part):
                    has_answer = has_answer or has_content([part])
                case Finish():
                    finish = event
                case Usage():
                    call.count(event)
                    on_usage(event)
                case _:
                    pass
            log.add(event)
            if size.is_exceeded:
                break
            turn += _EVENT_CHARS + (len(event.text) if isinstance(event, PART_DELTAS) else 0)
            if log.buffered > _MAX_BUFFERED_CHARS:
                await log.flush()
            elif turn > _TURN_CHARS:
                await asyncio.sleep(0)
            else:
                continue
            turn = 0
    if size.is_exceeded:
        if last_type is ReasoningDelta:
            log.add(ReasoningEnd(round(now() - since, 3)))
        finish = Finish("size")
        log.add(finish)
    has_answer = has_answer or last_type is TextDelta
    return finished_result(finish, has_content=has_answer, model=call.model.name)


_NOT_SAVED = RunResult("failed", "not_saved")


def _result_of(streaming: "asyncio.Task[RunResult]") -> RunResult:
    error = streaming.exception()
    if error is None:
        return streaming.result()
    if isinstance(error, StorableError):
        return RunResult("failed", error.message_code, error.params)
    log_unexpected_error(error, "an answer")
    return RunResult("failed", "internal_error")
