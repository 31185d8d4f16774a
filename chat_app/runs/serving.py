"""The tasks that make answers, and how each ends.

Stop, revoke, drain and a log that cannot be written are one mechanism: the run is told how to
end. Its task then drops the model, keeps what the reason lets it keep, and settles.
"""

import asyncio
import logging
from collections.abc import Callable
from itertools import chain, repeat
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.bus import Bus, Hint, user_topic
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.errors import ChatError
from chat_app.llm.base import Model
from chat_app.logs import unexpected
from chat_app.runs.answering import answer
from chat_app.runs.channel import Channel
from chat_app.runs.history import turns
from chat_app.runs.live import Live
from chat_app.runs.log import BACK_OFF, LogWriter, NotSaved
from chat_app.runs.naming import Naming
from chat_app.runs.pace import Pace
from chat_app.runs.sending import Sent
from chat_app.runs.settle import Outcome, settle
from chat_app.settings import Settings

logger = logging.getLogger(__name__)

BROKEN = "Something went wrong here while the answer was written. Try again."

LETTING_GO_SECONDS = 0.2
"""How long to wait for what was cancelled; a held database may keep it."""
_KEEP_TRYING_SECONDS = 5.0
_CLOSING_SECONDS = 1.0
"""How long a provider's connection may take to close before the run ends without it."""
_EXACT = ("stopped", "revoked")
"""Endings that keep what was shown and nothing more."""


class Serving:
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
        pace: Pace,
        naming: Naming,
    ) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._writer = writer
        self._pace = pace
        self._naming = naming
        self._live: dict[UUID, Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, principal: Principal) -> Live:
        """Make a run known before it is stored, so that it can be told to end from now on."""
        run_id, channel = uuid4(), Channel()
        log = self._writer.open(run_id, principal.user_id, channel)
        live = Live(run_id, principal, channel, log)
        self._live[run_id] = live
        return live

    def drop(self, live: Live) -> None:
        """Forget a run that was not stored after all, or is over."""
        self._live.pop(live.run_id, None)
        live.over.set()

    def launch(self, live: Live, sent: Sent, model: Model) -> None:
        """Start to answer. The run's rows are committed."""
        task = asyncio.create_task(self._serve(live, sent, model), name="answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, run_id: UUID) -> Live | None:
        """A live run."""
        return self._live.get(run_id)

    def end(self, which: Callable[[Live], bool], outcome: Outcome) -> list[Live]:
        """Tell some runs to end.

        Returns:
            Those that were told; each is `over` when its end is stored.
        """
        told = [live for live in self._live.values() if which(live)]
        for live in told:
            live.end(outcome)
        return told

    def session_ids(self) -> set[UUID]:
        """The sessions that have an answer running."""
        return {live.principal.session_id for live in self._live.values()}

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
        told = self.end(lambda _: True, Outcome("interrupted"))
        waits = [asyncio.create_task(live.over.wait()) for live in told]
        work = [*waits, *self._tasks]
        if work:
            await asyncio.wait(work, timeout=seconds)
        rest = [*waits, *self._tasks]
        for task in rest:
            task.cancel()
        if rest:
            # one that waits for a held database cannot be cancelled until the database answers
            await asyncio.wait(rest, timeout=LETTING_GO_SECONDS)

    async def _serve(self, live: Live, sent: Sent, model: Model) -> None:
        outcome = await self._outcome(live, sent, model)
        if outcome.status not in _EXACT:
            try:
                await live.log.flush()
            except NotSaved:
                outcome = _NOT_SAVED
        await live.log.close()
        await self._settle(live, sent, outcome)
        if outcome.status == "complete":
            self._naming.name(live.principal, sent.thread_id, sent.user_message_id, model)

    async def _outcome(self, live: Live, sent: Sent, model: Model) -> Outcome:
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

    async def _make(self, live: Live, sent: Sent, model: Model) -> Outcome:
        shown = await turns(
            self._db,
            live.principal,
            sent.user_message_id,
            system=self._settings.chat_system_prompt,
            max_chars=self._settings.chat_context_chars,
        )
        return await answer(model, shown, live.log, max_tokens=self._settings.chat_max_tokens)

    async def _settle(self, live: Live, sent: Sent, outcome: Outcome) -> None:
        """Store the end and then show it; readers are not kept waiting for a broken disk."""
        for delay in chain(BACK_OFF, repeat(_KEEP_TRYING_SECONDS)):
            try:
                async with self._db.write(live.principal) as session:
                    await settle(session, live.run_id, outcome, self._clock())
            except Exception as error:  # the next try, or the next start, closes the run
                logger.warning("The end of an answer was not stored: %s", type(error).__name__)
                if delay == BACK_OFF[-1]:
                    self._show_end(live, sent, outcome)
                await self._pace.back_off(delay)
            else:
                break
        self._show_end(live, sent, outcome)
        self.drop(live)

    def _show_end(self, live: Live, sent: Sent, outcome: Outcome) -> None:
        live.channel.close(live.end_event(outcome))
        live.over.set()
        topic = user_topic(live.principal.user_id)
        self._bus.publish(topic, Hint("run_ended", sent.thread_id, live.run_id))
        self._bus.publish(topic, Hint("thread", sent.thread_id))


_NOT_SAVED = Outcome("failed", NotSaved().sentence)


def _result(making: "asyncio.Task[Outcome]") -> Outcome:
    error = making.exception()
    if error is None:
        return making.result()
    if isinstance(error, ChatError):
        return Outcome("failed", error.sentence)
    unexpected(error, "an answer")
    return Outcome("failed", BROKEN)
