"""Account enumeration: response times must not reveal which emails have accounts."""

import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx

from resilience.attacker import GIVEN, Caller
from resilience.report import Result
from testing.mail_server import listening
from testing.program import running

MAX_APART = 0.10
"""How far the medians of known and unknown addresses may be apart."""
LIMITS = (
    "LIMIT_SIGN_IN_PAIR",
    "LIMIT_SIGN_IN_ADDRESS",
    "LIMIT_SIGN_IN_ACCOUNT",
    "LIMIT_MAIL_ADDRESS",
    "LIMIT_MAIL_RECIPIENT",
    "LIMIT_START_ADDRESS",
)
"""What would end the asking early."""

Ask = Callable[[str], Awaitable[httpx.Response]]


async def timing(samples: int = 200) -> Result:
    """Ask for known and unknown addresses in turn, and compare the answers and their times.

    Args:
        samples: Answers of each kind for each question.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        mailbox = await stack.enter_async_context(listening())
        given = {
            **GIVEN,
            **dict.fromkeys(LIMITS, "1000000/hour"),
            "SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
            "MAIL_FROM": "chat@example.com",
            "SIGN_UP_VERIFY": "off",
        }
        program = stack.enter_context(running(Path(folder), given=given))
        known = await Caller(program).sign_up()
        eve = Caller(program)

        async def post(path: str, **form: str) -> httpx.Response:
            return await eve.http.post(path, data=form)

        asked: dict[str, Ask] = {
            "password": lambda email: eve.sign_in("not the password", email),
            "link": lambda email: post("/api/auth/signin/email", email=email),
            "reset": lambda email: post("/api/auth/reset", email=email),
        }
        wrong, told = 0, []

        async def no_email() -> None:
            pass

        counts = count(1)

        async def email_came() -> None:
            """Before the next question, because the process that measures takes it in."""
            await mailbox.until(next(counts))

        for name, ask in asked.items():
            rest = no_email if name == "password" else email_came
            apart, alike = await _compared(ask, rest, known.email, samples)
            wrong += (apart > MAX_APART) + (not alike)
            told.append(f"{name} {apart:.1%}{'' if alike else ' and other answers'}")
    return Result("timing", 2 * samples * len(asked), wrong, f"medians apart: {', '.join(told)}")


async def _compared(
    ask: Ask, rest: Callable[[], Awaitable[None]], known: str, samples: int
) -> tuple[float, bool]:
    """How far the medians are apart, and whether the answers are the same to the byte."""
    took: dict[bool, list[float]] = {True: [], False: []}
    answers = set()
    for turn in range(2 * samples + 10):
        is_known = turn % 2 == 0
        # As long as the known one, so that nothing but being known is different.
        email = known if is_known else f"caller-{uuid4().hex}@example.com"
        began = time.perf_counter()
        answer = await ask(email)
        if turn >= 10:  # the first ones warm up what both share
            took[is_known].append(time.perf_counter() - began)
        headers = tuple(
            sorted((k, v) for k, v in answer.headers.items() if k not in ("date", "x-request-id"))
        )
        answers.add((answer.status_code, answer.content, headers))
        await rest()
    one, other = (statistics.median(times) for times in took.values())
    return abs(one - other) / min(one, other), len(answers) == 1
