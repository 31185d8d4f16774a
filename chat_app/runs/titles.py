"""Thread titles from a model."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.keys.scopes import credential_ended
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, NotFound, Unavailable
from chat_app.core.events import Finish, TextDelta, TextWasReasoning, Usage
from chat_app.core.logging import log_unexpected_error
from chat_app.core.parts import text_of
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread
from chat_app.llm.base import CallOptions, Model, PromptMessage, ProviderError, text_message
from chat_app.runs.calls import ModelCalls, Requester, UserCalls
from chat_app.runs.model_access import ModelAccess
from chat_app.runs.size_limit import SizeLimit
from chat_app.settings import Settings
from chat_app.threads.actions import Threads
from chat_app.threads.queries import message_tree, thread_row
from chat_app.threads.titles import clean_model_title
from chat_app.threads.tree import branch_through

_SYSTEM_PROMPT = "You give conversations a short title."
_USER_PROMPT = (
    "Write a title of two to five words for a conversation that begins with the message below. "
    "Answer with the title only.\n\n"
)
_MAX_MESSAGE_CHARS = 1_000
_MAX_TITLE_CHARS = 2_000
_MAX_ANSWER_BYTES = 64_000
"""With the reasoning before it."""
_OPTIONS = CallOptions(max_tokens=48)
"""Room for a title with what models put around it; an answer that needs more has none."""


async def text_to_title(session: AsyncSession, thread_id: UUID, message_id: UUID) -> str | None:
    """The text to name a thread after; None unless it is its first message and has no title.

    Args:
        session: A session that sees the thread.
        thread_id: The thread.
        message_id: The user's message that was just answered.
    """
    thread = await session.get(Thread, thread_id)
    message = await session.get(Message, message_id)
    if thread is None or message is None or message.parent_id is not None:
        return None
    untitled = thread.title_origin == "start" and thread.deleted_at is None
    return text_of(message.parts) if untitled else None


async def first_question(session: AsyncSession, thread: Thread) -> str | None:
    """The text to name a thread after at any time; None if it has a title, or no question."""
    if thread.title_origin != "start" or thread.head_id is None:
        return None
    nodes = await message_tree(session, thread.id)
    branch = branch_through(nodes, thread.head_id, thread.head_id) or []
    questions = select(Message).where(col(Message.id).in_(branch[:1]), col(Message.role) == "user")
    message = (await session.exec(questions)).first()
    return None if message is None else text_of(message.parts) or None


async def suggest_title(
    calls: UserCalls, model: Model, text: str, requester: Requester
) -> str | None:
    """A model's title for a conversation that begins with a text; None if it is unusable.

    An answer that was cut off, withheld or too large is unusable: it may be half a title, or no
    title yet.

    Args:
        calls: Calls the model.
        model: The model.
        text: The text.
        requester: For whom.

    Raises:
        ProviderError: The provider failed.
    """
    title = ""
    size = SizeLimit(_MAX_ANSWER_BYTES)
    async with calls.once(model, _prompt(text), _OPTIONS, requester) as events:
        async for event in events:
            size.fit(event, begins_part=False)
            if size.is_exceeded:
                return None
            match event:
                case TextDelta() if len(title) <= _MAX_TITLE_CHARS:
                    title += event.text
                case TextWasReasoning():
                    title = ""
                case Usage():
                    events.count(event)
                case Finish("length" | "content-filter"):
                    return None
                case _:
                    pass
    return clean_model_title(title)


def _prompt(text: str) -> Sequence[PromptMessage]:
    return (
        text_message("system", _SYSTEM_PROMPT),
        text_message("user", _USER_PROMPT + text[:_MAX_MESSAGE_CHARS]),
    )


@dataclass(eq=False, slots=True)
class _TitleTask:
    """For whom a title is made, in which organisation, and whether the user has left that."""

    principal: Principal
    org_id: UUID
    has_left: bool = False


class ThreadTitler:
    """Names threads in background tasks.

    Args:
        db: The database.
        threads: Stores the titles.
        settings: Whether models name threads at all, and how long one may take.
        calls: Calls the models.
        access: Finds the models that users may call.
    """

    def __init__(
        self,
        db: Database,
        threads: Threads,
        settings: Settings,
        calls: ModelCalls,
        access: ModelAccess,
    ) -> None:
        self._db = db
        self._threads = threads
        self._settings = settings
        self._calls = calls
        self._access = access
        self._tasks: dict[asyncio.Task[None], _TitleTask] = {}
        self._stopped = False

    def start(
        self,
        principal: Principal,
        thread_id: UUID,
        user_message_id: UUID,
        model: Model,
        *,
        org_id: UUID,
    ) -> None:
        """Start to name a thread, if it needs a title.

        Args:
            principal: The owner of the thread.
            thread_id: The thread.
            user_message_id: The message that was answered.
            model: The model that answered it; if it is off meanwhile, there is no title.
            org_id: The organisation of the thread; `PRIVATE` for none.
        """
        if self._settings.chat_titles and not model.info.acts and not self._stopped:
            requester = Requester(principal, org_id, "title")
            task = asyncio.create_task(self._name(requester, thread_id, user_message_id, model))
            self._tasks[task] = _TitleTask(principal, org_id)
            task.add_done_callback(self._done)

    async def name_now(self, principal: Principal, thread_id: UUID, model: Model) -> None:
        """Name a thread by the first message of its chosen branch, unless it is named already.

        It keeps its title if the model has no usable one.

        Args:
            principal: The owner of the thread.
            thread_id: The thread.
            model: The model to ask.

        Raises:
            NotFound: The thread is missing, foreign or deleted, or the user has left its
                organisation meanwhile.
            Unauthenticated: The session or key has ended; the call of the model ended with it.
            Unavailable: The server is stopping.
        """
        async with self._db.read(principal) as session:
            thread = await thread_row(session, thread_id)
            text = await first_question(session, thread)
        wanted = self._settings.chat_titles and not model.info.acts
        if text is None or self._stopped or not wanted:
            return
        requester = Requester(principal, thread.org_id, "title")
        task = asyncio.create_task(self._store_suggestion(requester, thread_id, text, model))
        self._tasks[task] = titling = _TitleTask(principal, thread.org_id)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            del self._tasks[task]
        if task.cancelled():
            if self._stopped:
                raise Unavailable("The server is stopping.")
            raise NotFound if titling.has_left else credential_ended(principal)
        with suppress(ProviderError, TimeoutError):
            task.result()

    def credential_ids(self) -> set[UUID]:
        """The sessions and API keys that have a task."""
        return {one.principal.credential_id for one in self._tasks.values()}

    def end_credential(self, credential_id: UUID) -> None:
        """Cancel the tasks of a session or an API key."""
        for task, one in self._tasks.items():
            if one.principal.credential_id == credential_id:
                task.cancel()

    def end_membership(self, user_id: UUID, org_id: UUID) -> None:
        """Cancel the tasks of a user in an organisation that they have left."""
        for task, one in self._tasks.items():
            if (one.principal.user_id, one.org_id) == (user_id, org_id):
                one.has_left = True
                task.cancel()

    async def idle(self, timeout: float | None = None) -> None:
        """Wait until no task is running.

        Args:
            timeout: The longest wait, in seconds; None for no limit.
        """
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)

    def stop(self) -> None:
        """Cancel every task, and start no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def _name(
        self, requester: Requester, thread_id: UUID, user_message_id: UUID, model: Model
    ) -> None:
        async with self._db.read(requester.principal) as session:
            text = await text_to_title(session, thread_id, user_message_id)
        if text is not None:
            await self._store_suggestion(requester, thread_id, text, model)

    async def _store_suggestion(
        self, requester: Requester, thread_id: UUID, text: str, model: Model
    ) -> None:
        calls = self._calls.by(await self._access.of(requester.principal, requester.org_id))
        async with asyncio.timeout(self._settings.chat_first_token_seconds):
            title = await suggest_title(calls, model, text, requester)
        if title is not None:
            await self._threads.set_model_title(requester.principal, thread_id, title)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if task.cancelled():
            return
        error = task.exception()
        # the thread keeps its first words then; only a bug is logged
        if error is not None and not isinstance(error, ChatError | TimeoutError):
            log_unexpected_error(error, "a title")
