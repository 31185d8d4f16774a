"""The actions on threads: each checks, commits, then publishes a signal."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, IdInUse, InvalidInput, NotFound
from chat_app.core.signals import DELETED_THREADS, Bus, Signal, SignalKind, user_topic
from chat_app.core.text import is_client_id
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import ACTIVE_THREADS, MOVE_THREAD, THREAD_TO_SEND_TO
from chat_app.db.tables import PRIVATE, ChatDefaults, Thread, ThreadStatus
from chat_app.settings import Settings
from chat_app.threads import branches, queries, titles
from chat_app.threads.external import checked_custom
from chat_app.threads.options import ChatOptions, cap_options, changed_options
from chat_app.threads.purge import purge
from chat_app.threads.search_query import EVERYTHING, SearchQuery
from chat_app.threads.user_limits import UserLimits
from chat_app.threads.views import (
    MessageView,
    RunRef,
    ThreadPage,
    ThreadSummary,
    Window,
    in_utc,
    message_view,
    summary,
)

MAX_PAGE_SIZE = 200
"""The most threads or messages on a page."""


class Threads:
    """The thread service; each call sees the threads of its principal only.

    Args:
        db: The database.
        bus: Where changes are published.
        settings: How long deleted threads are kept, and the size of a page.
        clock: The time in rows.
        limits: What users may store; None for limits of its own.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        settings: Settings,
        clock: Clock,
        limits: UserLimits | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._limits = limits or UserLimits(settings)

    async def page(
        self,
        principal: Principal,
        *,
        after: str | None = None,
        limit: int = 50,
        query: SearchQuery = EVERYTHING,
        status: ThreadStatus | Literal["all"] = "regular",
        org_id: UUID | None = PRIVATE,
    ) -> ThreadPage:
        """A page of the user's threads, newest first.

        Args:
            principal: The user.
            after: The cursor: `next` of the page before; None for the first page.
            limit: Threads on the page, 1 to `MAX_PAGE_SIZE`.
            query: Only threads that a scan of the titles finds.
            status: Only threads of this status; archived ones are in no ordinary list.
            org_id: Only threads of this organisation, `PRIVATE` for private ones; None for all.

        Raises:
            NotFound: The user does not belong to the organisation.
            InvalidInput: The cursor is invalid or the limit out of range.
        """
        _check_limit(limit)
        if org_id is not None:
            check_membership(principal, org_id)
        if query.role:
            return ThreadPage([], None)  # only messages have one
        if query == EVERYTHING and status != "all" and org_id is not None:
            read = partial(queries.page, org_id=org_id, status=status, after=after, limit=limit + 1)
            rows, running = await self._db.query(principal, read)
        else:
            async with self._db.read(principal) as session:
                rows = await queries.page_rows(
                    *(session,),
                    org_id=org_id,
                    status=status,
                    after=after,
                    limit=limit + 1,
                    query=query,
                )
                running = await queries.running_threads(session)
        threads = [summary(row, running=row.id in running) for row in rows[:limit]]
        if len(rows) <= limit:
            return ThreadPage(threads, None)
        return ThreadPage(threads, queries.encode_cursor(threads[-1].updated_at, threads[-1].id))

    async def get(self, principal: Principal, thread_id: UUID) -> ThreadSummary:
        """One thread.

        Raises:
            NotFound: It is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            run = await queries.active_run_of(session, thread_id)
        return self._summary(thread, run)

    async def cursor_behind(self, principal: Principal, thread_id: UUID) -> str:
        """The cursor of the page that follows a thread, which may be deleted by now.

        Raises:
            NotFound: It is missing or foreign.
        """
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id, deleted=True)
            return queries.encode_cursor(in_utc(thread.updated_at), thread.id)

    async def find(self, principal: Principal, external_id: str) -> UUID | None:
        """The id of the thread that a program named so; None if there is none."""
        async with self._db.read(principal) as session:
            return await queries.named_thread(session, external_id)

    async def window(
        self,
        principal: Principal,
        thread_id: UUID,
        *,
        before: UUID | None = None,
        limit: int = 30,
    ) -> Window:
        """The newest messages of the current branch, or those above one of its messages.

        Args:
            principal: The user.
            thread_id: The thread.
            before: A message of the thread; the window ends above it. It may be deleted if the
                one above is not.
            limit: Messages in the window, 1 to `MAX_PAGE_SIZE`; fewer if they are large
                (`messages_page_bytes`).

        Raises:
            NotFound: The thread, or `before` in it, is missing or foreign; the thread, or a message
                above `before`, is deleted.
            InvalidInput: The limit is out of range.
        """
        _check_limit(limit)
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            leaf = thread.head_id
            if before is not None:
                above = await queries.message_row(session, thread_id, before, deleted=True)
                leaf = above.parent_id
            run = await queries.active_run_of(session, thread_id)
            max_bytes = self._settings.messages_page_bytes
            messages = (
                []
                if leaf is None
                else await queries.branch_above(
                    session, leaf, limit, max_bytes, run, deleted=before is None
                )
            )
        view = self._summary(thread, run)
        has_older = bool(messages) and messages[-1].parent_id is not None
        return Window(view, messages[::-1], has_older, run)

    async def message(self, principal: Principal, thread_id: UUID, message_id: UUID) -> MessageView:
        """One message of a thread.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or deleted.
        """
        async with self._db.read(principal) as session:
            await queries.thread_row(session, thread_id)
            message = await queries.message_row(session, thread_id, message_id)
            run = await queries.active_run_of(session, thread_id)
        return message_view(message, run)

    async def find_message(
        self, principal: Principal, thread_id: UUID, given: str
    ) -> tuple[UUID, str]:
        """The id and the role of a message of a thread.

        Args:
            principal: The user.
            thread_id: The thread.
            given: The id as text, or the client id under which the message was sent.

        Raises:
            NotFound: The message is missing, foreign, deleted or in another thread.
        """
        async with self._db.read(principal) as session:
            return await queries.find_message(session, thread_id, given)

    async def roles(
        self, principal: Principal, thread_id: UUID, ids: Collection[UUID]
    ) -> dict[UUID, str]:
        """The roles of those of some messages that are in a thread, by id."""
        async with self._db.read(principal) as session:
            return await queries.message_roles(session, thread_id, ids)

    async def show_message(
        self, principal: Principal, thread_id: UUID, message_id: UUID
    ) -> list[UUID]:
        """Choose the branch that has a message, unless the chosen one has it.

        Returns:
            The ids of the branch, from its first message to its last.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or deleted.
            Conflict: The message is in another branch, and an answer is running in the chosen one.
        """
        async with self._db.read(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            branch = await branches.branch_with(session, thread, message_id)
        if branch[-1] == thread.head_id:
            return branch
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            branch = await branches.branch_with(session, thread, message_id)
            if await queries.active_run_of(session, thread_id) is not None:
                raise Conflict(
                    "This message is in another version of the chat. "
                    "Wait for the running answer, or stop it, to open that version."
                )
            await branches.choose_head(session, thread, branch[-1], self._clock())
        self._publish(principal, "thread", thread_id)
        return branch

    async def delete_branch(
        self, principal: Principal, thread_id: UUID, *message_ids: UUID
    ) -> None:
        """Delete messages and all below them. They can be restored for `deleted_days`.

        If the chosen branch has one, another version is chosen: the one shown last, or else the
        message above becomes the head. All of them are deleted, or none.

        Raises:
            NotFound: The thread, or one of the messages in it, is missing, foreign or deleted
                already.
            Conflict: An answer is running in one of the branches.
        """
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            await branches.delete_branches(session, thread, message_ids, self._clock())
        self._publish(principal, "branches", thread_id)

    async def restore_branch(self, principal: Principal, thread_id: UUID, message_id: UUID) -> None:
        """Undo `delete_branch`, and choose that branch unless an answer is running in the thread.

        Nothing happens if the message is not deleted.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or purged, or the
                message above is deleted too.
        """
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            done = await branches.restore_branch(session, thread, message_id, self._clock())
        if done:
            self._publish(principal, "branches", thread_id)

    async def create(
        self,
        principal: Principal,
        *,
        title: str = "",
        external_id: str | None = None,
        custom: Mapping[str, Any] | None = None,
        org_id: UUID = PRIVATE,
    ) -> ThreadSummary:
        """Create an empty thread; idempotent by external id.

        Args:
            principal: The user.
            title: Its title; empty to name it after its first message.
            external_id: The name that a program gives it. The thread that has it already is
                returned as it is.
            custom: What programs keep with it; at most `MAX_CUSTOM_BYTES` as JSON.
            org_id: The organisation that it is in; `PRIVATE` for none.

        Raises:
            NotFound: The user does not belong to the organisation.
            InvalidInput: The title is too long, or the external id is malformed.
            TooLarge: `custom` is.
            IdInUse: The thread with that name is in an organisation that the user has left, or it
                was created and deleted meanwhile.
            RateLimited: The user has created too many.
            StorageFull: The user stores too much.
        """
        kept = checked_custom(custom or {})
        check_membership(principal, org_id)
        if external_id is None:
            return await self._create(principal, title, None, kept, org_id)
        if not is_client_id(external_id):
            raise InvalidInput("A chat id is 1 to 64 letters, digits, hyphens or underscores.")
        found = await self.find(principal, external_id)
        if found is None:
            try:
                return await self._create(principal, title, external_id, kept, org_id)
            except IntegrityError:
                # it was created at the same time; now it is found
                found = await self.find(principal, external_id)
        if found is None:
            raise IdInUse
        return await self.get(principal, found)

    async def _create(
        self,
        principal: Principal,
        title: str,
        external_id: str | None,
        custom: dict[str, Any],
        org_id: UUID,
    ) -> ThreadSummary:
        now = self._clock()
        thread = Thread(
            owner_id=principal.user_id,
            org_id=org_id,
            created_at=now,
            updated_at=now,
            external_id=external_id,
            custom=custom,
        )
        if title.strip():
            thread.title, thread.title_origin = titles.clean_user_title(title), "person"
        async with self._db.write(principal) as session:
            await session.execute_prepared(partial(queries.lock_membership, org_id=org_id))
            await self._limits.admit_thread(session, principal.user_id)
            defaults = await session.get(ChatDefaults, principal.user_id)
            thread.options = {} if defaults is None else defaults.options
            session.add(thread)
        self._publish(principal, "thread", thread.id)
        return self._summary(thread, None)

    async def rename(self, principal: Principal, thread_id: UUID, title: str) -> None:
        """Give a thread a title that a model does not replace.

        Raises:
            NotFound: It is missing, foreign or deleted.
            InvalidInput: The title is empty or too long.
        """
        await self.change(principal, thread_id, title=title)

    async def change(
        self,
        principal: Principal,
        thread_id: UUID,
        *,
        title: str | None = None,
        model: str | None = None,
        options: Mapping[str, Any] | None = None,
        status: ThreadStatus | None = None,
        custom: Mapping[str, Any] | None = None,
    ) -> None:
        """Change what is given; all of it or, when something is refused, nothing.

        Args:
            principal: The user.
            thread_id: The thread.
            title: See `rename`.
            model: The id of the model of its next answers; the caller has checked that it is
                offered.
            options: The choices for its next answers that change, by the fields of `ChatOptions`.
            status: Whether it is in the archive.
            custom: What programs keep with it, in place of what they kept; at most
                `external.MAX_CUSTOM_BYTES` as JSON.

        Raises:
            NotFound: It is missing, foreign or deleted.
            InvalidInput: The title is empty or too long, or a choice is beyond its cap.
            TooLarge: The custom values are.
        """
        if title is not None:
            title = titles.clean_user_title(title)
        if custom is not None:
            custom = checked_custom(custom)
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, lock=True)
            if title is not None:
                thread.title, thread.title_origin = title, "person"
            if model is not None:
                thread.model = model
            if options:
                thread.options = changed_options(thread.options, options, self._settings).row
            if status is not None:
                thread.status = status
            if custom is not None:
                thread.custom = dict(custom)
        self._publish(principal, "thread", thread_id)

    async def move(self, principal: Principal, thread_id: UUID, org_id: UUID) -> None:
        """Move a thread into an organisation, or out of one.

        Args:
            principal: The user.
            thread_id: The thread.
            org_id: The organisation; `PRIVATE` to make it private.

        Raises:
            NotFound: The thread is missing, foreign or deleted, or the user does not belong to the
                organisation.
            Conflict: An answer is running in it.
        """
        check_membership(principal, org_id)
        origin = audit.Origin.current()  # not known in another thread

        def moved(organisation: UUID, direction: str) -> audit.Entry:
            return audit.entry(
                "thread_moved",
                actor=principal,
                subject=audit.Subject("thread", thread_id),
                organisation=organisation,
                details={"value": direction},
                request=origin,
                clock=self._clock,
            )

        def work(transaction: Transaction) -> list[audit.Entry]:
            queries.lock_membership(transaction, org_id)
            row = transaction.first(THREAD_TO_SEND_TO, thread_id=thread_id)
            if row is None:
                raise NotFound
            if row[-1] == org_id:
                return []
            # the log of an answer is written with the organisation that it began in
            if (thread_id,) in transaction.all(ACTIVE_THREADS):
                raise Conflict("An answer is still being written in this chat. Stop it first.")
            transaction.run(MOVE_THREAD, thread_id=thread_id, org_id=org_id)
            # each organisation's log tells of it
            changes = (row[-1], "out"), (org_id, "in")
            entries = [moved(one, direction) for one, direction in changes if one != PRIVATE]
            for entry in entries:
                entry.append_to(transaction)
            return entries

        if entries := await self._db.transact(principal, work):
            for entry in entries:
                entry.log()
            self._publish(principal, "thread", thread_id)

    async def set_model_title(self, principal: Principal, thread_id: UUID, title: str) -> bool:
        """Give a thread a model's title, unless its user or a model has named it.

        Args:
            principal: The user.
            thread_id: The thread.
            title: A result of `titles.clean_model_title`.

        Returns:
            Whether the title was stored.
        """
        async with self._db.write(principal) as session:
            found = await session.exec(
                select(Thread)
                .where(col(Thread.id) == thread_id, col(Thread.title_origin) == "start")
                .where(col(Thread.deleted_at).is_(None))
                .with_for_update()
            )
            thread = found.first()
            if thread is None:
                return False
            thread.title, thread.title_origin = title, "model"
        self._publish(principal, "thread", thread_id)
        return True

    async def delete(self, principal: Principal, thread_id: UUID) -> None:
        """Delete a thread and stop its run. It can be restored for `deleted_days`.

        Raises:
            NotFound: It is missing, foreign or deleted already.
        """
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id)
            thread.deleted_at = self._clock()
        self._bus.publish(DELETED_THREADS, Signal("thread_deleted", thread_id=thread_id))
        self._publish(principal, "thread_deleted", thread_id)

    async def restore(self, principal: Principal, thread_id: UUID) -> None:
        """Undo `delete`. Nothing happens if the thread is not deleted.

        Raises:
            NotFound: It is missing, foreign or purged.
        """
        try:
            await self._restore(principal, thread_id)
        except IntegrityError:
            # one in an organisation that the user has left, which they do not see, has its name
            await self._restore(principal, thread_id, is_renamed=True)
        self._publish(principal, "thread", thread_id)

    async def _restore(
        self, principal: Principal, thread_id: UUID, *, is_renamed: bool = False
    ) -> None:
        async with self._db.write(principal) as session:
            thread = await queries.thread_row(session, thread_id, deleted=True)
            name = thread.external_id if thread.deleted_at is not None else None
            if name is not None:
                is_renamed = is_renamed or await queries.named_thread(session, name) is not None
                if is_renamed:
                    thread.external_id = None  # what a program goes on with is another thread now
            thread.deleted_at = None

    async def purge(self) -> int:
        """Remove what was deleted more than `deleted_days` ago, a little at a time.

        Returns:
            How many threads were removed.
        """
        return await purge(self._db, self._clock() - timedelta(days=self._settings.deleted_days))

    def _summary(self, thread: Thread, run: RunRef | None) -> ThreadSummary:
        options = cap_options(ChatOptions.of_row(thread.options), self._settings)
        return summary(thread, running=run is not None, options=options)

    def _publish(self, principal: Principal, kind: SignalKind, thread_id: UUID) -> None:
        self._bus.publish(user_topic(principal.user_id), Signal(kind, thread_id=thread_id))


def check_membership(principal: Principal, org_id: UUID) -> None:
    """Refuse an organisation that is not the user's as one that is not there.

    Raises:
        NotFound: The user does not belong to it.
    """
    if org_id != PRIVATE and org_id not in principal.memberships:
        raise NotFound


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidInput(f"The limit must be 1 to {MAX_PAGE_SIZE}.")
