"""Asking a model what to call a thread."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.core.logging import log_unexpected_error
from chat_app.core.parts import text_of
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread
from chat_app.llm.base import Model, PromptMessage, TextDelta
from chat_app.settings import Settings
from chat_app.threads.actions import Threads
from chat_app.threads.titles import AUTOMATIC_LENGTH, clean_model_title

_SYSTEM = "You give conversations a short title."
_ASK = (
    "Write a title of two to five words for a conversation that begins with the message below. "
    "Answer with the title only.\n\n"
)
_SHOWN = 1_000
"""Characters of the message that the model is shown."""
_MAX_TOKENS = 24


async def untitled_question(
    session: AsyncSession, thread_id: UUID, question_id: UUID
) -> str | None:
    """The text to name a thread after, when it is the thread's first and nobody has named it.

    Args:
        session: A session that sees the thread.
        thread_id: The thread.
        question_id: The message that was just answered.
    """
    thread = await session.get(Thread, thread_id)
    question = await session.get(Message, question_id)
    if thread is None or question is None:
        return None
    wanted = thread.title_origin == "start" and thread.deleted_at is None
    return text_of(question.parts) if wanted and question.parent_id is None else None


async def suggested_title(model: Model, question: str) -> str | None:
    """What a model would call a conversation, or None when it says nothing usable.

    Args:
        model: Who is asked.
        question: The first message of the conversation.

    Raises:
        ProviderError: The provider failed.
    """
    said = ""
    async for delta in model.stream(_turns(question), max_tokens=_MAX_TOKENS):
        if isinstance(delta, TextDelta) and len(said) <= 4 * AUTOMATIC_LENGTH:
            said += delta.text
    return clean_model_title(said)


def _turns(question: str) -> Sequence[PromptMessage]:
    return PromptMessage("system", _SYSTEM), PromptMessage("user", _ASK + question[:_SHOWN])


class ThreadTitler:
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
            self._tasks[task] = principal.credential_id
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
            log_unexpected_error(error, "a title")
