"""One program with a slow database and the built example, and users of either page."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from resilience.page_recorder import watch
from testing import bun
from testing.browser_user import BrowserUser
from testing.example_user import PROJECT, ExampleUser
from testing.program import Program, running

GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:100x20",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
    "READ_SECONDS": "0.05",
}
SLOW = (sys.executable, "-m", "resilience.program_with_slow_reads")

Arrive = Callable[..., Awaitable[ExampleUser]]
"""Opens a browser profile for a user of the example: `await arrive("Ada")`."""


@pytest.fixture(scope="session")
def built() -> str:
    """The folder with the example as its own build makes it."""
    return str(bun.built_front_end(PROJECT))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, built: str) -> Iterator[Program]:
    """The program, which serves the example."""
    given = {**GIVEN, "EXAMPLES_DIR": built}
    with running(tmp_path_factory.mktemp("example"), command=SLOW, given=given) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def contexts(browser: Browser) -> AsyncIterator[Callable[[], Awaitable[BrowserContext]]]:
    """Makes browser profiles that write down what their pages show."""
    made: list[BrowserContext] = []

    async def make() -> BrowserContext:
        made.append(await browser.new_context())
        await watch(made[-1])
        return made[-1]

    yield make
    for context in made:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(program: Program, contexts: Callable[[], Awaitable[BrowserContext]]) -> Arrive:
    """Users of the example."""

    async def somebody(name: str, kind: type[BrowserUser] = ExampleUser) -> BrowserUser:
        context = await contexts()
        return kind(program.url, context, await context.new_page(), name)

    return somebody  # pyright: ignore[reportReturnType]
