"""AssistantCloud's own clients, in a process of bun's, and the server that they speak to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from chat_app import services as installed
from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway, cookies
from chat_app.runs.create import CreatedRun
from chat_app.runs.service import RunService
from chat_app.services import Services
from testing.ai_sdk_clients import Clients
from testing.asgi_server import serve
from testing.auth_services import CountingHasher, issue_session, settings_of
from testing.database import create_tables
from testing.program import free_port
from testing.run_services import PATIENCE, ScriptedModels, VirtualThrottle

VERSIONS = ("0.2", "0.1")
"""Minor versions of `assistant-cloud`; `bun.lock` has the exact ones."""


@dataclass
class Person:
    """A signed-in user.

    Attributes:
        http: Sends what the user's page would.
    """

    principal: Principal
    headers: dict[str, str]
    http: httpx.AsyncClient


@dataclass
class CloudClient:
    """One client of one user."""

    clients: Clients
    name: str

    async def call(self, path: str, *args: Any) -> Any:
        """The result of a method, such as `threads.list`."""
        return await self.clients.call("call", client=self.name, path=path, args=args)

    async def fails(self, path: str, *args: Any) -> Any:
        """The error of a method: its message, status and code."""
        result = await self.clients.call("call", client=self.name, path=path, args=args, fails=True)
        return result["failed"]

    async def does(self, command: str, **given: Any) -> Any:
        """The result of another command of `clients.mjs`."""
        return await self.clients.call(command, client=self.name, **given)


@dataclass
class CloudServer:
    """The real server behind its gateway; only the models are scripted."""

    live: Services
    models: ScriptedModels
    clients: Clients
    http: httpx.AsyncClient
    _names: Any = field(default_factory=count)

    @property
    def url(self) -> str:
        return self.live.settings.url

    async def person(self) -> Person:
        """A new user, signed in."""
        email = f"person-{next(self._names)}@example.org"
        user_id = await self.live.accounts.add(email, "plum-Otter-teapot-91", "")
        issued = await issue_session(self.live, user_id, user_agent="test")
        name = cookies.full_name(self.live.settings, cookies.SESSION)
        headers = {"Cookie": f"{name}={issued.token}", "Origin": self.url}
        http = httpx.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=PATIENCE
        )
        return Person(Principal(user_id, issued.session_id), headers, http)

    async def client(self, version: str, person: Person | None, **mode: Any) -> CloudClient:
        """A client of a user; for `mode` see `AssistantCloudConfig`."""
        name = f"client-{next(self._names)}"
        headers = person.headers if person else {}
        await self.clients.call(
            "open", client=name, version=version, url=self.url, headers=headers, mode=mode
        )
        return CloudClient(self.clients, name)

    async def answer(self, person: Person, question: str, text: str, **where: Any) -> CreatedRun:
        """Send a question as the page does, and let the model answer it."""
        number = len(self.models.one.answers) + 1
        sent = await self.live.runs.send(
            person.principal, text=question, client_id=f"c{next(self._names)}", model="one", **where
        )
        (await self.models.one.answer(number)).say(text).finish()
        async for _ in self.live.runs.follow(person.principal, sent.run_id):
            pass
        return sent

    async def thread(self, person: Person, title: str = "A title of mine") -> UUID:
        """A new thread, which no model names."""
        return (await self.live.threads.create(person.principal, title=title)).id


@asynccontextmanager
async def run_cloud_server(folder: Path, clients: Clients) -> AsyncIterator[CloudServer]:
    """A server with the clients.

    Args:
        folder: Where its data lives.
        clients: The clients' process.
    """
    port, models = free_port(), ScriptedModels()
    often = {"limit_messages": "1000/minute", "limit_threads": "1000/minute"}
    settings = settings_of(
        folder,
        port=port,
        fake_models=True,
        embedded_model=False,
        app_url=f"http://localhost:{port}",
        **often,
    )
    live = Services(settings, hasher=CountingHasher())
    await create_tables(live.db)
    installed.install(live)
    runs = RunService(live.db, live.bus, models, settings, live.clock, VirtualThrottle())  # pyright: ignore[reportArgumentType]
    live.runs = runs
    await runs.start()
    try:
        async with (
            serve(Gateway(http_app(), services=installed.services), port),
            httpx.AsyncClient(base_url=settings.url, trust_env=False, timeout=PATIENCE) as http,
        ):
            yield CloudServer(live, models, clients, http)
    finally:
        await runs.drain()
        installed.install(None)
        live.passwords.close()
        await live.models.close()
        await live.db.close()
