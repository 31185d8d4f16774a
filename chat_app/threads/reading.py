"""The chats of a member that an admin of an organisation reads by a grant: a list, and one of them.

There is no other way to them: no search, no export, no run, and nothing that follows an answer.
"""

from dataclasses import dataclass
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import ACTIVE
from chat_app.orgs.reading import GrantInUse, ReadingGrants
from chat_app.settings import Settings
from chat_app.threads import queries
from chat_app.threads.search_query import EVERYTHING
from chat_app.threads.views import MessageView, ThreadSummary, message_view, summary

PAGE = 30
"""How many chats, and how many messages, a page has."""


@dataclass(frozen=True, slots=True)
class GrantedThreadPage:
    """A page of a member's chats in an organisation, newest first.

    Args:
        next: The cursor of the following page; None at the end.
    """

    grant: GrantInUse
    threads: list[ThreadSummary]
    next: str | None


@dataclass(frozen=True, slots=True)
class GrantedThread:
    """Messages of the chosen branch of a member's chat, oldest first, as they are stored.

    Args:
        has_older: Whether there are messages above the first one.
        is_running: Whether an answer is being written; it is not among the messages.
    """

    grant: GrantInUse
    thread: ThreadSummary
    messages: list[MessageView]
    has_older: bool
    is_running: bool


@dataclass(frozen=True, slots=True)
class GrantedThreads:
    """Reads by grants. Each call asks whether the grant is open, and what is read is recorded.

    Args:
        db: The database.
        grants: Opens grants, and records what is read.
        settings: The size of a page.
    """

    db: Database
    grants: ReadingGrants
    settings: Settings

    async def page(
        self, principal: Principal, grant_id: UUID, *, after: str | None = None
    ) -> GrantedThreadPage:
        """A page of the list, archived chats too. It is recorded that the list was shown.

        Raises:
            NotFound: The grant is not open.
            InvalidInput: The cursor is malformed.
        """
        grant = await self.grants.open(principal, grant_id)
        async with self.db.read_as(grant.open_grant) as session:
            rows = await queries.page_rows(
                session,
                org_id=grant.open_grant.org_id,
                status="all",
                after=after,
                limit=PAGE + 1,
                query=EVERYTHING,
            )
        if not grant.is_listed:
            grant = await self.grants.record_list(principal, grant_id)
        threads = [summary(row, running=False) for row in rows[:PAGE]]
        if len(rows) <= PAGE:
            return GrantedThreadPage(grant, threads, None)
        last = threads[-1]
        return GrantedThreadPage(grant, threads, queries.encode_cursor(last.updated_at, last.id))

    async def window(
        self, principal: Principal, grant_id: UUID, thread_id: UUID, *, before: UUID | None = None
    ) -> GrantedThread:
        """The newest messages of a chat, or those above one of them. It is recorded as read.

        Raises:
            NotFound: The grant is not open, or the chat, or the message in it, is none of the
                member's there.
        """
        grant = await self.grants.open(principal, grant_id)
        async with self.db.read_as(grant.open_grant) as session:
            thread = await queries.thread_row(session, thread_id)
            leaf = thread.head_id
            if before is not None:
                leaf = (await queries.message_row(session, thread_id, before)).parent_id
            max_bytes = self.settings.messages_page_bytes
            found = (
                [] if leaf is None else await queries.branch_above(session, leaf, PAGE, max_bytes)
            )
        shown = [message for message in found[::-1] if message.status not in ACTIVE]
        grant = await self.grants.record_read(principal, grant_id, thread_id)
        return GrantedThread(
            grant=grant,
            thread=summary(thread, running=False),
            messages=shown,
            has_older=bool(found) and found[-1].parent_id is not None,
            is_running=len(shown) < len(found),
        )

    async def message(
        self, principal: Principal, grant_id: UUID, thread_id: UUID, message_id: UUID
    ) -> MessageView:
        """One message of a chat, with its reasoning. It is recorded as read.

        Raises:
            NotFound: The grant is not open, or the chat, or the message in it, is none of the
                member's there.
        """
        grant = await self.grants.open(principal, grant_id)
        async with self.db.read_as(grant.open_grant) as session:
            await queries.thread_row(session, thread_id)
            message = await queries.message_row(session, thread_id, message_id)
        if message.status in ACTIVE:
            raise NotFound
        await self.grants.record_read(principal, grant_id, thread_id)
        return message_view(message, None)
