"""A Reflex client token opens no state without the session it belongs to."""

import asyncio
from uuid import uuid4

from resilience.attacker import ANSWER, WORDS, Caller, load_page, signed_up
from resilience.report import Result
from testing.program import Program
from testing.socket_client import connect

COOKIES = ("none", "other", "revoked", "forged")
_AT_ONCE = 8


async def state_keys(program: Program, tries: int = 200) -> Result:
    """The owner's token with no cookie, another's, a revoked and a forged one, and their own.

    Args:
        program: The program.
        tries: How often; a quarter each. The owner then looks again each fourth time.
    """
    ada, eve, gone = [await signed_up(program) for _ in range(3)]
    thread = await ada.ask(WORDS)
    revoked = gone.cookie
    await gone.http.post("/api/auth/signout")
    cookies = dict(
        zip(COOKIES, (None, eve.cookie, revoked, "chat_session=" + "f" * 43), strict=True)
    )
    at_once = asyncio.Semaphore(_AT_ONCE)
    found = {"foreign": 0, "own lost": 0}

    async def one(turn: int) -> None:
        async with at_once:
            token = str(uuid4())
            if WORDS not in await seen(program, token, ada.cookie, thread):
                found["own lost"] += 1
            told = await seen(program, token, cookies[COOKIES[turn % 4]], thread)
            found["foreign"] += WORDS in told or ANSWER in told or ada.email in told
            if turn % 4 == 0 and WORDS not in await seen(program, token, ada.cookie, thread):
                found["own lost"] += 1

    await asyncio.gather(*map(one, range(tries)))
    failed, figures = sum(found.values()), f"{found['foreign']} foreign, "
    kept = await _revoked_owner(program, thread, ada)
    return Result(
        "state key", tries + 1, failed + kept, f"{figures}{found['own lost']} own not found again"
    )


async def _revoked_owner(program: Program, thread: str, ada: Caller) -> int:
    token, stolen = str(uuid4()), ada.cookie
    await seen(program, token, stolen, thread)
    await ada.http.post("/api/auth/signout")
    return WORDS in await seen(program, token, stolen, thread)


async def seen(program: Program, token: str, cookie: str | None, thread: str) -> str:
    """All that a socket with this token and cookie is told about a thread's page."""
    async with connect(program.url, token=token, cookie=cookie, origin=program.url) as socket:
        return await load_page(socket, thread)
