"""Rotation of AUTH_SECRET: twice under load no user is signed out, then the old key is void."""

import asyncio
import secrets
import tempfile
from pathlib import Path

import httpx

from resilience.attacker import GIVEN, Caller, signed_up
from resilience.report import Result
from testing.program import Program

UNAVAILABLE = 503
"""The status of a server that is shutting down."""


class _Worker:
    """A browser that asks without a pause and keeps the cookie it is given.

    Args:
        caller: A signed-in user.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.cookies = {caller.cookie}
        self.answered = 0
        self.put_off = 0
        self.lost = 0

    async def work(self) -> None:
        """Ask who is signed in, again and again; a server that is away is asked again."""
        while True:
            try:
                answer = await self.caller.http.get("/api/auth/session")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200 and answer.json():
                self.answered += 1
            elif answer.status_code == UNAVAILABLE:
                self.put_off += 1
            else:
                self.lost += 1
            self.cookies.add(self.caller.cookie)

    async def goes_on(self, count: int = 5) -> None:
        """Wait for some more answers, good or bad."""
        enough = self.answered + self.lost + count
        while self.answered + self.lost < enough:  # noqa: ASYNC110 a number that grows
            await asyncio.sleep(0.02)


async def rotation(workers: int = 8) -> Result:
    """Start the program again with a new secret, twice, and then without the first.

    Args:
        workers: How many people are at work meanwhile.
    """
    first, second, third = (secrets.token_hex(32) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        given = {**GIVEN, "AUTH_SESSION_STRATEGY": "jwt", "AUTH_SECRET": first}
        program = Program(Path(folder), given=given)
        try:
            await asyncio.to_thread(program.start)
            idle = await signed_up(program)
            asleep = idle.cookie
            them = [_Worker(await signed_up(program)) for _ in range(workers)]
            tasks = [asyncio.create_task(one.work()) for one in them]
            await asyncio.gather(*(one.goes_on() for one in them))
            for newest, older in ((second, first), (third, second)):
                await asyncio.to_thread(_restart, program, newest, older)
                await asyncio.gather(*(one.goes_on() for one in them))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            async with httpx.AsyncClient(verify=False, base_url=program.url, timeout=30) as thief:
                answer = await thief.get("/api/auth/session", headers={"Cookie": asleep})
        finally:
            program.end()
    lost = sum(one.lost for one in them)
    unchanged = sum(len(one.cookies) < 3 for one in them)
    outlived = int(answer.json() is not None)
    put_off = sum(one.put_off for one in them)
    answered = sum(one.answered for one in them)
    figures = (
        f"{workers} people, {answered} answers over two changes of the secret, {put_off} put off "
        f"while it stopped: {lost} signed out, {unchanged} kept an old token, {outlived} alive "
        "without its key"
    )
    return Result("rotation", answered, lost + unchanged + outlived, figures)


def _restart(program: Program, newest: str, older: str) -> None:
    program.stop()
    program.given(AUTH_SECRET=newest, AUTH_SECRET_PREVIOUS=older)
    program.start()
