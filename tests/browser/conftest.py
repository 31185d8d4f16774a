from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from testing.ag_ui_agent import ToyAgent
from testing.axe import fetch_axe
from testing.browser import close
from testing.browser_user import BrowserUser, Meet
from testing.mail_server import Mailbox, listening
from testing.program import Program, running
from testing.strict_providers import StrictProviders

STRICT = StrictProviders()
AGENT = ToyAgent()
GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:300x20",
    "ANSWER_BYTES": "16000",
    "CHAT_MAX_TOKENS": "4000",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
    "CHAT_FALLBACKS": '{"fake:refuse:1x1":["fake:28x1"]}',
    "CHAT_PRICES": '{"fake:28x1":{"input":1,"output":10}}',
    "CHAT_PROVIDERS": STRICT.setting,
    "AG_UI_AGENTS": AGENT.setting,
    "AG_UI_HEADERS": AGENT.headers,
}


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program that answers with the deterministic model, slowly enough to be watched."""
    with running(tmp_path_factory.mktemp("program"), given=GIVEN) as one:
        yield one


@pytest.fixture(scope="session")
def sealed_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The same with sessions whose token proves itself."""
    given = {**GIVEN, "AUTH_SESSION_STRATEGY": "jwt"}
    with running(tmp_path_factory.mktemp("sealed"), given=given) as one:
        yield one


@pytest.fixture(scope="session")
def first_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program at its first start, with short answers, and few users."""
    given = {**GIVEN, "CHAT_MODEL": "fake:12x1"}
    with running(tmp_path_factory.mktemp("first"), given=given) as one:
        yield one


@pytest.fixture(params=["program", "sealed_program"])
def either_program(request: pytest.FixtureRequest) -> Program:
    """A story that replaces the session's token is lived with both kinds."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


@pytest_asyncio.fixture(loop_scope="session")
async def strict_providers() -> AsyncIterator[StrictProviders]:
    """Providers of three dialects that refuse whatever the real ones refuse."""
    async with STRICT.serving() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def agent() -> AsyncIterator[ToyAgent]:
    """An agent that speaks AG-UI, which the programs offer as a model."""
    async with AGENT.serving():
        yield AGENT


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def mailbox() -> AsyncIterator[Mailbox]:
    async with listening() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def meet(browser: Browser) -> AsyncIterator[Meet]:
    """A user with a browser profile of their own, at a program's address.

    They want no motion: an animation without end draws sixty frames a second while a test waits.
    """
    contexts: list[BrowserContext] = []

    async def new_user(name: str, url: str, **options: object) -> BrowserUser:
        context = await browser.new_context(**{"reduced_motion": "reduce", **options})  # pyright: ignore[reportArgumentType]
        contexts.append(context)
        return BrowserUser(url, context, await context.new_page(), name)

    yield new_user
    for context in contexts:
        await close(context)


@pytest.fixture
def root() -> Path:
    return Path(__file__).resolve().parents[2]
