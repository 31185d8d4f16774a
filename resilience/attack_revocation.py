"""Sign-out under streaming tabs: the last byte, and the end of the model's connections."""

import time

from resilience.attack_flood import percentile
from resilience.attacker import load_page, signed_up, with_own_program
from resilience.report import Result
from resilience.streaming_tabs import (
    EndlessProvider,
    second_device,
    settings_for,
    until_over,
    watched_tabs,
)
from testing.fake_provider import serve
from testing.program import Program
from testing.socket_client import connect

RUNS = 4
MAX_MS = 100
MAX_PROVIDER_MS = 1_000
ENDED = 4401


async def revocation(sockets: int = 50, *, timed: bool = True) -> Result:
    """Sign out while many tabs of the session stream answers of a slow model server.

    Args:
        sockets: How many tabs.
        timed: Whether the times are judged.
    """
    talker = EndlessProvider()
    async with serve(talker.answer) as provider:

        async def attacked(program: Program) -> Result:
            return await _revoke(program, talker, sockets, timed)

        return await with_own_program(attacked, **settings_for(provider))()


async def _revoke(program: Program, talker: EndlessProvider, sockets: int, timed: bool) -> Result:
    ada = await signed_up(program)
    second = await second_device(ada)
    async with (
        watched_tabs(program, ada, sockets=sockets, runs=RUNS) as (watchers, tasks),
        connect(program.url, cookie=second.cookie, origin=program.url) as other,
    ):
        await load_page(other)
        asked = time.perf_counter()
        answer = await ada.http.post("/api/auth/signout")
        answered = time.perf_counter()
        assert answer.status_code == 200
        await until_over(talker, tasks)
        await other.send_raw('42/_event,["ping"]')
        await other.until(lambda frame: isinstance(frame, list) and frame[0] == "ping")
    last = [(max(one.times) - asked) * 1000 for one in watchers]
    after = sum(when > answered for one in watchers for when in one.times)
    cut = [(when - asked) * 1000 for when in talker.gone] or [float("inf")]
    wrong = {
        "not closed with 4401": sum(one.code != ENDED for one in watchers),
        "model connections left open": talker.listeners,
        "still reading": int((await ada.http.get("/api/threads")).status_code != 401),
    }
    worst = percentile(last, 99)
    if timed:
        wrong["too late"] = int(worst > MAX_MS) + int(max(cut) > MAX_PROVIDER_MS)
    said = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
    figures = (
        f"from the request on: last byte p99 {worst:.0f} ms, sign-out answered after "
        f"{(answered - asked) * 1000:.0f} ms, {after} frames read after that; {len(cut)} model "
        f"connections closed within {max(cut):.0f} ms; {said or 'the other session goes on'}"
    )
    return Result("revocation", sockets + RUNS, sum(wrong.values()), figures)
