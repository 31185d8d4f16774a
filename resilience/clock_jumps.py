"""Clock jumps, as after a suspend or a first NTP sync."""

import asyncio
import sys
from pathlib import Path

from resilience.process_kills import text_of
from resilience.program import log_errors, running_program, signed_up_users, temporary_folder
from resilience.report import Result, Scenario
from testing.http_user import CHAT, HttpUser, ReceivedAnswer, SocketTab, open_tab

HOUR = 3600.0
LATER = (sys.executable, "-m", "resilience.program_with_shifted_clock")
WAIT_SECONDS = 15
"""Longer than the program takes to look for sessions that have ended."""


async def clock(half_a_day: bool = True) -> Result:
    """An hour ahead changes nothing; half a day ends idle sessions; going back is harmless."""
    wrong: list[str] = []
    with temporary_folder() as at:
        hand = at / "ahead"
        _set(hand, 0)
        given = {"CLOCK_FILE": str(hand), "CHAT_MODEL": "fake:100x20"}
        async with running_program(at, given, command=LATER) as program:
            async with signed_up_users(program.url, 4) as them, open_tab(them[0]) as one:
                wrong += await _through(them, one, hand, HOUR)
                wrong += await _through(them, one, hand, 0)
                if half_a_day:
                    _set(hand, 13 * HOUR)
                    await asyncio.wait_for(one.closed.wait(), WAIT_SECONDS)
                    wrong += ["an idle session lives" for p in them if await p.is_signed_in()]
                    for person in them:
                        await person.sign_in()
                    wrong += await _answers(them)
            wrong += log_errors(program)
    figures = "sessions, answers and a socket outlive +1 h and -1 h"
    figures += "; +13 h ends what was idle" * half_a_day
    return Result("clock", 10 + 4 * half_a_day, len(wrong), "; ".join(wrong[:3]) or figures)


async def _through(them: list[HttpUser], one: SocketTab, hand: Path, ahead: float) -> list[str]:
    """Move the hand under running answers; what is wrong afterwards."""
    heard = [ReceivedAnswer() for _ in them]
    asks = [
        asyncio.create_task(person.ask("go on", each))
        for person, each in zip(them, heard, strict=True)
    ]
    await asyncio.gather(*(each.begun.wait() for each in heard))
    _set(hand, ahead)
    ends = await asyncio.gather(*asks)
    wrong = [f"an answer: {each.end} {each.error}" for each in ends if each.end != "finish"]
    for person, each in zip(them, ends, strict=True):
        stored = await person.message(each.thread, each.message)
        wrong += [] if stored and text_of(stored) == each.text else ["an answer is not whole"]
    wrong += ["a session is gone" for person in them if not await person.is_signed_in()]
    await one.call(f"{CHAT}.show_notice", message=f"{ahead}")
    await asyncio.sleep(1)
    return [*wrong, *(["the socket is gone"] if one.closed.is_set() else [])]


async def _answers(them: list[HttpUser]) -> list[str]:
    heard = await asyncio.gather(*(person.ask("and now") for person in them))
    return [f"afterwards: {each.status}" for each in heard if each.end != "finish"]


def _set(hand: Path, ahead: float) -> None:
    new = hand.with_suffix(".new")
    new.write_text(str(ahead))
    new.replace(hand)


SCENARIOS: dict[str, Scenario] = {"clock": clock}
