"""Load: many sockets, many answers. Everything is on this machine and has an end.

The driver shares the machine's cores with the program, so the figures are upper bounds.
"""

import asyncio
import random
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

from resilience.process_kills import Watched, begin
from resilience.program import log_errors, running_program, signed_up_users, temporary_folder
from resilience.report import Result, Scenario
from resilience.timestamped_tokens import TimedAnswer, TimestampingProvider, ages, bare_proxy
from testing.fake_provider import serve
from testing.http_user import CHAT, LIST, HttpUser, SocketTab, open_tab

SEED = 7
MAX_EVENT_MS = 200.0
MAX_GROWTH = 0.10
MAX_BEHIND_SECONDS = 1.0
"""Of the last of a hundred answers that end at once: storing an end takes its time too."""
MAX_ADDED_MS = 5.0
UNSTORED = (sys.executable, "-m", "resilience.program_without_run_log")


def p95(figures: Iterable[float]) -> float:
    """The 95th percentile."""
    ordered = sorted(figures)
    return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0


def resident(pid: int) -> float:
    """The memory of a process that is in use, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def sockets(
    persons: int = 20, tabs: int = 10, seconds: float = 60, every: float = 10
) -> Result:
    """Signed-in sockets that now and then ask for something, while one answer each streams."""
    tokens, wrong = int(seconds * 30), []
    took: list[float] = []
    given = {"CHAT_MODEL": f"fake:{tokens}x33"}
    with temporary_folder() as at:
        async with (
            running_program(at, given) as program,
            signed_up_users(program.url, persons) as them,
            AsyncExitStack() as stack,
        ):
            opened: list[SocketTab] = []
            watching: list[SocketTab] = []
            for person in them:
                threads = [await person.new_thread(), *([""] * (tabs - 1))]
                its = [await stack.enter_async_context(open_tab(person, one)) for one in threads]
                watching.append(its[0])
                opened += its
            began = time.monotonic()
            for one in watching:
                await one.call(
                    f"{CHAT}.send", client_id=uuid4().hex, thread=one.thread, text="go on"
                )
            until = began + seconds - 5
            asking = [
                asyncio.create_task(_ask_now_and_then(one, until, every, number, took))
                for number, one in enumerate(opened)
            ]
            ending = asyncio.create_task(_ends(watching, began + (tokens - 1) * 0.033, wrong))
            await asyncio.sleep(seconds / 4)
            before = resident(program.pid)
            wrong += [said for said in await asyncio.gather(*asking) if said]
            behind = await ending
            growth = resident(program.pid) / before - 1
            wrong += ["a socket is gone" for one in opened if one.closed.is_set()]
            wrong += log_errors(program)
    if p95(took) > MAX_EVENT_MS:
        wrong.append("events are slow")
    if growth > MAX_GROWTH:
        wrong.append("memory grows")
    figures = (
        f"{len(opened)} sockets, {len(watching)} answers at 30 tok/s, {len(took)} events: "
        f"{len(wrong)} errors, event p95 {p95(took):.0f} ms, memory {before:.0f} MB {growth:+.1%}, "
        f"answers {behind:.2f} s behind"
    )
    return Result("sockets", len(opened) + len(took), len(wrong), _told(figures, wrong))


async def _ask_now_and_then(
    one: SocketTab, until: float, every: float, number: int, took: list[float]
) -> str:
    chance = random.Random(SEED * 1000 + number)
    await asyncio.sleep(chance.uniform(0, every))
    while time.monotonic() < until:
        word, began = uuid4().hex, time.monotonic()
        await one.call(f"{LIST}.find", text=word)
        try:
            await one.until(lambda word=word: one.state.get("search") == word, 10)
        except TimeoutError:
            return "an event had no answer"
        took.append(1000 * (time.monotonic() - began))
        await asyncio.sleep(chance.uniform(0.5, 1.5) * every)
    return ""


async def _ends(watching: list[SocketTab], due: float, wrong: list[str]) -> float:
    """Wait for the ends of the answers; how late the last one is, in seconds."""
    for one in watching:
        try:
            await one.until(lambda one=one: len(one.ends) > 1, 60)
        except TimeoutError:
            wrong.append("an answer has no end")
            continue
        wrong += ["an answer failed" for end in one.ends.values() if end != "complete"]
    return max(0.0, time.monotonic() - due)


async def streams(count: int = 100, tokens: int = 1000) -> Result:
    """Answers at 50 tokens a second, half of them read over HTTP and half over sockets.

    They are asked for all at once; what counts begins with the first token of the last one.
    """
    wrong: list[str] = []
    model = f"fake:{tokens}x20"
    with temporary_folder() as at:
        async with (
            running_program(at, {"CHAT_MODEL": model}) as program,
            signed_up_users(program.url, count // 10) as them,
            AsyncExitStack() as stack,
        ):
            readers: set[asyncio.Task] = set()
            watched = await begin(stack, them, count, model, readers)
            await asyncio.gather(*(one.begun() for one in watched))
            began = time.monotonic()
            cpu = _cpu_seconds(program.pid)
            heard = await asyncio.gather(*readers)
            over_http = time.monotonic() - began
            wrong += [f"{one.status} {one.end}" for one in heard if one.end != "finish"]
            tabs = [one.tab for one in watched if one.tab is not None]
            await _ends(tabs, began, wrong)
            over_sockets = time.monotonic() - began
            cpu = _cpu_seconds(program.pid) - cpu
            wrong += await _whole(watched)
            wrong += log_errors(program)
    due = (tokens - 1) * 0.02
    behind = max(over_http, over_sockets) - due
    if behind > MAX_BEHIND_SECONDS:
        wrong.append("it does not keep up")
    each = cpu / (count * tokens / 1000)
    figures = (
        f"{count} x 50 tok/s: {behind:.2f} s behind at the end, {each:.3f} CPU s per 1,000 tokens"
    )
    return Result("streams", count, len(wrong), _told(figures, wrong))


async def _whole(watched: list[Watched]) -> list[str]:
    said = [await one.wrong() for one in watched]
    return [one for one in said if one]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def sqlite(count: int = 50, tokens: int = 500, pace: float = 0.02) -> Result:
    """What storing before showing adds to a token, and how many transactions it takes.

    The same answers go through a bare proxy, the program without its log, and the program.
    """
    wrong: list[str] = []
    async with serve(TimestampingProvider(tokens, pace).answer) as upstream:
        given = {"OPENAI_BASE_URL": upstream.url, "CHAT_MODELS": "stamps"}
        async with bare_proxy(upstream.url) as url:
            bare = p95(await _over_http([HttpUser(url)], count))
        with temporary_folder() as at:
            async with (
                running_program(at, given, command=UNSTORED) as program,
                signed_up_users(program.url, 5) as them,
            ):
                unstored = p95(await _over_http(them, count))
        with temporary_folder() as at:
            async with (
                running_program(at, given) as program,
                signed_up_users(program.url, 5) as them,
            ):
                stored = p95(await _over_http(them, count))
                frames = p95(await _over_sockets(them, count))
                rates = [await _transactions(them, at, n) for n in (1, 10, count)]
                wrong += log_errors(program)
    if stored - unstored > MAX_ADDED_MS:
        wrong.append("storing costs more than the budget")
    if rates[-1] > 1.5 * rates[0]:
        wrong.append("transactions grow with the answers")
    figures = (
        f"{count} x {1 / pace:.0f} tok/s: the log adds {stored - unstored:+.1f} ms to a token's "
        f"p95 (bare {bare:.1f}, without the log {unstored:.1f}, with it {stored:.1f}, over sockets "
        f"{frames:.1f} ms); transactions/s with 1, 10, {count}: "
        f"{', '.join(f'{rate:.0f}' for rate in rates)}"
    )
    return Result("sqlite", 3 * count, len(wrong), _told(figures, wrong))


async def _over_http(them: list[HttpUser], count: int) -> list[float]:
    heard = [TimedAnswer() for _ in range(count)]
    await asyncio.gather(
        *(them[n % len(them)].ask("go on", one, model="stamps") for n, one in enumerate(heard))
    )
    return [age for one in heard for age in one.took]


async def _over_sockets(them: list[HttpUser], count: int) -> list[float]:
    took: list[float] = []
    async with AsyncExitStack() as stack:
        tabs: list[SocketTab] = []
        for number in range(count):
            person = them[number % len(them)]
            tabs.append(
                await stack.enter_async_context(open_tab(person, await person.new_thread()))
            )
        for one in tabs:
            one.hook = lambda _stream_id, text: took.extend(ages(text) if "." in text else ())
            await one.call(f"{CHAT}.send", client_id=uuid4().hex, thread=one.thread, text="go on")
        await _ends(tabs, 0.0, [])
    return took


async def _transactions(them: list[HttpUser], at: Path, count: int) -> float:
    """Transactions per second in the middle of some answers."""
    asks = [
        asyncio.create_task(them[n % len(them)].ask("go on", model="fake:250x20"))
        for n in range(count)
    ]
    await asyncio.sleep(1.5)
    first, began = _commits(at), time.monotonic()
    await asyncio.sleep(2.5)
    rate = (_commits(at) - first) / (time.monotonic() - began)
    await asyncio.gather(*asks)
    return rate


def _commits(at: Path) -> int:
    """SQLite's own count of transactions, from the index of its log.

    `iChange` of the first header: https://www.sqlite.org/walformat.html#the_wal_index_header
    """
    return struct.unpack_from("=I", (at / "data" / "chat.db-shm").read_bytes(), 8)[0]


def _told(figures: str, wrong: list[str]) -> str:
    return f"{figures}; {', '.join(sorted(set(wrong))[:3])}" if wrong else figures


SCENARIOS: dict[str, Scenario] = {"sockets": sockets, "streams": streams, "sqlite": sqlite}
