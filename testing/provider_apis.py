"""A server for the clients of OpenAI's and Anthropic's APIs, with fake models and API keys."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.auth.principal import Scope as KeyScope
from chat_app.gateway import Gateway
from chat_app.llm.fake import FakeModel
from chat_app.services import Services, install, services
from chat_app.settings import read_settings
from testing.asgi_server import serve
from testing.auth_services import CountingHasher, issue_session
from testing.database import create_tables
from testing.program import free_port
from testing.run_services import PATIENCE

CAT = "data:image/png;base64,iVBORw0KGgo="
"""The beginning of an image; fake models only count images."""

FALLBACKS = {"fake:429:7x0": ("fake:7x0",), "fake:429:8x0": ("fake:8x0",)}
"""Models that never answer, and their alternatives.

A model that fails is not called for a while, so a test that counts its calls has one of its own.
"""


@dataclass(frozen=True)
class Key:
    """An API key.

    Args:
        owner: Its user, with the session that has made it.
        id: Its id.
        token: The key itself.
    """

    owner: Principal
    id: UUID
    token: str


@dataclass(frozen=True)
class ProviderServer:
    """The server.

    Args:
        url: Its origin.
        live: Its services.
        openai_client: Has the connections of all clients of OpenAI.
        anthropic_client: Has those of all clients of Anthropic.
    """

    url: str
    live: Services
    openai_client: AsyncOpenAI
    anthropic_client: AsyncAnthropic

    def openai(self, token: str) -> AsyncOpenAI:
        """OpenAI's client with a key."""
        return self.openai_client.with_options(api_key=token)

    def anthropic(self, token: str) -> AsyncAnthropic:
        """Anthropic's client with a key."""
        return self.anthropic_client.with_options(api_key=token)

    async def key(self, *scopes: KeyScope) -> Key:
        """A new user's key."""
        email = f"{uuid4().hex}@example.org"
        user_id = await self.live.accounts.add(email, "correct horse battery staple", "")
        issued = await issue_session(self.live, user_id, user_agent="test")
        owner = Principal(user_id, issued.session_id)
        made = await self.live.api_keys.create(owner, name="", scopes=scopes, days=7)
        return Key(owner, made.id, made.token)

    def model(self, model_id: str) -> FakeModel:
        """A fake model."""
        found = self.live.models.get(model_id)
        assert isinstance(found, FakeModel)
        return found

    async def revoke(self, key: Key) -> None:
        """End a key."""
        await self.live.api_keys.revoke(key.owner, key.id)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that the server's tasks bring about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def run_server(folder: Path) -> AsyncIterator[ProviderServer]:
    """Start the server, and stop it."""
    port = free_port()
    settings = read_settings(
        data_dir=folder,
        port=port,
        fake_models=True,
        embedded_model=False,
        chat_titles=False,
        chat_retries=0,
        chat_fallbacks=FALLBACKS,
        request_bytes=20_000,  # what is larger still fits into the buffers of a socket
    )
    live = Services(settings, hasher=CountingHasher())
    await create_tables(live.db)
    install(live)
    await live.start()
    try:
        async with serve(Gateway(http_app(), services=services), port):
            url = f"http://localhost:{port}"
            async with (
                AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as openai,
                AsyncAnthropic(api_key="none", base_url=url, max_retries=0) as anthropic,
            ):
                yield ProviderServer(url, live, openai, anthropic)
    finally:
        await live.stop()
        install(None)
