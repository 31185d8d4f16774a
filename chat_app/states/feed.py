"""What an open tab follows: signals about what changed, and the chunks of the running answer.

The names of the state and of its var are short, because they travel with every chunk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.clock import retry
from chat_app.core.errors import DatabaseError, NotFound
from chat_app.core.events import text_length
from chat_app.core.signals import ANNOUNCEMENTS, Signal, user_topic
from chat_app.reflex_ext.events import route_argument, state_key, var_emitter
from chat_app.reflex_ext.tabs import tabs, while_open
from chat_app.runs.follow import EndEvent
from chat_app.services import services
from chat_app.states import current_principal, views
from chat_app.states.announcements import AnnouncementState, show_announcements
from chat_app.states.auth import AuthState, load_user
from chat_app.states.branches import BranchState, drop_old_undo
from chat_app.states.chat import (
    ChatState,
    offer_models,
    open_route,
    read_news,
    reload_thread,
    show_health,
    show_message,
    streamed_message,
)
from chat_app.states.chunks import Chunk, ChunkEncoder, stored_chunks
from chat_app.states.context import ContextState, is_compacting, show_context
from chat_app.states.organisations import CurrentOrganisationState, follow_thread
from chat_app.states.readers import ReadersState, show_readers
from chat_app.states.search import SearchState, drop_deleted_hits, update_hits
from chat_app.states.thread_list import ThreadListState, refresh, update_thread
from chat_app.states.views import message_of_route
from chat_app.threads.views import MessageView, RunRef, Window

RETRY_SECONDS = 1.0
"""How long a tab waits before it reads again what the database could not give."""


class Feed(rx.State):
    """Stream chunks for the chat component. The var keeps its default, so a hydrate sends none.

    Its value is one chunk, or a list of chunks that belong together; see `states.chunks`.
    """

    f: rx.Field[list[Any]] = rx.field(default_factory=list)

    @rx.event(supersedes=True)
    async def open(self):
        """Show the thread that the URL names, or an empty chat; then watch it."""
        chat = await self.get_state(ChatState)
        principal = current_principal()
        if open_route(chat):
            yield
        drop_old_undo(await self.get_state(BranchState))
        await offer_models(chat, principal)
        message = message_of_route(route_argument(chat, "message"))
        with contextlib.suppress(DatabaseError):  # `watch` reads it until it can
            if message and chat.thread and message != chat.sought:
                await show_message(chat, principal, message)
            else:
                await reload_thread(chat, principal)
            await show_readers(await self.get_state(ReadersState), principal)
        if not message:
            chat.sought = ""
        yield Feed.watch

    @rx.event(background=True, supersedes=True)
    async def watch(self):
        """Follow the user's signals and the open thread's answer until the socket is closed."""
        await while_open(state_key(), self._watch(current_principal()))

    @rx.event
    async def resync(self, stream_id: str, part: int, have: int):
        """Send a part again, because a chunk did not fit or the page has not had its text yet.

        Args:
            stream_id: Of the message.
            part: The index of the part; those after it are sent too, unless they travelled with
                the list.
            have: How much of the part the page has, in UTF-16 code units.
        """
        principal = current_principal()
        found = await streamed_message(await self.get_state(ChatState), principal, stream_id)
        if found is None:
            return
        message, is_listed = found
        if message.run_id is None or not message.is_running:
            only = part if is_listed else None
            chunks = _chunks_of(message, stream_id, only)
        else:
            encoder, chunks = ChunkEncoder(stream_id), list[Chunk]()
            for event in await services().runs.snapshot(principal, message.run_id):
                chunks += encoder.encode(event)
        await _send([chunk for chunk in chunks if not 0 <= chunk[1] < part])

    async def _watch(self, principal: Principal) -> None:
        answer = FollowedRun()
        with services().bus.subscribe(user_topic(principal.user_id), ANNOUNCEMENTS) as batches:
            try:
                await _until_done(partial(self._catch_up, principal, answer))
                async for signals in batches:
                    await _until_done(partial(self._update, principal, answer, signals))
            finally:
                answer.drop()

    async def _catch_up(self, principal: Principal, answer: "FollowedRun") -> None:
        """Read again what changed before the subscription."""
        async with self:
            await load_user(await self.get_state(AuthState), principal)
            news = await read_news(await self.get_state(ChatState), principal)
            await self._follow_thread(principal, news[0])
            await show_readers(await self.get_state(ReadersState), principal)
            await show_context(await self.get_state(ContextState), principal, news[0])
        await _show(principal, answer, *news)

    async def _update(
        self, principal: Principal, answer: "FollowedRun", signals: Sequence[Signal]
    ) -> None:
        """Show what is new in the list and in the open thread, and follow its running answer."""
        changed = {signal.thread_id for signal in signals if signal.thread_id is not None}
        async with self:
            chat = await self.get_state(ChatState)
            if any(signal.kind == "user" for signal in signals):
                await load_user(await self.get_state(AuthState), principal)
                if not chat.thread:
                    await offer_models(chat, principal)  # what new chats begin with
            elif any(signal.kind == "announcements" for signal in signals):
                await show_announcements(await self.get_state(AnnouncementState), principal)
            if any(signal.kind == "run_ended" for signal in signals):
                await show_health(chat, principal)
            threads = await self.get_state(ThreadListState)
            if any(signal.kind == "threads" for signal in signals):
                await refresh(threads, principal, keeps_scrolled=False)
            is_open = {thread_id: str(thread_id) == chat.thread for thread_id in changed}
            window, texts = (None, [])
            if any(signal.kind == "thread_read" for signal in signals):
                await show_readers(await self.get_state(ReadersState), principal)
            branched = {signal.thread_id for signal in signals if signal.kind == "branches"}
            if any(thread_id in branched and shown for thread_id, shown in is_open.items()):
                await reload_thread(chat, principal)
            if any(is_open.values()):
                window, texts = await read_news(chat, principal)
                await self._follow_thread(principal, window)
                await show_context(await self.get_state(ContextState), principal, window)
            for thread_id in changed:
                summary = window.thread if window and is_open[thread_id] else None
                thread = await update_thread(threads, principal, thread_id, summary)
                search = await self.get_state(SearchState)
                update_hits(search, thread_id, thread)
                if thread_id in branched:
                    await drop_deleted_hits(search, principal, thread_id)
        await _show(principal, answer, window, texts)

    async def _follow_thread(self, principal: Principal, window: Window | None) -> None:
        """Enter the organisation of the open thread."""
        if window is not None:
            organisations = await self.get_state(CurrentOrganisationState)
            await follow_thread(organisations, principal, window.thread.org_id)


class FollowedRun:
    """The one running answer that a tab follows."""

    def __init__(self) -> None:
        self._run: UUID | None = None
        self._task: asyncio.Task[None] | None = None
        # The message whose end the tab was sent last, and its length then.
        self._sent: tuple[UUID, int] | None = None

    def follow(self, principal: Principal, run: RunRef) -> None:
        """Follow a run, in place of the one before."""
        if run.run_id != self._run:
            self.drop()
            follow = _until_done(partial(self._follow, principal, run))
            self._run, self._task, self._sent = run.run_id, asyncio.create_task(follow), None

    def take_continued(self, messages: Sequence[MessageView]) -> list[MessageView]:
        """Take the message whose end the tab was sent before it was continued, all unseen.

        It counts as sent from then on.

        Args:
            messages: Those of the open thread, as they are now.
        """
        for message in messages:
            if self._sent is not None and self._sent[0] == message.id and not message.is_running:
                before, self._sent = self._sent, (message.id, text_length(message.parts))
                return [message] if self._sent != before else []
        return []

    def drop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self, principal: Principal, run: RunRef) -> None:
        encoder, token = ChunkEncoder(views.stream_id(run.message_id)), state_key()
        with contextlib.suppress(NotFound):
            async for event in services().runs.follow(principal, run.run_id):
                await _send(encoder.encode(event))
                if isinstance(event, EndEvent):
                    self._sent = run.message_id, event.length
                await tabs.wait_for_room(token)


async def _show(
    principal: Principal, answer: FollowedRun, window: Window | None, texts: Sequence[MessageView]
) -> None:
    """Send the texts that are new, and follow the answer that is being written."""
    chunks = list[Chunk]()
    continued = answer.take_continued(window.messages) if window is not None else []
    for message in (*texts, *(one for one in continued if one not in texts)):
        chunks += _chunks_of(message, views.stream_id(message.id))
    await _send(chunks)
    # a summary comes with the list of messages: the text above it is there
    if window is not None and window.run is not None and not is_compacting(window):
        answer.follow(principal, window.run)


def _chunks_of(message: MessageView, stream_id: str, only: int | None = None) -> list[Chunk]:
    """The chunks of a message; only answers have a way to end, which is said."""
    return stored_chunks(
        stream_id,
        message.parts,
        message.status if message.role == "assistant" else "",
        only,
        reason=message.finish_reason,
        error=message.error,
    )


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    """Await `work()`, and retry while the database cannot be used."""
    await retry(
        work,
        repeat(RETRY_SECONDS),
        should_retry=lambda error: isinstance(error, DatabaseError),
    )


async def _send(chunks: Sequence[Chunk]) -> None:
    """Send chunks as one value of the var: a page shows the last of two that come at once."""
    if chunks:
        await _emit(chunks[0] if len(chunks) == 1 else chunks)


_emit = var_emitter(Feed, "f")
