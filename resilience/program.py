"""The program under test, with users who have signed up."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from testing.http_user import HttpUser
from testing.program import Program

SETTINGS = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "LIMIT_SIGN_UP_ADDRESS": "10000/hour",
    "RUNS_PER_USER": "10",
    "CHAT_MAX_TOKENS": "100000",
    "LIMIT_MESSAGES": "100000/minute",
    "LIMIT_THREADS": "100000/minute",
}


TargetProgram = Program


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chat-app-scenario-") as name:
        yield Path(name)


@asynccontextmanager
async def running_program(
    at: Path, given: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[TargetProgram]:
    """The program, running; nothing of it is left afterwards.

    Args:
        at: The folder of its data and its log.
        given: Settings beside `SETTINGS`.
        more: What `Program` takes besides.
    """
    program = TargetProgram(at, given={**SETTINGS, **(given or {})}, **more)
    try:
        await asyncio.to_thread(program.start)
        yield program
    finally:
        program.end()


@asynccontextmanager
async def signed_up_users(url: str, count: int) -> AsyncIterator[list[HttpUser]]:
    """Some people with accounts and sessions."""
    them = [HttpUser(url) for _ in range(count)]
    try:
        for person in them:
            await person.sign_up()
        yield them
    finally:
        for person in them:
            await person.http.aclose()


def log_errors(program: Program) -> list[str]:
    """What the log has that no scenario may cause: a trace of an exception, or a bug of ours."""
    said = program.log.read_text(errors="replace").splitlines()
    return [line for line in said if "Traceback" in line or "unexpected" in line]
