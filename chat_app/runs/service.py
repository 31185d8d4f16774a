"""The run service: send, retry, stop and follow.

A run belongs to this service and not to a browser tab; every reader is a follower.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy.exc import IntegrityError

from chat_app.auth.keys.scopes import credential_ended
from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import (
    DatabaseUnreachable,
    IdInUse,
    NotFound,
    Unavailable,
)
from chat_app.core.signals import CREDENTIALS, DELETED_THREADS, ROLES, Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.tables import PRIVATE, Run
from chat_app.llm.base import Model, ProviderError
from chat_app.llm.registry import Models
from chat_app.orgs.model_rules import ModelRules
from chat_app.runs.calls import ModelCalls
from chat_app.runs.context_size import ContextSizes
from chat_app.runs.create import (
    CreatedRun,
    NewRun,
    create_run,
    retry_run,
)
from chat_app.runs.executor import CANCEL_TIMEOUT_SECONDS, ActiveRun, RunExecutor
from chat_app.runs.extend import compact_run, continue_run
from chat_app.runs.finalize import RunResult, reap_lost_runs
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.follow import (
    EndEvent,
    PartEvent,
    RevokedCredentials,
    RunMetrics,
    answer_metrics,
    follow_channel,
    runs_of,
    stored_answer,
)
from chat_app.runs.log import LogWriter, event_store
from chat_app.runs.model_access import ModelAccess, NoModelAllowed
from chat_app.runs.new_message import validate_message
from chat_app.runs.prompt import read_short_prompt
from chat_app.runs.titles import ThreadTitler
from chat_app.runs.unstored import UnstoredAnswers
from chat_app.settings import Settings
from chat_app.threads.actions import Threads, check_membership
from chat_app.threads.options import changed_options
from chat_app.threads.queries import active_run_of, message_row, thread_row
from chat_app.threads.user_limits import UserLimits
from chat_app.threads.views import RunRef
from chat_app.usage.ledger import UsageRecorder

DRAIN_SECONDS = 2.0
"""How long `drain` waits for the runs it interrupts."""

_DEPARTURES = 10_000

WriteRows = Callable[[Transaction, NewRun], CreatedRun]
"""`create_run`, `retry_run`, `continue_run` or `compact_run`, bound to its message."""


class RunService:
    """Every active run of this process.

    Args:
        db: The database.
        bus: Where runs are published, and ended credentials and deleted threads are received.
        models: The models.
        settings: Limits and prompts.
        clock: The time in rows.
        flush_throttle: The log writer's clock; None for the real one.
        limits: What users may store; None for limits of its own.
        access: Finds the models that users may call; None for one with a cache of its own.

    Attributes:
        contexts: How much of a conversation a model gets, and how much there is.
        unstored: Answers that are stored nowhere.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        models: Models,
        settings: Settings,
        clock: Clock,
        flush_throttle: FlushThrottle | None = None,
        limits: UserLimits | None = None,
        access: ModelAccess | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._models = models
        self._settings = settings
        self._clock = clock
        flush_throttle = flush_throttle or FlushThrottle()
        self._limits = limits or UserLimits(settings)
        self._writer = LogWriter(event_store(db, clock), flush_throttle)
        self._usage = UsageRecorder(db, clock, sleep=flush_throttle.back_off)
        calls = ModelCalls(models, settings, self._usage.record, sleep=flush_throttle.back_off)
        self._access = access = access or ModelAccess(models, ModelRules(db, bus))
        threads = Threads(db, bus, settings, clock)
        self._titler = ThreadTitler(db, threads, settings, calls, access)
        self.contexts = ContextSizes(db, models, settings)
        self._executor = RunExecutor(
            *(db, bus, models, settings, clock, self._writer, flush_throttle),
            *(self._titler, calls, self.contexts),
        )
        self.unstored = UnstoredAnswers(calls, self._limits, settings, self._executor.count, access)
        self._revoked = RevokedCredentials()
        # by user and organisation; a request may still name one that its user has left
        self._left: LRUCache[tuple[UUID, UUID], bool] = LRUCache(_DEPARTURES)
        self._sends: set[asyncio.Task[CreatedRun]] = set()
        self._draining = False
        bus.subscribe_callback(CREDENTIALS, self._on_credential_ended)
        bus.subscribe_callback(DELETED_THREADS, self._on_thread_deleted)
        bus.subscribe_callback(ROLES, self._on_roles_changed)

    async def start(self) -> None:
        """Close what a lost process left running, then start to write.

        Raises:
            DatabaseError: The database cannot be used.
        """
        await reap_lost_runs(self._db, self._clock, self._models)
        self._writer.start()

    async def send(
        self,
        principal: Principal,
        *,
        text: str,
        client_id: str,
        thread_id: UUID | None = None,
        external_id: str | None = None,
        model: str = "",
        options: Mapping[str, Any] | None = None,
        org_id: UUID = PRIVATE,
        edits: UUID | None = None,
        below: UUID | Literal["head"] | None = "head",
    ) -> CreatedRun:
        """Store a message and start to answer it, even if the caller is cancelled meanwhile.

        Args:
            principal: The user.
            text: The message, at most `message_bytes` bytes of UTF-8.
            client_id: The idempotency key: the same id and text twice is one message.
            thread_id: The thread; None creates one.
            external_id: The name of the thread in place of its id; see `NewMessage`.
            model: The model's id; empty for the thread's last model, or the default.
            options: The choices for a thread that this creates, by the fields of `ChatOptions`;
                None for those of the user's new chats.
            org_id: The organisation of a thread that this creates; `PRIVATE` for none.
            edits: The question that it is another version of.
            below: The message of the thread that it follows; None for the beginning.

        Raises:
            InvalidInput: The text is blank, the client id or the model is unknown, or a choice is
                beyond its cap.
            TooLarge: The text is too long.
            NotFound: The thread, or the message that is edited or followed, is missing, foreign or
                deleted, or the user does not belong to the organisation.
            Conflict: The client id is used by another message, or an answer is running there.
            RateLimited: Too many runs are active, or too many messages were sent.
            StorageFull: The message does not fit into what the user may store.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        check_membership(principal, org_id)
        message = validate_message(
            text, client_id, thread_id, max_bytes=self._settings.message_bytes
        )
        message = replace(message, external_id=external_id, edits=edits, below=below, org_id=org_id)
        if options is not None:
            message = replace(message, options=changed_options({}, options, self._settings))
        return await self._start_shielded(principal, model, partial(create_run, message=message))

    async def retry(self, principal: Principal, message_id: UUID, *, model: str = "") -> CreatedRun:
        """Answer the same message again, beside the old answer.

        Args:
            principal: The user.
            message_id: The old answer, or the message that it answers.
            model: The model's id; empty for that of the old answer.

        Raises:
            NotFound: The message is missing, foreign or deleted, or its thread is.
            InvalidInput: It answers nothing, or there is no such model.
            Conflict: An answer is running in the thread.
            RateLimited: Too many runs are active, or too many answers were regenerated.
            StorageFull: The user stores too much.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        return await self._start_shielded(
            principal, model, partial(retry_run, message_id=message_id)
        )

    async def continue_answer(self, principal: Principal, message_id: UUID) -> CreatedRun:
        """Continue an answer that was cut off; what comes is appended to it.

        Args:
            principal: The user.
            message_id: The answer, the last message of its thread.

        Raises:
            NotFound: The message is missing, foreign or deleted, or its thread is.
            InvalidInput: It is no answer that was cut off, or it is as large as an answer may be.
            Conflict: An answer is running in the thread, or the message is not the last one.
            RateLimited: Too many runs are active, or too many answers were asked for.
            StorageFull: The user stores too much.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        write_rows = partial(
            continue_run, message_id=message_id, max_bytes=self._settings.answer_bytes
        )
        return await self._start_shielded(principal, "", write_rows)

    async def find(self, principal: Principal, run_id: UUID) -> tuple[RunRef, UUID]:
        """A run, active or finished, and its thread.

        Raises:
            NotFound: It is missing or foreign, or its answer or its thread is deleted.
        """
        async with self._db.read(principal) as session:
            run = await session.get(Run, run_id)
            if run is None:
                raise NotFound
            thread = await thread_row(session, run.thread_id)
            await message_row(session, thread.id, run.message_id)
            return RunRef(run.id, run.message_id), thread.id

    async def compact(self, principal: Principal, thread_id: UUID) -> CreatedRun:
        """Summarize the older messages of a thread; the summary is added to its last answer.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
            InvalidInput: There is nothing to summarize, or the thread ends with a question.
            Conflict: An answer is running in the thread.
            RateLimited: Too many runs are active, or too many answers were asked for.
            StorageFull: The user stores too much.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        message_id = await self.contexts.answer_to_compact(principal, thread_id)
        return await self._start_shielded(
            principal, "", partial(compact_run, message_id=message_id)
        )

    async def stop(self, principal: Principal, run_id: UUID) -> None:
        """Stop a run and keep what was shown of it. Nothing happens if it is finished.

        Raises:
            NotFound: The run is missing or foreign.
        """
        async with self._db.read(principal) as session:
            if await session.get(Run, run_id) is None:
                raise NotFound
        result = RunResult("stopped", stop_reason="user")
        for run in self._executor.cancel(lambda run: run.run_id == run_id, result):
            await run.finished.wait()

    async def stop_thread(self, principal: Principal, thread_id: UUID) -> None:
        """Stop the active run of a thread, if it has one.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            await thread_row(session, thread_id)
            run = await active_run_of(session, thread_id)
        if run is not None:
            await self.stop(principal, run.run_id)

    async def follow(
        self, principal: Principal, run_id: UUID, after: int = 0
    ) -> AsyncGenerator[PartEvent | EndEvent]:
        """Read an answer: what is stored, then what comes, then how it ended.

        A reader that leaves changes nothing; a slow one gets more at a time. When the run is
        finished, a reader in the middle of it gets every part from the beginning, at offset 0.

        Args:
            principal: The reader; the end of their session is the end of the stream.
            run_id: The run.
            after: The last `seq` the reader has.

        Raises:
            NotFound: The run is missing or foreign.
        """
        active_run = self._active_run(principal, run_id)
        if active_run is not None:
            async for event in follow_channel(
                active_run.channel, after, principal.credential_id, self._revoked
            ):
                yield event
            return
        async with self._db.read(principal) as session:
            events, end = await stored_answer(session, run_id, after)
        if principal.credential_id in self._revoked:
            events, end = [], replace(end, status="revoked", reason="", error="")
        for event in events:
            yield event
        yield end

    async def snapshot(self, principal: Principal, run_id: UUID) -> list[PartEvent]:
        """What an answer has now, from its beginning; nothing if the reader's session has ended.

        Raises:
            NotFound: The run is missing or foreign.
        """
        active_run = self._active_run(principal, run_id)
        if active_run is not None:
            events, _ = active_run.channel.read(0)
        else:
            async with self._db.read(principal) as session:
                events, _ = await stored_answer(session, run_id, after=-1)
        return [] if principal.credential_id in self._revoked else events

    async def metrics(self, principal: Principal, message_id: UUID) -> RunMetrics:
        """What an answer took.

        Raises:
            NotFound: The message is missing, foreign or not an answer of a model.
        """
        async with self._db.read(principal) as session:
            runs = await runs_of(session, [message_id])
            if not runs:
                raise NotFound
            await thread_row(session, runs[0].thread_id)
            return answer_metrics(runs)

    async def metrics_of(
        self, principal: Principal, message_ids: Sequence[UUID]
    ) -> dict[UUID, RunMetrics]:
        """What each of these answers took; without what is missing, foreign or not an answer."""
        by_message = defaultdict[UUID, list[Run]](list)
        async with self._db.read(principal) as session:
            for run in await runs_of(session, message_ids):
                by_message[run.message_id].append(run)
        return {message_id: answer_metrics(runs) for message_id, runs in by_message.items()}

    async def name_thread(self, principal: Principal, thread_id: UUID) -> str:
        """Let the thread's model name it, unless it is named already; the title that it has then.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
            RateLimited: The user has asked models for too much.
            Unauthenticated: The session or key has ended.
            Unavailable: The server is stopping.
        """
        async with self._db.read(principal) as session:
            thread = await thread_row(session, thread_id)
        allowed = await self._access.of(principal, thread.org_id)
        if self._has_left(principal, thread.org_id):
            raise NotFound
        async with self._limits.call(principal.user_id):
            if principal.credential_id in self._revoked:
                raise credential_ended(principal)
            with suppress(NoModelAllowed, ProviderError):  # there is no model that may name it
                model = allowed.get_or_default(thread.model)
                await self._titler.name_now(principal, thread_id, model)
        async with self._db.read(principal) as session:
            return (await thread_row(session, thread_id)).title

    async def drain(self) -> None:
        """Interrupt every run, keep its text, and accept no more. Takes less than 3 s."""
        self._draining = True
        self._titler.stop()
        await self._executor.drain(DRAIN_SECONDS)
        await self._writer.stop(CANCEL_TIMEOUT_SECONDS)
        await self._titler.idle(CANCEL_TIMEOUT_SECONDS)
        await self._usage.idle(CANCEL_TIMEOUT_SECONDS)

    def credential_ids(self) -> set[UUID]:
        """The sessions and API keys that have a run or a title, to be revalidated periodically."""
        return self._executor.credential_ids() | self._titler.credential_ids()

    async def usage_settled(self) -> None:
        """Wait until every call that has ended is counted."""
        await self._usage.idle()

    async def titles_settled(self) -> None:
        """Wait until no thread is being named."""
        await self._titler.idle()

    def _active_run(self, principal: Principal, run_id: UUID) -> ActiveRun | None:
        """An active run that the user reaches; for any other the database has no such run."""
        active_run = self._executor.get(run_id)
        if active_run is None or active_run.principal.user_id != principal.user_id:
            return None
        org_id = active_run.org_id
        if org_id is None or org_id == PRIVATE or org_id in principal.memberships:
            return active_run
        return None

    async def _start_shielded(
        self, principal: Principal, model_id: str, write_rows: WriteRows
    ) -> CreatedRun:
        if self._draining:
            raise Unavailable("The server is restarting. Try again in a moment.")
        task = asyncio.create_task(self._start_run(principal, model_id, write_rows), name="send")
        self._sends.add(task)
        task.add_done_callback(self._on_send_done)
        return await asyncio.shield(task)

    def _on_send_done(self, task: "asyncio.Task[CreatedRun]") -> None:
        self._sends.discard(task)
        if not task.cancelled():
            task.exception()  # a cancelled caller does not retrieve it

    async def _start_run(
        self, principal: Principal, model_id: str, write_rows: WriteRows
    ) -> CreatedRun:
        active_run = self._executor.register(principal)
        try:
            if principal.credential_id in self._revoked:
                raise credential_ended(principal)
            try:
                created = await self._write(active_run, model_id, write_rows)
            except IntegrityError:
                # the same message was stored at the same time (Postgres); now it is found
                try:
                    created = await self._write(active_run, model_id, write_rows)
                except IntegrityError:
                    raise IdInUse from None
        except DatabaseUnreachable:
            written = active_run.created
            if written is None or written.model is None:
                self._executor.unregister(active_run)
            else:  # it may be committed, although that was not heard: then it must end
                active_run.cancel(RunResult("interrupted"))
                self._executor.start(active_run, written, written.model)
            raise
        except BaseException:
            self._executor.unregister(active_run)
            raise
        if created.model is None:
            self._executor.unregister(active_run)
            return created
        if self._has_left(principal, created.org_id):  # while the rows were written
            active_run.cancel(RunResult("revoked"))
        topic = user_topic(principal.user_id)
        self._bus.publish(topic, Signal("thread", created.thread_id))
        self._bus.publish(topic, Signal("run_started", created.thread_id, created.run_id))
        self._executor.start(active_run, created, created.model)
        return created

    async def _write(
        self, active_run: ActiveRun, model_id: str, write_rows: WriteRows
    ) -> CreatedRun:
        principal = active_run.principal
        active_run.allowed = allowed = await self._access.of(principal)

        def choose_model(last: str, org_id: UUID) -> Model:
            offered = allowed.within(org_id)
            return offered.get(model_id) if model_id else offered.get_or_default(last)

        async with self._limits.message(principal.user_id) as admission:
            run = NewRun(
                active_run.run_id,
                principal,
                self._clock(),
                max_runs=self._settings.runs_per_user,
                unstored=self.unstored.count(principal.user_id),
                choose_model=choose_model,
                admit=admission.admit,
            )

            def write(transaction: Transaction) -> CreatedRun:
                created = write_rows(transaction, run)
                # before the commit: afterwards the thread can be deleted, which must stop the run
                active_run.created = created
                if created.model is not None:  # another transaction would delay the first token
                    active_run.prompt = read_short_prompt(transaction, created.leaf)
                return created

            return await self._db.transact(principal, write)

    def _has_left(self, principal: Principal, org_id: UUID) -> bool:
        """Whether a user has left an organisation that the principal still names."""
        return (principal.user_id, org_id) in self._left

    def _on_credential_ended(self, signal: Signal) -> None:
        credential_id = signal.credential_id
        if credential_id is None:
            return
        self._revoked.add(credential_id)
        self._titler.end_credential(credential_id)
        self._executor.cancel(
            lambda run: run.principal.credential_id == credential_id, RunResult("revoked")
        )
        self._executor.wake_readers()

    def _on_roles_changed(self, signal: Signal) -> None:
        """End the answers of a user in the threads of an organisation that they have left."""
        user_id, org_id = signal.user_id, signal.org_id
        if user_id is None or org_id is None:
            return
        if signal.reason == "joined":
            self._left.pop((user_id, org_id), None)
        if signal.reason != "left":
            return
        self._left[user_id, org_id] = True
        self._titler.end_membership(user_id, org_id)
        self._executor.cancel(
            lambda run: run.principal.user_id == user_id and run.org_id == org_id,
            RunResult("revoked"),
        )
        self._executor.wake_readers()

    def _on_thread_deleted(self, signal: Signal) -> None:
        result = RunResult("stopped", stop_reason="thread-deleted")
        self._executor.cancel(lambda run: run.thread_id == signal.thread_id, result)
