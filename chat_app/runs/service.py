"""How an answer is made: sent, streamed into the log, followed, ended.

A run belongs to nobody's tab: its task is owned here, and whoever looks at it is a reader.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from chat_app.core.signals import SESSIONS, Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import Run
from chat_app.llm.base import Model
from chat_app.llm.registry import Models
from chat_app.runs.create import ChooseModel, CreatedRun, RunWriter, SentMessage, validate_message
from chat_app.runs.events import EndEvent, TextEvent
from chat_app.runs.executor import CANCEL_TIMEOUT_SECONDS, ActiveRun, RunExecutor
from chat_app.runs.finalize import RunResult, reap_lost_runs
from chat_app.runs.flush import FlushThrottle
from chat_app.runs.follow import RevokedSessions, follow_live, stored_answer
from chat_app.runs.log import LogWriter, event_store
from chat_app.runs.titles import ThreadTitler
from chat_app.settings import Settings
from chat_app.threads.actions import DELETED, Threads
from chat_app.threads.queries import live_run, thread_row

DRAIN_SECONDS = 2.0
"""How long `drain` waits for the answers it ends; then it lets go of them."""

Write = Callable[[RunWriter], Awaitable[CreatedRun]]


class RunService:
    """Every running answer of this process.

    Args:
        db: The database.
        bus: Where runs are told, and ended sessions and deleted threads are heard.
        models: Who answers.
        settings: Limits and prompts.
        clock: The time in rows.
        pace: The log writer's clock.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        models: Models,
        settings: Settings,
        clock: Clock,
        flush_throttle: FlushThrottle | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._models = models
        self._settings = settings
        self._clock = clock
        flush_throttle = flush_throttle or FlushThrottle()
        self._writer = LogWriter(event_store(db, clock), flush_throttle)
        self._titler = ThreadTitler(db, Threads(db, bus, settings, clock), settings)
        self._serving = RunExecutor(
            db, bus, settings, clock, self._writer, flush_throttle, self._titler
        )
        self._ended = RevokedSessions()
        self._sends: set[asyncio.Task[SentMessage]] = set()
        self._draining = False
        bus.on(SESSIONS, self._session_ended)
        bus.on(DELETED, self._thread_deleted)

    async def start(self) -> None:
        """Close what a lost process left running, then begin to write.

        Raises:
            DatabaseError: The database cannot be used.
        """
        await reap_lost_runs(self._db, self._clock)
        self._writer.start()

    async def send(
        self,
        principal: Principal,
        *,
        text: str,
        client_id: str,
        thread_id: UUID | None = None,
        model: str = "",
    ) -> SentMessage:
        """Store a message and begin to answer it.

        Once this is called the message is stored and answered, even if the caller goes away.

        Args:
            principal: Who is asking.
            text: What they wrote, at most `message_bytes` bytes of UTF-8.
            client_id: Chosen by the client; the same id and text twice is one message.
            thread_id: Where; None begins a thread.
            model: Who is to answer; empty means who answered last, or the default.

        Raises:
            InvalidInput: The text is blank, or the client id or the model is none.
            TooLarge: The text is too long.
            NotFound: The thread is missing, foreign or deleted.
            Conflict: Another message has this client id, or too much is running already.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        question = validate_message(
            text, client_id, thread_id, longest=self._settings.message_bytes
        )
        choose = self._chooser(model)
        return await self._begin(principal, lambda desk: desk.ask(question, choose))

    async def retry(self, principal: Principal, message_id: UUID) -> SentMessage:
        """Answer the same question again, beside the old answer.

        Args:
            principal: Who is asking.
            message_id: The old answer, the last message of its thread.

        Raises:
            NotFound: The message is missing, foreign or in a deleted thread.
            InvalidInput: It is no answer.
            Conflict: It is still being written, it is not the last of its thread, or too much is
                running already.
            Unauthenticated: The session has ended.
            Unavailable: The server is stopping.
        """
        choose = self._chooser("")
        return await self._begin(principal, lambda desk: desk.again(message_id, choose))

    async def stop(self, principal: Principal, run_id: UUID) -> None:
        """Stop an answer. What was shown of it is kept. Harmless when it is over.

        Raises:
            NotFound: The run is missing or foreign.
        """
        await self._find(principal, run_id)
        for live in self._serving.end(lambda live: live.run_id == run_id, RunResult("stopped")):
            await live.over.wait()

    async def stop_thread(self, principal: Principal, thread_id: UUID) -> None:
        """Stop the answer that is being written in a thread, if one is.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            await thread_row(session, thread_id)
            run = await live_run(session, thread_id)
        if run is not None:
            await self.stop(principal, run.run_id)

    async def follow(
        self, principal: Principal, run_id: UUID, after: int = 0
    ) -> AsyncGenerator[TextEvent | EndEvent]:
        """Read an answer: what is stored, then what comes, then how it ended.

        A reader that leaves changes nothing; a slow one gets more at a time. When the answer is
        over, a reader in the middle of it gets its text from the beginning, as `offset` says.

        Args:
            principal: Who is reading; the reading ends with their session.
            run_id: The run.
            after: The last `seq` the reader has.

        Raises:
            NotFound: The run is missing or foreign.
        """
        live = self._serving.get(run_id)
        if live is None or live.principal.user_id != principal.user_id:
            # a stranger asks the database, which has no such run for them
            async with self._db.read(principal) as session:
                text, end = await stored_answer(session, run_id, after)
            if principal.credential_id in self._ended:
                text, end = None, replace(end, status="revoked", error="")
            if text is not None:
                yield text
            yield end
            return
        async for event in follow_live(live.channel, after, principal.credential_id, self._ended):
            yield event

    async def drain(self) -> None:
        """Interrupt every answer, keep its text, and take no more. In less than 3 s."""
        self._draining = True
        self._titler.stop()
        await self._serving.drain(DRAIN_SECONDS)
        await self._writer.stop(CANCEL_TIMEOUT_SECONDS)
        await self._titler.idle(CANCEL_TIMEOUT_SECONDS)

    def session_ids(self) -> set[UUID]:
        """The sessions that have an answer running, to be looked at now and then."""
        return self._serving.session_ids()

    async def titles_settled(self) -> None:
        """Wait until no title is being asked for."""
        await self._titler.idle()

    async def _find(self, principal: Principal, run_id: UUID) -> None:
        async with self._db.read(principal) as session:
            if await session.get(Run, run_id) is None:
                raise NotFound

    def _chooser(self, asked: str) -> ChooseModel:
        if asked:
            model = self._models.get(asked)
            return lambda _: model
        return self._remembered

    def _remembered(self, model_id: str) -> Model:
        if model_id:
            try:
                return self._models.get(model_id)
            except InvalidInput:
                pass  # it is offered no longer
        return self._models.default()

    async def _begin(self, principal: Principal, write: Write) -> SentMessage:
        if self._draining:
            raise Unavailable("The server is stopping. Try again in a moment.")
        task = asyncio.create_task(self._begun(principal, write), name="send")
        self._sends.add(task)
        task.add_done_callback(self._sent)
        return await asyncio.shield(task)

    def _sent(self, task: "asyncio.Task[SentMessage]") -> None:
        self._sends.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may have gone; then nobody else looks

    async def _begun(self, principal: Principal, write: Write) -> SentMessage:
        live = self._serving.register(principal)
        try:
            accepted = await self._write(live, write)
        except BaseException:
            self._serving.drop(live)
            raise
        sent = accepted.sent
        if accepted.model is None:
            self._serving.drop(live)
            return sent
        topic = user_topic(principal.user_id)
        self._bus.publish(topic, Signal("thread", sent.thread_id))
        self._bus.publish(topic, Signal("run_started", sent.thread_id, sent.run_id))
        self._serving.launch(live, sent, accepted.model)
        return sent

    async def _write(self, live: ActiveRun, write: Write) -> CreatedRun:
        if live.principal.credential_id in self._ended:
            raise Unauthenticated
        try:
            return await self._write_once(live, write)
        except IntegrityError:
            # the same message was stored beside us (Postgres); now it is found
            return await self._write_once(live, write)

    async def _write_once(self, live: ActiveRun, write: Write) -> CreatedRun:
        who = live.principal
        async with self._db.write(who) as session:
            accepted = await write(
                RunWriter(
                    session,
                    owner_id=who.user_id,
                    session_id=who.credential_id,
                    run_id=live.run_id,
                    now=self._clock(),
                    most=self._settings.runs_per_user,
                )
            )
            # before the commit: afterwards the thread can be deleted, which must end the run
            live.thread_id = accepted.sent.thread_id
        return accepted

    def _session_ended(self, signal: Signal) -> None:
        session_id = signal.session_id
        if session_id is None:
            return
        self._ended.add(session_id)
        self._titler.end_session(session_id)
        self._serving.end(
            lambda live: live.principal.credential_id == session_id, RunResult("revoked")
        )
        self._serving.wake_readers()

    def _thread_deleted(self, signal: Signal) -> None:
        self._serving.end(lambda live: live.thread_id == signal.thread_id, RunResult("stopped"))
