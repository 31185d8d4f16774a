"""What a send or a retry writes, in one transaction."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from chat_app.core.parts import text_part
from chat_app.core.text import repair_surrogates
from chat_app.db.tables import LIVE, Message, Run, Thread
from chat_app.llm.base import Model
from chat_app.threads.titles import first_words

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What came of a send or a retry.

    Args:
        message_id: The answer.
        duplicate: Whether it was there already, sent earlier under the same client id.
    """

    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    run_id: UUID
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that a person wants answered, checked.

    Args:
        client_id: Chosen by the client; the same id and text twice is one message.
        thread_id: Where; None begins a thread.
    """

    text: str
    client_id: str
    thread_id: UUID | None


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run whose rows are written.

    Args:
        model: Who answers it; None for a duplicate.
    """

    sent: SentMessage
    model: Model | None


ChooseModel = Callable[[str], Model]
"""Gives the model to use, from the id remembered in the rows. May raise `InvalidInput`."""


def is_client_id(text: str) -> bool:
    """Whether a client may use this to name a message."""
    return _CLIENT_ID.fullmatch(text) is not None


def validate_message(
    text: str, client_id: str, thread_id: UUID | None, *, longest: int
) -> NewMessage:
    """A question that may be stored.

    Args:
        longest: The most bytes of UTF-8 a message may have.

    Raises:
        InvalidInput: The text is blank or the client id is none.
        TooLarge: The text is longer than `longest`.
    """
    if not is_client_id(client_id):
        raise InvalidInput("A message id is 1 to 64 letters, digits, hyphens or underscores.")
    text = repair_surrogates(text)
    if not text.strip():
        raise InvalidInput("Write something first.")
    if len(text.encode()) > longest:
        raise TooLarge(f"A message can have at most {longest // 1000} kB.")
    return NewMessage(text, client_id, thread_id)


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Writes the rows of one new run, in a session scoped to the person.

    Args:
        session: A write session; its owner is asking.
        session_id: The sign-in that asks.
        run_id: The id of the run to write.
        now: The time to write.
        most: The most live runs the person may have.
    """

    session: AsyncSession
    owner_id: UUID
    session_id: UUID
    run_id: UUID
    now: datetime
    most: int

    async def ask(self, question: NewMessage, choose: ChooseModel) -> CreatedRun:
        """Store a question, an empty answer and the run that fills it.

        Raises:
            NotFound: The thread is not there.
            InvalidInput: No such model.
            Conflict: Another message has this client id, or too much is running already.
        """
        earlier = await self._earlier(question)
        if earlier is not None:
            return earlier
        thread = await self._thread(question.thread_id)
        await self._refuse_more(thread.id)
        model = choose(thread.model)
        if not thread.title and thread.title_origin == "start":
            thread.title = first_words(question.text)
        thread.model = model.id
        await self.session.flush()
        asked = Message(
            owner_id=self.owner_id,
            thread_id=thread.id,
            parent_id=thread.head_id,
            role="user",
            parts=[text_part(question.text)],
            client_id=question.client_id,
            created_at=self.now,
        )
        self.session.add(asked)
        await self.session.flush()
        return await self._answer(thread, asked.id, model)

    async def again(self, message_id: UUID, choose: ChooseModel) -> CreatedRun:
        """Store another empty answer to the question that a message answers.

        Raises:
            NotFound: The message is not there.
            InvalidInput: It is no answer.
            Conflict: It is still being written, it is not the last of its thread, or too much is
                running already.
        """
        message = await self.session.get(Message, message_id)
        if message is None:
            raise NotFound
        thread = await self._thread(message.thread_id)
        if message.role != "assistant" or message.parent_id is None:
            raise InvalidInput("Only an answer can be tried again.")
        if message.status == "running":
            raise Conflict("This answer is still being written.")
        await self._refuse_more(thread.id)
        if message.id != thread.head_id:
            # the new answer would hide what follows the old one, and no branch can be chosen yet
            raise Conflict("Only the last answer of a chat can be tried again.")
        return await self._answer(thread, message.parent_id, choose(message.model))

    async def _earlier(self, question: NewMessage) -> CreatedRun | None:
        """What came of the same message when it was sent before."""
        asked = await self.session.exec(
            select(Message).where(Message.client_id == question.client_id)
        )
        message = asked.first()
        if message is None:
            return None
        is_elsewhere = question.thread_id not in (None, message.thread_id)
        if is_elsewhere or message.parts != [text_part(question.text)]:
            raise Conflict("Another message was sent under this id. Send this one under its own.")
        runs = await self.session.exec(
            select(Run)
            .join(Message, col(Message.id) == col(Run.message_id))
            .where(Message.parent_id == message.id)
            .order_by(col(Run.created_at), col(Run.id))
            .limit(1)
        )
        run = runs.one()
        sent = SentMessage(run.thread_id, message.id, run.message_id, run.id, duplicate=True)
        return CreatedRun(sent, None)

    async def _thread(self, thread_id: UUID | None) -> Thread:
        if thread_id is None:
            thread = Thread(owner_id=self.owner_id, created_at=self.now, updated_at=self.now)
            self.session.add(thread)
            return thread
        found = await self.session.exec(
            # the lock keeps two sends apart where writers run side by side (Postgres)
            select(Thread)
            .where(Thread.id == thread_id, col(Thread.deleted_at).is_(None))
            .with_for_update()
        )
        thread = found.first()
        if thread is None:
            raise NotFound
        return thread

    async def _refuse_more(self, thread_id: UUID) -> None:
        busy = list(await self.session.exec(select(Run.thread_id).where(col(Run.status).in_(LIVE))))
        if thread_id in busy:
            raise Conflict("An answer is still being written in this chat. Stop it first.")
        if len(busy) >= self.most:
            raise Conflict(
                f"Answers running in other chats: {len(busy)}, which is the most. "
                "Wait for one, or stop one."
            )

    async def _answer(self, thread: Thread, parent_id: UUID, model: Model) -> CreatedRun:
        answer = Message(
            id=uuid4(),
            owner_id=self.owner_id,
            thread_id=thread.id,
            parent_id=parent_id,
            role="assistant",
            status="running",
            model=model.id,
            created_at=self.now,
        )
        self.session.add(answer)
        thread.head_id = answer.id
        thread.updated_at = self.now
        await self.session.flush()
        self.session.add(
            Run(
                id=self.run_id,
                owner_id=self.owner_id,
                thread_id=thread.id,
                message_id=answer.id,
                session_id=self.session_id,
                model=model.id,
                created_at=self.now,
            )
        )
        await self.session.flush()
        return CreatedRun(SentMessage(thread.id, parent_id, answer.id, self.run_id), model)
