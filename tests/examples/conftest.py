"""One program with a slow database and the built example, and users of either page."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from resilience.page_recorder import watch
from testing import bun
from testing.axe import fetch_axe
from testing.browser import close
from testing.browser_user import BrowserUser
from testing.example_user import PROJECT, ExampleUser
from testing.program import Program, free_port
from testing.tcp_relay import TcpRelay, tcp_relay

GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:2000x20",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
    "MESSAGE_BYTES": "1000",
    "READ_SECONDS": "0.05",
}
SLOW = (sys.executable, "-m", "resilience.program_with_slow_reads")

Arrive = Callable[..., Awaitable[ExampleUser]]
"""Opens a browser profile for a user of the example: `await arrive("Ada")`."""


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where a sibling host serves the example."""
    return free_port()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def relay(
    tmp_path_factory: pytest.TempPathFactory, page_port: int
) -> AsyncIterator[TcpRelay]:
    """The network in front of the program, which serves the example and has a second host."""
    given = {**GIVEN, "EXAMPLES_DIR": str(bun.built_front_end(PROJECT))}
    program = Program(tmp_path_factory.mktemp("example"), command=SLOW, given=given)
    async with tcp_relay(program.port) as one:
        hosts = f"api.chat.localhost:{one.port}", f"app.chat.localhost:{page_port}"
        program.given(APP_URL=one.url, APP_ORIGINS=",".join(f"http://{host}" for host in hosts))
        try:
            program.start()
            yield one
        finally:
            program.end()


@asynccontextmanager
async def arrivals(browser: Browser, url: str) -> AsyncIterator[Arrive]:
    """Makes users, each with a browser profile that writes down what its pages show.

    Args:
        browser: The browser.
        url: The program's address.
    """
    made: list[BrowserUser] = []

    async def arrive(
        name: str, kind: type[BrowserUser] = ExampleUser, at: str = "", **options: str
    ) -> BrowserUser:
        context = await browser.new_context()
        await watch(context)
        made.append(kind(at or url, context, await context.new_page(), name, **options))
        return made[-1]

    yield arrive  # pyright: ignore[reportReturnType]
    for user in made:
        await close(user.context)


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(relay: TcpRelay, browser: Browser) -> AsyncIterator[Arrive]:
    """Users of the example."""
    async with arrivals(browser, relay.url) as one:
        yield one


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))
