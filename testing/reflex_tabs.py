"""Reflex states without a browser or socket: tabs that send events and record the updates."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex_base.event import Event
from reflex_base.event.processor import BaseStateEventProcessor

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.core.clock import Clock, utc_now
from chat_app.core.signals import user_topic
from chat_app.reflex_ext.tabs import tabs
from chat_app.runs.flush import FlushThrottle
from chat_app.services import Services, install
from chat_app.settings import Settings, read_settings
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.chunks import END
from chat_app.states.feed import Feed
from testing.auth_services import CountingHasher, issue_session
from testing.database import create_tables
from testing.stream_chunks import chunks_of

SAFETY_SECONDS = 120
PASSWORD = "correct horse battery staple"


class UpdateRecorder:
    """Stands in for the event namespace: records the updates that each tab is sent."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Any]] = {}
        self.values: dict[str, list[list[Any]]] = {}
        self.news: dict[str, asyncio.Event] = {}

    async def emit_update(self, update: Any, token: str) -> None:
        self.sent.setdefault(token, []).append(update)
        value = (update.delta or {}).get(Feed.get_full_name(), {}).get("f_rx_state_")
        if value:
            self.values.setdefault(token, []).append(value)
        self.news.setdefault(token, asyncio.Event()).set()


class Tab:
    """One open tab of a session, or of an anonymous user."""

    def __init__(self, harness: "Harness", session: UUID | None) -> None:
        self.token = str(uuid4())
        self._harness = harness
        self.queued = 0  # packets that wait for the socket
        self.organisation = ""  # the one in the URL, where its page is shown
        self._headers = {"x-request-id": "socket"}  # as the gateway gives them
        if session:
            self._headers["authorization"] = str(session)
        tabs.opened(self.token, lambda: self.queued)

    def close(self) -> None:
        """Close the socket."""
        tabs.closed(self.token)

    async def start(self, name: str, payload: Mapping[str, Any], thread: str = "") -> Any:
        """Send an event as the socket would.

        Args:
            name: The handler.
            payload: Its arguments.
            thread: The thread in the URL, with `?message=…` if that names one of its messages.
        """
        path = f"/c/{thread}" if thread else "/"
        thread, _, message = thread.partition("?message=")
        query = {"thread": thread} if thread else {}
        if message:
            query["message"] = message
        pathname = "/c/[thread]" if thread else "/"
        if self.organisation:
            path = f"/settings/organisations/{self.organisation}"
            pathname, query = "/settings/organisations/[org_id]", {"org_id": self.organisation}
        router = {
            "pathname": pathname,
            "asPath": path,
            "query": query,
            "token": self.token,
            "sid": "sid",
            "ip": "127.0.0.1",
            "headers": self._headers,
        }
        return await self._enqueue(name, payload, router)

    async def _enqueue(self, name: str, payload: Mapping[str, Any], router: Any) -> Any:
        event = Event(name=name, payload=dict(payload), router_data=router)
        return await self._harness.processor.enqueue(self.token, event)

    async def begin_at(self, spec: Any, path: str, **query: str) -> Any:
        """Send an event given as `State.handler(...)` from a page, and do not wait.

        Args:
            spec: The event.
            path: The path of the page.
            query: The arguments of its route, and of its query.
        """
        router = {
            "pathname": path,
            "asPath": path,
            "query": query,
            "token": self.token,
            "sid": "sid",
            "ip": "127.0.0.1",
            "headers": self._headers,
        }
        (event,) = Event.from_event_type(spec)
        return await self._enqueue(event.name, event.payload, router)

    async def call(self, name: str, payload: Mapping[str, Any], thread: str = "") -> None:
        """Send an event and wait until its handler and all it started are done."""
        future = await self.start(name, payload, thread)
        await future.wait_all()

    async def send(self, spec: Any, thread: str = "") -> None:
        """Send an event given as `State.handler(...)` and wait for it."""
        (event,) = Event.from_event_type(spec)
        await self.call(event.name, event.payload, thread)

    async def begin(self, spec: Any, thread: str = "") -> Any:
        """Send an event given as `State.handler(...)` and do not wait."""
        (event,) = Event.from_event_type(spec)
        return await self.start(event.name, event.payload, thread)

    async def state(self, cls: type[rx.State]) -> Any:
        """The tab's state, as the server holds it."""
        token = rx.BaseStateToken(ident=self.token, cls=cls)
        return await (await self._harness.manager.get_state(token)).get_state(cls)

    async def arrival(self) -> None:
        """Wait until the tab is sent something, at most 50 ms: not every change is sent."""
        news = self._harness.recorder.news.setdefault(self.token, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await news.wait()
        news.clear()

    @property
    def updates(self) -> list[Any]:
        """Everything the tab was sent."""
        return self._harness.recorder.sent.get(self.token, [])

    @property
    def values(self) -> list[list[Any]]:
        """The values of the feed's var among it: one chunk, or several that belong together."""
        return self._harness.recorder.values.get(self.token, [])

    @property
    def chunks(self) -> list[list[Any]]:
        """The stream chunks in them."""
        return [chunk for value in self.values for chunk in chunks_of(value)]

    def text(self) -> str:
        """Everything the tab was sent, as it goes over the wire."""
        return "".join(socket_frame(update) for update in self.updates)


def socket_frame(update: Any) -> str:
    """An update as one Socket.IO frame."""
    from reflex.app import _sio_dumps

    return f'42/_event,["event",{_sio_dumps(update)}]'


class Harness:
    """The services with a database and models, and Reflex states, but no server."""

    def __init__(
        self, live: Services, recorder: UpdateRecorder, processor: Any, manager: Any
    ) -> None:
        self.live, self.recorder, self.processor, self.manager = live, recorder, processor, manager

    async def user(self, email: str) -> Principal:
        """A new user, signed in."""
        user_id = await self.live.accounts.add(email, PASSWORD, "")
        return await self.session(user_id)

    async def session(self, user_id: UUID) -> Principal:
        """Another session of a user."""
        issued = await issue_session(self.live, user_id, user_agent="test")
        return Principal(user_id=user_id, credential_id=issued.session_id)

    async def tab(self, principal: Principal | None) -> Tab:
        """A tab of a session, or of an anonymous user, after its first hydrate."""
        tab = Tab(self, principal.credential_id if principal else None)
        await tab.call("reflex___state____state.hydrate", {})
        return tab


@asynccontextmanager
async def open_harness(
    folder: Path, flush_throttle: FlushThrottle | None = None, clock: Clock = utc_now, **given: Any
) -> AsyncIterator[Harness]:
    """Start everything, and stop it."""
    values = {"fake_models": True, "embedded_model": False, "chat_titles": False}
    wanted: Settings = read_settings(**{"data_dir": folder, **values, **given})
    live = Services(wanted, clock=clock, flush_throttle=flush_throttle, hasher=CountingHasher())
    await create_tables(live.db)
    install(live)
    await live.start()
    recorder, manager = UpdateRecorder(), StateManagerMemory()
    processor = BaseStateEventProcessor(
        middleware=app, backend_exception_handler=app.backend_exception_handler
    )
    try:
        async with processor.configure(
            state_manager=manager,
            event_namespace=recorder,  # pyright: ignore[reportArgumentType]
        ):
            yield Harness(live, recorder, processor, manager)
    finally:
        await live.stop()
        install(None)


def size(updates: list[Any]) -> int:
    """What updates cost on the recorder, in bytes."""
    return sum(len(socket_frame(update).encode()) for update in updates)


async def open_tab(harness: Harness, principal: Principal, thread: str = "") -> Tab:
    """A tab that has loaded its page and watches it."""
    tab, others = await harness.tab(principal), watching(harness, principal)
    await tab.send(AuthState.on_auth_change(), thread)
    await tab.begin(Feed.open(), thread)
    await wait_until(tab, lambda: bool(tab.updates) and watching(harness, principal) - others)
    return tab


def watching(harness: Harness, principal: Principal) -> set[Any]:
    """Who follows a user's signals; a tab that was closed may do so for a moment more."""
    return set(harness.live.bus._queues.get(user_topic(principal.user_id), ()))


async def wait_until(tab: Tab, condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(SAFETY_SECONDS):
        while not condition():
            await tab.arrival()


def has_ended(tab: Tab) -> bool:
    """Whether the tab was told of the end of an answer; a question comes with its end, at once."""
    return any(
        chunks[-1][1] == END and not any(chunk[1:3] == [0, 0] for chunk in chunks)
        for chunks in map(chunks_of, tab.values)
    )


async def wait_for_value(tab: Tab, read: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until `read` returns the value."""
    async with asyncio.timeout(SAFETY_SECONDS):
        while await read() != wanted:
            await tab.arrival()


def on_page(state: ChatState) -> list[str]:
    """The ids of the history's rows, in the page's order."""
    pages: list[list[Any]] = [getattr(state, f"page{slot}") for slot in state.order]
    return [row.id for page in pages for row in page]


async def branch(harness: Harness, principal: Principal, thread: str) -> list[str]:
    """The ids of all messages of a thread, oldest first."""
    found: list[str] = []
    before = None
    while True:
        window = await harness.live.threads.window(
            principal, UUID(thread), before=before, limit=200
        )
        found = [str(message.id) for message in window.messages] + found
        if not window.has_older:
            return found
        before = window.messages[0].id
