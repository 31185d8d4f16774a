"""The messages of a thread as a client keeps them: the whole tree, and what clients append to it.

The server stores what is sent and answered by itself. A client that keeps its own history sends it
again, message by message: what is held stays as it is, and anything else becomes a leaf with the
origin `client`.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, IdInUse, InvalidInput, TooLarge
from chat_app.core.parts import Part, content_size, has_content, size_of, text_of
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Run, Thread
from chat_app.settings import Settings
from chat_app.threads import branches, queries
from chat_app.threads.titles import first_words
from chat_app.threads.tree import parents_first, subtrees
from chat_app.threads.user_limits import ROW_BYTES, UserLimits
from chat_app.threads.views import MessageView, RunRef, message_view

MAX_TREE_BYTES = 16_000_000
"""The largest tree that is read at once: the messages of all of its branches, with `ROW_BYTES` for
each."""
CLIENT = "client"
"""The origin of a message that a client appended."""

HEAD: Literal["head"] = "head"


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A message that a client appends.

    Args:
        id: Its id, or that under which the client made it; empty for none.
        parent: The message above, by either id; None for the beginning, `HEAD` for the last one.
        role: Whose it is.
        parts: Its parts.
    """

    id: str
    parent: str | None
    role: Literal["user", "assistant"]
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class MessageTree:
    """Every message of a thread that is not deleted, each after the one above it.

    An answer without a part yet is not among them: the run has it.

    Args:
        head_id: The last message of the chosen branch; None for a thread without messages.
        run: The thread's active run, if it has one.
    """

    head_id: UUID | None
    messages: list[MessageView]
    run: RunRef | None


class ClientMessages:
    """Reads and extends the message trees of the principal's threads.

    Args:
        db: The database.
        bus: Where changes are published.
        settings: How large messages can be.
        clock: The time in rows.
        limits: What users may store.
    """

    def __init__(
        self, db: Database, bus: Bus, settings: Settings, clock: Clock, limits: UserLimits
    ) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._limits = limits

    async def version(self, principal: Principal, thread_id: UUID) -> str:
        """A text that changes whenever the tree does; much cheaper than the tree.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            run = await queries.active_run_of(session, thread_id)
            changed = thread.head_id, thread.updated_at
            # with the time of the last deletion, one leaf in the place of another is a change
            newest: Any = func.max(Message.created_at)
            deleted: Any = func.max(Message.deleted_at), func.count(col(Message.deleted_at))
            messages = await session.exec(
                select(func.count(), func.sum(col(Message.size)), newest, *deleted).where(
                    col(Message.thread_id) == thread_id
                )
            )
            ended: Any = func.max(Run.finished_at)
            runs = await session.exec(
                select(func.count(), ended).where(col(Run.thread_id) == thread_id)
            )
            state = (thread_id, *changed, run, messages.one(), runs.one())
        return hashlib.sha256(repr(state).encode()).hexdigest()[:32]

    async def tree(self, principal: Principal, thread_id: UUID) -> MessageTree:
        """The whole tree.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
            TooLarge: It is larger than `MAX_TREE_BYTES`.
        """
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            is_shown = col(Message.thread_id) == thread_id, col(Message.deleted_at).is_(None)
            sizes = select(func.count(), func.coalesce(func.sum(col(Message.size)), 0))
            count, size = (await session.exec(sizes.where(*is_shown))).one()
            size += ROW_BYTES * count
            if size > MAX_TREE_BYTES:
                raise TooLarge(
                    f"This chat has {size / 1e6:,.0f} MB, and {MAX_TREE_BYTES / 1e6:,.0f} MB can "
                    "be read at once. Read it in pages, without `format`."
                )
            run = await queries.active_run_of(session, thread_id)
            nodes = parents_first(await queries.message_tree(session, thread_id))
            found = await session.exec(
                select(Message).where(*is_shown).options(defer(cast(Any, Message.native)))
            )
            rows = {message.id: message for message in found}
            head_id = thread.head_id
        messages = list[MessageView]()
        for node in nodes:
            message = rows.get(node.id)
            if message is None:
                continue
            if message.status == "running" and not message.parts:
                head_id = message.parent_id if head_id == message.id else head_id
                continue
            messages.append(message_view(message, run))
        return MessageTree(head_id, messages, run)

    async def find(
        self, principal: Principal, thread_id: UUID, given: Collection[str]
    ) -> set[UUID]:
        """The ids of messages of a thread.

        Args:
            principal: The user.
            thread_id: The thread.
            given: The messages, by their ids or the client's.

        Raises:
            NotFound: The thread, or a message in it, is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            await queries.thread_row(session, thread_id)
            return await queries.find_messages(session, thread_id, given)

    async def append(
        self, principal: Principal, thread_id: UUID, message: ClientMessage
    ) -> tuple[UUID, bool]:
        """Append a message, unless the thread has it; it becomes the head if no answer is running.

        Args:
            principal: The user.
            thread_id: The thread; it is brought back from the archive.
            message: The message.

        Returns:
            The id of the message, and whether it is new.

        Raises:
            NotFound: The thread, or the message above, is missing, foreign or deleted.
            Conflict: The id is that of a message of another thread, or of a deleted one.
            IdInUse: The id is that of a message in an organisation that the user has left.
            InvalidInput: The message has no content.
            TooLarge: The message is.
            RateLimited: The user has sent too many.
            StorageFull: The message does not fit.
        """
        try:
            found = await self._append(principal, thread_id, message)
        except IntegrityError:
            # it was appended at the same time; now it is held
            try:
                found = await self._append(principal, thread_id, message)
            except IntegrityError:
                raise IdInUse from None
        if found[1]:
            self._bus.publish(user_topic(principal.user_id), Signal("branches", thread_id))
        return found

    async def replace(
        self,
        principal: Principal,
        thread_id: UUID,
        given: str,
        role: Literal["user", "assistant"],
        parts: list[Part],
    ) -> None:
        """Replace the parts of a message that a client appended.

        A client that appends an answer while it is written replaces it when it is whole. What was
        sent to a model, and what a model wrote, stays as it is: a question from the first answer
        below it on, and an answer once a model has added to it.

        Args:
            principal: The user.
            thread_id: The thread.
            given: The message, by its id or the client's.
            role: Whose it is; that of the message.
            parts: Its new parts.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or deleted.
            InvalidInput: The message would have no content, or another role.
            TooLarge: The message would be too large.
            RateLimited: The user has sent too many.
            StorageFull: The parts do not fit.
        """
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            message_id, _ = await queries.find_message(session, thread_id, given)
            message = await queries.message_row(session, thread_id, message_id)
            if message.origin != CLIENT or message.parts == parts:
                return
            if await _was_sent(session, message):
                return
            if message.role != role:
                raise InvalidInput("The role of a message can't be changed.")
            self._check(role, parts)
            await self._limits.admit_message(session, principal.user_id, size_of(parts))
            message.parts = cast(list[Any], parts)
            thread.updated_at = self._clock()
        self._bus.publish(user_topic(principal.user_id), Signal("branches", thread_id))

    async def _append(
        self, principal: Principal, thread_id: UUID, message: ClientMessage
    ) -> tuple[UUID, bool]:
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            if message.id:
                held = await _held(session, message.id)
                if held is not None and held.thread_id == thread_id and held.deleted_at is None:
                    return held.id, False
                if held is not None:
                    raise Conflict("Another message has this id. Use a new one.")
            parent_id = thread.head_id if message.parent == HEAD else None
            if message.parent is not None and message.parent != HEAD:
                parent_id, _ = await queries.find_message(session, thread_id, message.parent)
            self._check(message.role, message.parts)
            size = size_of(message.parts)
            await self._limits.admit_message(session, principal.user_id, size)
            return await self._store(session, thread, parent_id, message), True

    def _check(self, role: str, parts: list[Part]) -> None:
        is_question = role == "user"
        if is_question and not text_of(parts).strip():
            raise InvalidInput("Write a message first.")
        if not has_content(parts):
            raise InvalidInput("A message must have some content.")
        most = self._settings.message_bytes if is_question else self._settings.answer_bytes
        if content_size(parts) > most:
            raise TooLarge(f"This message is too large; the limit is {most // 1000} kB.")

    async def _store(
        self, session: AsyncSession, thread: Thread, parent_id: UUID | None, message: ClientMessage
    ) -> UUID:
        now = self._clock()
        row = Message(
            owner_id=thread.owner_id,
            org_id=thread.org_id,
            thread_id=thread.id,
            parent_id=parent_id,
            role=message.role,
            parts=cast(list[Any], message.parts),
            client_id=message.id or None,
            origin=CLIENT,
            created_at=now,
        )
        session.add(row)
        await session.flush()
        if message.role == "user" and not thread.title and thread.title_origin == "start":
            thread.title = first_words(text_of(message.parts))
        thread.updated_at, thread.status = now, "regular"
        if await queries.active_run_of(session, thread.id) is None:
            await branches.choose_head(session, thread, row.id, now)
        return row.id


async def _held(session: AsyncSession, given: str) -> Message | None:
    """The user's message with this id or client id, in whatever thread."""
    found = await session.exec(select(Message).where(queries.is_named(given)))
    return found.first()


async def _was_sent(session: AsyncSession, message: Message) -> bool:
    """Whether a model has answered below a question, or has added to an answer.

    An answer that is deleted counts, because it can be restored.
    """
    found = await session.exec(
        select(Run.message_id).where(col(Run.thread_id) == message.thread_id)
    )
    answers = set(found)
    if message.role == "assistant" or not answers:
        return message.id in answers  # the answers of clients reach no model
    nodes = await queries.message_tree(session, message.thread_id, deleted=True)
    return not answers.isdisjoint(subtrees(nodes, (message.id,)))
