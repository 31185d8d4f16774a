"""The wire of an open tab: hints about what changed, and frames of the answer being made.

Names are short because the state's and the var's travel with every frame.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import repeat
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.signals import Signal, user_topic
from chat_app.core.tasks import retry
from chat_app.db.errors import DatabaseError
from chat_app.reflex_ext.events import client_token, var_emitter
from chat_app.reflex_ext.tabs import tabs, while_open
from chat_app.runs.follow import EndEvent, TextEvent
from chat_app.services import services
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.principal import principal
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import stream_id
from chat_app.threads.views import MessageView, Window

Chunk = list[str | int]
"""`[handle, offset, text]`, or at the end `[handle, offset, text, status]`; the offset counts
UTF-16 code units, the browser's own."""

AGAIN_SECONDS = 1.0
"""How long a tab waits before it tries what failed once more."""


class Feed(rx.State):
    """Frames for the chat component. The var keeps its default: a hydrate then brings no news."""

    f: rx.Field[list[str | int]] = rx.field(default_factory=list)

    @rx.event(supersedes=True)
    async def open(self):
        """Show the thread that the address names, or an empty chat; then watch it."""
        chat = await self.get_state(ChatState)
        if chat._turn_to_address():
            yield
        chat._offer_models()
        with contextlib.suppress(DatabaseError):  # whoever watches reads it until it can
            await chat._reload(principal())
        yield Feed.watch

    @rx.event(background=True, supersedes=True)
    async def watch(self):
        """Follow the person's hints and the open thread's answer until the socket is gone."""
        await while_open(client_token(), self._watch(principal()))

    @rx.event
    async def resync(self, run: str, have: int):
        """Send a text again from its beginning, because a frame did not fit.

        Args:
            run: The handle of the run or message.
            have: How much the page has, in UTF-16 code units.
        """
        who = principal()
        message = await (await self.get_state(ChatState))._arrived_as(who, run)
        if message is None:
            return
        if message.run_id is None:
            await _emit([run, 0, message.text, message.status])
            return
        async for event in services().runs.follow(who, message.run_id):
            if isinstance(event, TextEvent):
                await _emit([run, event.offset, event.text])
            return

    async def _watch(self, who: Principal) -> None:
        answer = FollowedRun()
        with services().bus.subscribe(user_topic(who.user_id)) as signals:
            try:
                await _until_done(partial(self._catch_up, who, answer))
                async for heard in signals:
                    await _until_done(partial(self._look, who, answer, heard))
            finally:
                answer.drop()

    async def _catch_up(self, who: Principal, answer: "FollowedRun") -> None:
        """Read again what changed before the hints were heard."""
        async with self:
            await (await self.get_state(AuthState))._load(who)
            shown = await (await self.get_state(ChatState))._advance(who)
        await _show(who, answer, *shown)

    async def _look(self, who: Principal, answer: "FollowedRun", heard: Sequence[Signal]) -> None:
        """Show what is new in the list and in the open thread, and follow its running answer."""
        changed = {signal.thread_id for signal in heard if signal.kind != "person"}
        async with self:
            if any(signal.kind == "person" for signal in heard):
                await (await self.get_state(AuthState))._load(who)
            chat = await self.get_state(ChatState)
            threads = await self.get_state(ThreadListState)
            here = next((one for one in changed if str(one) == chat.thread), None)
            shown = (None, []) if here is None else await chat._advance(who)
            for thread_id in changed:
                known = shown[0].thread if shown[0] and thread_id == here else None
                await threads._learn(who, thread_id, known)
        await _show(who, answer, *shown)


class FollowedRun:
    """The one running answer that a tab follows."""

    def __init__(self) -> None:
        self._run: UUID | None = None
        self._task: asyncio.Task[None] | None = None

    def follow(self, who: Principal, run_id: UUID) -> None:
        """Follow a run; another one is dropped."""
        if run_id != self._run:
            self.drop()
            follow = _until_done(partial(_follow, who, run_id))
            self._run, self._task = run_id, asyncio.create_task(follow)

    def drop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()


async def _show(
    who: Principal, answer: FollowedRun, window: Window | None, texts: Sequence[MessageView]
) -> None:
    """Send the texts that are new, and follow the answer that is being written."""
    for message in texts:
        await _emit([stream_id(message.id), 0, message.text, message.status])
    if window is not None and window.run is not None:
        answer.follow(who, window.run.run_id)


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    """Await `work()`, and retry while the database cannot be used."""
    await retry(
        work,
        repeat(AGAIN_SECONDS),
        should_retry=lambda error: isinstance(error, DatabaseError),
    )


async def _follow(who: Principal, run_id: UUID) -> None:
    run, token = stream_id(run_id), client_token()
    with contextlib.suppress(NotFound):
        async for event in services().runs.follow(who, run_id):
            if isinstance(event, EndEvent):
                await _emit([run, event.length, "", event.status])
            else:
                await _emit([run, event.offset, event.text])
            await tabs.room(token)


_emit = var_emitter(Feed, "f")
