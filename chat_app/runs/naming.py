"""Naming threads after their first answer, beside everything else and never in its way."""

import asyncio
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.errors import ChatError
from chat_app.llm.base import Model
from chat_app.logs import unexpected
from chat_app.runs.title import suggested_title, untitled_question
from chat_app.settings import Settings
from chat_app.threads.actions import Threads


class Naming:
    """The titles that are being asked for.

    Args:
        db: The database.
        threads: Where a title goes.
        settings: Whether models name threads at all, and how long one may take.
    """

    def __init__(self, db: Database, threads: Threads, settings: Settings) -> None:
        self._db = db
        self._threads = threads
        self._settings = settings
        self._tasks: dict[asyncio.Task[None], UUID] = {}
        self._stopped = False

    def name(self, principal: Principal, thread_id: UUID, question_id: UUID, model: Model) -> None:
        """Begin to name a thread, if it wants a name.

        Args:
            principal: Whose thread it is.
            thread_id: The thread.
            question_id: The message that was answered.
            model: Who answered it.
        """
        if self._settings.chat_titles and not self._stopped:
            task = asyncio.create_task(self._name(principal, thread_id, question_id, model))
            self._tasks[task] = principal.session_id
            task.add_done_callback(self._done)

    def end_session(self, session_id: UUID) -> None:
        """Give up the titles asked for in a session."""
        for task, session in self._tasks.items():
            if session == session_id:
                task.cancel()

    async def idle(self, within: float | None = None) -> None:
        """Wait until no title is being asked for.

        Args:
            within: The longest wait, in seconds; None waits for as long as it takes.
        """
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within)

    def stop(self) -> None:
        """Give up all titles, and ask for no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def _name(
        self, principal: Principal, thread_id: UUID, question_id: UUID, model: Model
    ) -> None:
        async with self._db.read(principal) as session:
            question = await untitled_question(session, thread_id, question_id)
        if question is None:
            return
        async with asyncio.timeout(self._settings.chat_first_token_seconds):
            title = await suggested_title(model, question)
        if title is not None:
            await self._threads.set_model_title(principal, thread_id, title)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if task.cancelled():
            return
        error = task.exception()
        # a thread keeps its first words then; only a bug is worth a line
        if error is not None and not isinstance(error, ChatError | TimeoutError):
            unexpected(error, "a title")
