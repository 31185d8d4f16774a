"""Create a run: the rows that a send or a retry writes, in one transaction."""

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound, RateLimited, TooLarge
from chat_app.core.parts import size_of, text_part
from chat_app.core.text import repair_surrogates
from chat_app.db.tables import ACTIVE, Message, Run, Thread
from chat_app.llm.base import Model
from chat_app.threads.titles import first_words

RUNS_RETRY_SECONDS = 5
"""When to try again where too many answers are running; one may end at any time."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A validated message of a user.

    Args:
        client_id: The idempotency key: the same id and text twice is one message.
        thread_id: The thread; None creates one.
    """

    text: str
    client_id: str
    thread_id: UUID | None


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run whose rows are written.

    Args:
        user_message_id: The message that is answered.
        message_id: The answer.
        model: The model that answers; None if the message was sent before (`duplicate`).
    """

    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    run_id: UUID
    model: Model | None

    @property
    def duplicate(self) -> bool:
        """Whether the same message was sent before, so that there is nothing to start."""
        return self.model is None


@dataclass(frozen=True, slots=True)
class NewRun:
    """What the rows of a new run need besides the message.

    Args:
        run_id: The run's id.
        principal: The user; the session of the transaction is scoped to them.
        now: The time in the rows.
        max_runs: The most active runs the user may have.
        choose_model: Returns the model, given the id in the thread's or message's row. May raise
            `InvalidInput`.
        admit: Called with the session and the bytes of the message when nothing else can refuse it
            and nothing is added yet; raises when the user has reached a limit.
    """

    run_id: UUID
    principal: Principal
    now: datetime
    max_runs: int
    choose_model: Callable[[str], Model]
    admit: Callable[[AsyncSession, int], Awaitable[None]]


def is_client_id(text: str) -> bool:
    """Whether a text can be the client id of a message."""
    return _CLIENT_ID.fullmatch(text) is not None


def validate_message(
    text: str, client_id: str, thread_id: UUID | None, *, max_bytes: int
) -> NewMessage:
    """Check a user's message and repair its Unicode.

    Args:
        max_bytes: The most bytes of UTF-8 a message may have.

    Raises:
        InvalidInput: The text is blank or the client id is malformed.
        TooLarge: The text is longer than `max_bytes`.
    """
    if not is_client_id(client_id):
        raise InvalidInput("A message id is 1 to 64 letters, digits, hyphens or underscores.")
    text = repair_surrogates(text)
    if not text.strip():
        raise InvalidInput("Write a message first.")
    size = len(text.encode())
    if size > max_bytes:
        raise TooLarge(
            f"This message is {math.ceil(size / 1000)} kB; the limit is {max_bytes // 1000} kB."
        )
    return NewMessage(text, client_id, thread_id)


async def create_run(session: AsyncSession, run: NewRun, message: NewMessage) -> CreatedRun:
    """Store a message, an empty answer and the run that fills it; idempotent by client id.

    Raises:
        NotFound: The thread is missing, foreign or deleted.
        InvalidInput: There is no such model.
        Conflict: The client id is used by another message, or an answer is running in the thread.
        RateLimited: Too many runs are active, or too many messages were sent.
        StorageFull: The message does not fit into what the user may store.
    """
    duplicate = await _find_duplicate(session, message)
    if duplicate is not None:
        return duplicate
    thread = await _lock_or_make_thread(session, run, message.thread_id)
    await _check_active_runs(session, run, thread.id)
    model = run.choose_model(thread.model)
    parts = [text_part(message.text)]
    await run.admit(session, size_of(parts))
    session.add(thread)  # not before: what is stored is counted to admit the message
    if not thread.title and thread.title_origin == "start":
        thread.title = first_words(message.text)
    thread.model = model.id
    await session.flush()
    user_message = Message(
        owner_id=run.principal.user_id,
        thread_id=thread.id,
        parent_id=thread.head_id,
        role="user",
        parts=parts,
        client_id=message.client_id,
        created_at=run.now,
    )
    session.add(user_message)
    await session.flush()
    return await _add_answer(session, run, thread, user_message.id, model)


async def retry_run(session: AsyncSession, run: NewRun, message_id: UUID) -> CreatedRun:
    """Store another empty answer, a sibling of the given one, and the run that fills it.

    Raises:
        NotFound: The message is missing or foreign, or its thread is deleted.
        InvalidInput: The message is not an answer.
        Conflict: The answer is running or not the last of its thread.
        RateLimited: Too many runs are active, or too many answers were regenerated.
        StorageFull: The user stores too much.
    """
    message = await session.get(Message, message_id)
    if message is None:
        raise NotFound
    thread = await _lock_or_make_thread(session, run, message.thread_id)
    if message.role != "assistant" or message.parent_id is None:
        raise InvalidInput("Only an answer can be regenerated.")
    if message.status == "running":
        raise Conflict("This answer is still being written.")
    await _check_active_runs(session, run, thread.id)
    if message.id != thread.head_id:
        # the new answer would hide what follows the old one, and no branch can be chosen yet
        raise Conflict("Only the last answer of a chat can be regenerated.")
    await run.admit(session, 0)
    return await _add_answer(
        session, run, thread, message.parent_id, run.choose_model(message.model)
    )


async def _find_duplicate(session: AsyncSession, message: NewMessage) -> CreatedRun | None:
    """The first run of a message that was sent before under the same client id."""
    stored = (
        await session.exec(select(Message).where(Message.client_id == message.client_id))
    ).first()
    if stored is None:
        return None
    same_thread = message.thread_id in (None, stored.thread_id)
    if not same_thread or stored.parts != [text_part(message.text)]:
        raise Conflict("Another message was sent with this id. Use a new id for this one.")
    runs = await session.exec(
        select(Run)
        .join(Message, col(Message.id) == col(Run.message_id))
        .where(Message.parent_id == stored.id)
        .order_by(col(Run.created_at), col(Run.id))
        .limit(1)
    )
    run = runs.one()
    return CreatedRun(run.thread_id, stored.id, run.message_id, run.id, None)


async def _lock_or_make_thread(
    session: AsyncSession, run: NewRun, thread_id: UUID | None
) -> Thread:
    """The thread, locked; or a new one, not added yet."""
    if thread_id is None:
        return Thread(owner_id=run.principal.user_id, created_at=run.now, updated_at=run.now)
    threads = await session.exec(
        # the lock serialises two sends where writers run side by side (Postgres)
        select(Thread)
        .where(Thread.id == thread_id, col(Thread.deleted_at).is_(None))
        .with_for_update()
    )
    thread = threads.first()
    if thread is None:
        raise NotFound
    return thread


async def _check_active_runs(session: AsyncSession, run: NewRun, thread_id: UUID) -> None:
    active = list(await session.exec(select(Run.thread_id).where(col(Run.status).in_(ACTIVE))))
    if thread_id in active:
        raise Conflict("An answer is still being written in this chat. Stop it first.")
    if len(active) >= run.max_runs:
        raise RateLimited(
            f"{len(active)} answers are running in other chats, which is the limit. "
            "Wait for one to finish, or stop one.",
            RUNS_RETRY_SECONDS,
        )


async def _add_answer(
    session: AsyncSession, run: NewRun, thread: Thread, parent_id: UUID, model: Model
) -> CreatedRun:
    answer = Message(
        id=uuid4(),
        owner_id=run.principal.user_id,
        thread_id=thread.id,
        parent_id=parent_id,
        role="assistant",
        status="running",
        model=model.id,
        created_at=run.now,
    )
    session.add(answer)
    thread.head_id = answer.id
    thread.updated_at = run.now
    await session.flush()
    session.add(
        Run(
            id=run.run_id,
            owner_id=run.principal.user_id,
            thread_id=thread.id,
            message_id=answer.id,
            session_id=run.principal.credential_id,
            model=model.id,
            created_at=run.now,
        )
    )
    await session.flush()
    return CreatedRun(thread.id, parent_id, answer.id, run.run_id, model)
