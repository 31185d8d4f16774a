"""A session ends while it is being told things."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed

from drills.attack_flood import percentile
from drills.attack_people import load, on_its_own, person, question
from drills.report import Result
from tests.attacker import Attacker, attack
from tests.browser.program import Program
from tests.llm.provider_double import STREAM_HEAD, Provider, Request, serving, text

RUNS = 4
TOKEN_SECONDS = 0.02
MOST_MS = 100
MOST_PROVIDER_MS = 1_000
ENDED = 4401


class _Talker:
    """A model server that talks until its reader goes away, and knows when that was."""

    def __init__(self) -> None:
        self.gone: list[float] = []
        self.talking = 0

    async def answer(self, request: Request) -> None:
        self.talking += 1
        leaving = asyncio.create_task(request.wait_for_disconnect())
        try:
            await request.send(STREAM_HEAD)
            while not leaving.done():
                await request.send(text("word "))
                await asyncio.wait({leaving}, timeout=TOKEN_SECONDS)
        finally:
            leaving.cancel()
            self.gone.append(time.perf_counter())


class _Watcher:
    """A tab that notes when it was told the last thing."""

    def __init__(self, socket: Attacker) -> None:
        self.socket = socket
        self.times: list[float] = []
        self.code = 0

    async def watch(self) -> None:
        try:
            while True:
                await self.socket.receive()
                self.times.append(time.perf_counter())
        except ConnectionClosed:
            self.code = self.socket.socket.close_code or 0


async def revocation(sockets: int = 50, *, timed: bool = True) -> Result:
    """Sign out while many tabs of the session stream answers of a slow model server.

    Args:
        sockets: How many tabs.
        timed: Whether the times are judged.
    """
    talker = _Talker()
    async with serving(talker.answer) as provider:

        async def attacked(program: Program) -> Result:
            return await _revoke(program, talker, sockets, timed)

        return await on_its_own(attacked, **_talks_to(provider))()


def _talks_to(provider: Provider) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "sk-none",
        "CHAT_MODELS": "talker",
        "CHAT_MODEL": "talker",
        "SOCKETS_PER_SESSION": "200",
    }


async def _revoke(program: Program, talker: _Talker, sockets: int, timed: bool) -> Result:
    ada = await person(program)
    second = await person(program)
    second.email = ada.email
    second.http.cookies.clear()
    signed_in = await second.sign_in()
    assert "error" not in signed_in.text
    threads = [await _begin(ada.http) for _ in range(RUNS)]
    async with AsyncExitStack() as stack:
        watchers = []
        for turn in range(sockets):
            one = attack(program.url, cookie=ada.cookie, origin=program.url)
            socket = await stack.enter_async_context(one)
            await load(socket, threads[turn % RUNS])
            watchers.append(_Watcher(socket))
        other = await stack.enter_async_context(
            attack(program.url, cookie=second.cookie, origin=program.url)
        )
        await load(other)
        tasks = [asyncio.create_task(one.watch()) for one in watchers]
        while any(len(one.times) < 5 for one in watchers):  # noqa: ASYNC110 a list that grows
            await asyncio.sleep(TOKEN_SECONDS)
        asked = time.perf_counter()
        answer = await ada.http.post("/api/auth/signout")
        answered = time.perf_counter()
        assert answer.status_code == 200
        await asyncio.wait(tasks, timeout=10)
        async with asyncio.timeout(10):
            while len(talker.gone) < RUNS:  # noqa: ASYNC110 a list that grows
                await asyncio.sleep(TOKEN_SECONDS)
        await other.send_raw('42/_event,["ping"]')
        await other.until(lambda frame: isinstance(frame, list) and frame[0] == "ping")
    last = [(max(one.times) - asked) * 1000 for one in watchers]
    after = sum(when > answered for one in watchers for when in one.times)
    cut = [(when - asked) * 1000 for when in talker.gone] or [float("inf")]
    wrong = {
        "not closed with 4401": sum(one.code != ENDED for one in watchers),
        "model connections left open": talker.talking - len(talker.gone),
        "still reading": int((await ada.http.get("/api/threads")).status_code != 401),
    }
    worst = percentile(last, 99)
    if timed:
        wrong["too late"] = int(worst > MOST_MS) + int(max(cut) > MOST_PROVIDER_MS)
    said = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
    figures = (
        f"from the request on: last byte p99 {worst:.0f} ms, sign-out answered after "
        f"{(answered - asked) * 1000:.0f} ms, {after} frames read after that; {len(cut)} model "
        f"connections closed within {max(cut):.0f} ms; {said or 'the other session goes on'}"
    )
    return Result("revocation", sockets + RUNS, sum(wrong.values()), figures)


async def _begin(http: Any) -> str:
    """Ask, and leave when the answer has begun; it goes on without a reader."""
    body = {"messages": [question("Talk on")]}
    async with http.stream("POST", "/api/chat", json=body) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_text():
            break
        return answer.headers["x-thread-id"]
