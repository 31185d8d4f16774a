"""The HTTP API on real services with scripted models; a header names the user."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app import services as installed
from chat_app.api import ag_ui, chat, chat_defaults, compaction, messages, threads, usage
from chat_app.api.errors import exception_handlers
from chat_app.api.routes import health_routes
from chat_app.auth.account.profile import Profiles
from chat_app.auth.principal import Principal
from chat_app.threads.chat_defaults import NewChatOptions
from chat_app.threads.client_messages import ClientMessages
from chat_app.threads.user_limits import UserLimits
from testing.database import DatabaseUnderTest
from testing.run_services import PATIENCE, RunHarness, run_harness

WHO = "x-test-who"


class Signed:
    """Does what the gateway does: puts the principal into the scope."""

    def __init__(self, app: ASGIApp, people: dict[str, Principal]) -> None:
        self._app = app
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(WHO.encode(), b"").decode()
            scope["principal"] = self._people.get(name)
        await self._app(scope, receive, send)


class Exchange:
    """One request whose answer is read while it is sent."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.status = 0
        self.body = b""
        self.body_was_read = False
        self._request = body
        self._left = asyncio.Event()
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(app(scope, self._receive, self._send))  # pyright: ignore

    async def _receive(self) -> Message:
        if not self.body_was_read:
            self.body_was_read = True
            return {"type": "http.request", "body": self._request, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        async with self._news:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                pairs = message["headers"]
                self.headers = {key.decode(): value.decode() for key, value in pairs}
            else:
                self.body += message["body"]
            self._news.notify_all()

    async def until(self, text: str) -> None:
        """Wait until the answer holds a text."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: text in self.body.decode())

    async def until_count(self, text: str, count: int) -> None:
        """Wait until the answer holds a text so many times."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self.body.count(text.encode()) >= count)

    async def leave(self) -> None:
        """Disconnect, and wait until the server has let go."""
        self._left.set()
        await self._task

    async def done(self) -> "Exchange":
        """Wait for the end of the answer."""
        async with asyncio.timeout(PATIENCE):
            await self._task
        return self

    @property
    def chunks(self) -> list[Any]:
        """The events of the stream; `[DONE]` as text."""
        lines = [line for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]

    @property
    def text(self) -> str:
        return "".join(
            chunk["delta"]
            for chunk in self.chunks
            if isinstance(chunk, dict) and chunk["type"] == "text-delta"
        )


class ChatApi:
    """The HTTP API, called in process."""

    def __init__(self, harness: RunHarness, people: dict[str, Principal]) -> None:
        self.harness = harness
        self.people = people
        routes = [
            *chat.routes,
            *ag_ui.routes,
            *chat_defaults.routes,
            *threads.routes,
            *messages.routes,
            *compaction.routes,
            *usage.routes,
            *health_routes,
        ]
        self.app = Signed(Starlette(routes=routes, exception_handlers=exception_handlers), people)
        transport = httpx.ASGITransport(app=self.app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://chat.example")

    async def call(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with a whole answer."""
        async with asyncio.timeout(PATIENCE):
            headers = {WHO: who, **more.pop("headers", {})}
            return await self._client.request(method, path, headers=headers, **more)

    def open(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Exchange:
        """A request whose answer streams.

        Args:
            who: The user.
            method: Of the request.
            path: Of the request.
            body: A JSON value; None sends no body.
            headers: Further headers, by their names with underscores.
        """
        sent = {WHO: who, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        return Exchange(self.app, scope, b"" if body is None else json.dumps(body).encode())

    async def close(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def chat_api_harness(database: DatabaseUnderTest, **settings: Any) -> AsyncIterator[ChatApi]:
    """The API, with `alice` and `bob` signed in."""
    async with run_harness(database, **settings) as harness:
        people = {"alice": await harness.person(), "bob": await harness.person()}
        db, bus, wanted = harness.db, harness.bus, harness.settings
        parts = SimpleNamespace(
            **vars(harness),
            profiles=Profiles(db, bus, harness.clock),
            new_chat_options=NewChatOptions(db, bus, wanted),
            client_messages=ClientMessages(db, bus, wanted, harness.clock, UserLimits(wanted)),
        )
        installed.install(parts)  # pyright: ignore[reportArgumentType]
        chat_api = ChatApi(harness, people)
        try:
            yield chat_api
        finally:
            await chat_api.close()
            installed.install(None)


def user_message(text: str, message_id: str = "m1") -> dict[str, Any]:
    """A message as the AI SDK sends it."""
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
