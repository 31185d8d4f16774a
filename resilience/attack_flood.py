"""Denial of service: one client floods the program; latency of the others stays low."""

import argparse
import asyncio
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

from websockets.exceptions import ConnectionClosed, InvalidStatus

from chat_app.states.thread_list import ThreadListState
from resilience.attacker import event_frame, load_page, page_event, signed_up
from resilience.report import Result
from testing.program import ROOT, Program
from testing.socket_client import SocketClient, connect

EVENTS, ANONYMOUS, SESSION_SOCKETS = 8_000, 300, 60
MAX_MS = 300
MAX_SECONDS_OPEN = 2.0
FIND = f"{ThreadListState.get_full_name()}.find"


async def flood(program: Program, timed: bool = True) -> Result:
    """A process that floods, and a person who measures how long an event takes.

    Args:
        program: The program.
        timed: Whether the times are judged.
    """
    ada, eve = await signed_up(program), await signed_up(program)
    async with connect(program.url, cookie=ada.cookie, origin=program.url) as tab:
        await load_page(tab)
        quiet = [await _round_trip(tab) for _ in range(20)]
        offender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "resilience.attack_flood", program.url, eve.cookie),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        done = asyncio.create_task(offender.communicate())
        busy = []
        while not done.done():
            busy.append(await _round_trip(tab))
            await asyncio.sleep(0.1)
        busy += [await _round_trip(tab) for _ in range(10)]
    told: dict[str, Any] = json.loads((await done)[0])
    calm, worst = percentile(quiet, 95), percentile(busy, 95)
    wrong = {
        "floods not closed": told["floods"] + told["big"] - sum(told["codes"].values()),
        "sockets over the session's": told["held"] - 50,
    }
    late = timed and (worst > MAX_MS or told["longest"] > MAX_SECONDS_OPEN)
    figures = (
        f"closed {told['codes']}, slowest after {told['longest']:.2f} s; {told['held']} sockets "
        f"of one session held; others' event p95 {calm:.0f} ms before, {worst:.0f} ms in the flood"
    )
    failed = sum(value != 0 for value in wrong.values()) + late
    return Result("flood", told["floods"] + told["big"] + 2, failed, figures)


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of some values."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


async def _round_trip(tab: SocketClient) -> float:
    """How long an event takes that reads the database and shows, in milliseconds."""
    mark, start = uuid4().hex, time.perf_counter()
    await tab.send_raw(event_frame(page_event("", FIND, text=mark)))
    await tab.until(lambda frame: mark in json.dumps(frame))
    return (time.perf_counter() - start) * 1000


async def offend(url: str, cookie: str) -> dict[str, Any]:
    """Everything at once: floods of events, big frames, and sockets that only stay open."""
    codes: Counter[str] = Counter()
    longest = 0.0

    async def flooding(frames: Sequence[str], who: str | None) -> None:
        nonlocal longest
        async with connect(url, cookie=who) as socket:
            await socket.boot(page_event())
            start = time.monotonic()
            try:
                for frame in frames:
                    await socket.send_raw(frame)
            except ConnectionClosed:
                pass
            codes[str(await socket.closed_code())] += 1
            longest = max(longest, time.monotonic() - start)

    async def holding(stack: AsyncExitStack, who: str | None) -> bool:
        socket = await stack.enter_async_context(connect(url, cookie=who))
        try:
            await socket.boot(page_event())
        except (ConnectionClosed, InvalidStatus):
            return False
        return True

    search = event_frame(page_event("", FIND, text="flood"))
    junk = '42/_event,["event",{"name":"nothing.here","payload":{}}]'
    floods = [([frame] * (EVENTS // 8), who) for frame in (search, junk) for who in (cookie, None)]
    big = ["4" + "x" * 1_000_000]
    await asyncio.gather(*(flooding(*one) for one in floods * 2))
    await asyncio.gather(*(flooding(big, who) for who in (cookie, None) * 4))
    async with AsyncExitStack() as stack:
        for _ in range(ANONYMOUS):
            await holding(stack, None)
        held = 0
        for _ in range(SESSION_SOCKETS):
            held += await holding(stack, cookie)
    return {
        "codes": codes,
        "longest": longest,
        "floods": len(floods) * 2,
        "big": 8,
        "held": held,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("cookie")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(offend(given.url, given.cookie))))
