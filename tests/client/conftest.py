"""The program, a user with API keys, and both clients; one of them is called in threads."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio

from chat_app.client import AnswerStream, AsyncChatClient, ChatClient
from testing.http_user import HttpUser
from testing.program import Program, running
from testing.tcp_relay import TcpRelay, tcp_relay

GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:20x5",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
}


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("client"), given=GIVEN) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def ada(program: Program) -> AsyncIterator[HttpUser]:
    """A user with a session."""
    user = await HttpUser(program.url).sign_up()
    yield user
    await user.http.aclose()


class Threaded:
    """A synchronous client, or a stream of it, with the methods of the asynchronous one."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, "close" if name == "aclose" else name)
        if not callable(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            result = await asyncio.to_thread(found, *args, **named)
            return Threaded(result) if isinstance(result, AnswerStream) else result

        return call

    def __aiter__(self) -> "Threaded":
        return self

    async def __anext__(self) -> Any:
        event = await asyncio.to_thread(next, self._wrapped, None)
        if event is None:
            raise StopAsyncIteration
        return event


class ClientMaker:
    """Makes clients of one kind, for a key.

    Args:
        kind: `sync` or `async`.
        url: The program's.
    """

    def __init__(self, kind: str, url: str) -> None:
        self._kind, self._url = kind, url
        self._made: list[Any] = []

    def __call__(
        self, key: str | None, *, url: str | None = None, **options: Any
    ) -> AsyncChatClient:
        """A client.

        Args:
            key: Its key.
            url: Where it asks, if that is not the program; the program sees its own host.
            options: Those of the client.
        """
        headers = {"Host": httpx.URL(self._url).netloc.decode()}
        given: dict[str, Any] = {"headers": headers, "timeout": 30, "trust_env": False}
        if self._kind == "async":
            http = httpx.AsyncClient(**given)
            made = AsyncChatClient(url or self._url, key, http=http, **options)
            self._made += [made, http]
            return made
        http = httpx.Client(**given)
        made = Threaded(ChatClient(url or self._url, key, http=http, **options))
        self._made += [made, Threaded(http)]
        return cast(AsyncChatClient, made)

    async def close(self) -> None:
        """Close what it has made."""
        for one in self._made:
            await one.aclose()


@pytest_asyncio.fixture(loop_scope="session", params=["sync", "async"])
async def client(request: pytest.FixtureRequest, program: Program) -> AsyncIterator[ClientMaker]:
    """Makes clients; each test runs with both kinds."""
    maker = ClientMaker(request.param, program.url)
    yield maker
    await maker.close()


@pytest_asyncio.fixture(loop_scope="session")
async def chat(client: ClientMaker, ada: HttpUser) -> AsyncChatClient:
    """A client with a key of Ada's that may do everything."""
    _, key = await ada.new_key()
    return client(key)


@pytest_asyncio.fixture(loop_scope="session")
async def relay(program: Program) -> AsyncIterator[TcpRelay]:
    """A network in front of the program, which can be cut."""
    async with tcp_relay(program.port) as one:
        yield one
