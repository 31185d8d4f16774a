"""One signed-in user who asks for more than one user may have: pages, readers, tabs, writes."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx

from resilience.attacker import Caller, counted, log_errors, page_event, question, signed_up
from resilience.bystander import Attack, Bystander, main
from resilience.load import resident
from resilience.report import Result
from testing.program import Program
from testing.socket_client import connect

MODULE = "resilience.attack_quotas"
PER_MINUTE, PER_USER, TABS = 60, 50, 60
PAGE_BYTES, MESSAGE_BYTES = 500_000, 100_000
MAX_GROWTH_MB = 150.0
STORED_BYTES = 2_000_000
OTHER_REQUESTS = 1
"""Requests that stay open beside those of the readers: the one that asked."""


async def large_pages(program: Program, count: int = 300, timed: bool = True) -> Result:
    """Pages of the largest messages, many at once."""
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    await bystander.rest()
    thread = ""
    for number in range(40):
        text = str(number % 10) * (MESSAGE_BYTES - 10)
        thread = await eve.ask(text, "fake:1x0", thread)
    before = resident(program.pid)
    told = await bystander.attacked_by(
        MODULE, "large-pages", program, f"{thread} {eve.cookie}", count
    )
    growth = resident(program.pid) - before
    failed = {
        "pages over the limit": told["over"],
        "pages too few": _too_few(told["read"], min(count, PER_USER)),
        "pages too small": told["largest"] < PAGE_BYTES * 0.8,
        "answers of another kind": told["other"],
        "refusals without Retry-After": told["bare"],
        "memory": growth > MAX_GROWTH_MB,
    }
    figures = f"largest page {told['largest'] / 1000:.0f} kB, {told['refused']} refused, "
    figures += f"memory {before:.0f} MB {growth:+.0f} MB"
    return _result("large pages", program, count, failed, figures, bystander, timed)


async def readers(program: Program, count: int = 200, timed: bool = True) -> Result:
    """Many readers of one running answer, of which some do not read."""
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    await bystander.rest()
    told = await bystander.attacked_by(MODULE, "readers", program, eve.cookie, count)
    failed = {
        "readers over the limit": max(0, told["reading"] - PER_USER),
        "readers too few": _too_few(told["reading"], min(count, PER_USER) - OTHER_REQUESTS),
        "refusals without Retry-After": told["bare"],
        "answers of another kind": count - told["reading"] - told["refused"],
    }
    figures = f"{told['reading']} read, {told['refused']} refused"
    return _result("readers", program, count, failed, figures, bystander, timed)


async def tabs(program: Program, sessions: int = 5, timed: bool = True) -> Result:
    """Tabs of one user, in several sessions."""
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    cookies = [eve.cookie]
    for _ in range(sessions - 1):
        again = Caller(program)
        await again.sign_in(email=eve.email)
        cookies.append(again.cookie)
    await bystander.rest()
    told = await bystander.attacked_by(MODULE, "tabs", program, json.dumps(cookies), 40)
    count = 40 * sessions
    failed = {"tabs": abs(told["held"] - TABS)}
    figures = f"{told['held']} of {count} held in {sessions} sessions, the others {told['codes']}"
    return _result("tabs", program, count, failed, figures, bystander, timed)


async def writes(program: Program, count: int = 200, timed: bool = True) -> Result:
    """Messages and chats as fast as they go, over HTTP."""
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    await bystander.rest()
    told = await bystander.attacked_by(MODULE, "writes", program, eve.cookie, count)
    failed = {
        "messages over the rate": max(0, told["messages"] - PER_MINUTE),
        "chats over the rate": max(0, told["threads"] - PER_MINUTE),
        "messages too few": _too_few(told["messages"], min(count, PER_MINUTE)),
        "chats too few": _too_few(told["threads"], min(count, PER_MINUTE)),
        "refusals without Retry-After": told["bare"],
        "answers of another kind": told["other"],
    }
    figures = f"{told['messages']} messages and {told['threads']} chats stored of {count} each"
    return _result("writes", program, 2 * count, failed, figures, bystander, timed)


async def storage(program: Program, count: int = 60, timed: bool = True) -> Result:
    """More bytes than one user may store; the program runs with `STORED_BYTES_PER_USER`."""
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    await bystander.rest()
    told = await bystander.attacked_by(MODULE, "storage", program, eve.cookie, count)
    failed = {
        "bytes over the limit": told["stored"] > STORED_BYTES,
        "too few stored": told["stored"] < STORED_BYTES * 0.8,
        "refusals without the limit": told["bare"],
        "answers of another kind": told["other"],
    }
    figures = f"{told['stored'] / 1e6:.1f} MB stored, {told['refused']} refused with 413"
    return _result("storage", program, count, failed, figures, bystander, timed)


def _too_few(got: int, allowed: int) -> int:
    """How much less than is allowed was got; a server that refuses everything has no limits."""
    return max(0, allowed - got)


def _result(
    name: str,
    program: Program,
    tried: int,
    failed: dict[str, int],
    figures: str,
    bystander: Bystander,
    timed: bool,
) -> Result:
    failed |= {"errors in the log": len(log_errors(program.log.read_text()))}
    failed |= {"others are slow": bystander.is_slow(timed)}
    wrong = ", ".join(f"{count} {what}" for what, count in failed.items() if count)
    said = f"; {wrong}" if wrong else ""
    return Result(name, tried, sum(failed.values()), f"{figures}; {bystander.figures}{said}")


def _client(url: str, cookie: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    headers = {"Origin": url, "Cookie": cookie}
    return httpx.AsyncClient(
        verify=False, base_url=url, headers=headers, timeout=60, limits=limits, trust_env=False
    )


async def _read_pages(url: str, given: str, count: int) -> dict[str, Any]:
    thread, cookie = given.split(" ", 1)
    found: Counter[str] = Counter()
    largest = 0
    async with _client(url, cookie) as http:

        async def read() -> None:
            nonlocal largest
            response = await http.get(f"/api/threads/{thread}/messages?limit=200")
            size = len(response.content)
            largest = max(largest, size)
            found["over"] += size > PAGE_BYTES + MESSAGE_BYTES + 50_000
            found["read"] += response.status_code == 200
            found["refused"] += response.status_code == 429
            found["bare"] += response.status_code == 429 and "retry-after" not in response.headers
            found["other"] += response.status_code not in (200, 429)

        for _ in range(3):
            await asyncio.gather(*(read() for _ in range(count // 3)))
    none = {"over": 0, "read": 0, "refused": 0, "bare": 0, "other": 0}
    return {**none, **found, "largest": largest}


async def _open_readers(url: str, cookie: str, count: int) -> dict[str, Any]:
    async with _client(url, cookie) as http:
        thread = (await http.post("/api/threads", json={})).json()["id"]
        body = {"id": thread, "messages": [question("go on")], "model": "fake:1000x20"}
        asking = asyncio.create_task(http.post("/api/chat", json=body))
        while not (await http.get(f"/api/threads/{thread}")).json()["running"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        found: Counter[str] = Counter()

        async def read(stays: asyncio.Event) -> None:
            async with http.stream("GET", f"/api/chat/{thread}/stream") as response:
                found["reading"] += response.status_code == 200
                found["refused"] += response.status_code == 429
                is_bare = "retry-after" not in response.headers
                found["bare"] += response.status_code == 429 and is_bare
                if response.status_code == 200:
                    await stays.wait()  # and reads nothing

        stays = asyncio.Event()
        reading = [asyncio.create_task(read(stays)) for _ in range(count)]
        async with asyncio.timeout(30):
            while found["reading"] + found["refused"] < count:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        stays.set()
        await asyncio.gather(*reading, return_exceptions=True)
        asking.cancel()
    return {"reading": 0, "refused": 0, "bare": 0, **found}


async def _open_tabs(url: str, given: str, count: int) -> dict[str, Any]:
    cookies: list[str] = json.loads(given)
    codes: Counter[str] = Counter()
    held = 0
    async with AsyncExitStack() as stack:
        for _ in range(count):
            for one in cookies:
                with counted(codes):
                    client = await stack.enter_async_context(connect(url, cookie=one))
                    await client.boot(page_event())
                    held += 1
    return {"held": held, "codes": codes}


async def _write(url: str, cookie: str, count: int) -> dict[str, Any]:
    found: Counter[str] = Counter()
    async with _client(url, cookie) as http:

        async def write(kind: str, path: str, body: Any) -> None:
            response = await http.post(path, json=body)
            found[kind] += response.status_code in (200, 201)
            found["bare"] += response.status_code == 429 and "retry-after" not in response.headers
            found["other"] += response.status_code not in (200, 201, 429)

        for _ in range(count // 4):
            for _ in range(4):
                message = {"messages": [question("hi")], "model": "fake:1x0"}
                await write("messages", "/api/chat", message)
            await asyncio.gather(
                *(write("threads", "/api/threads", {"title": uuid4().hex}) for _ in range(4))
            )
    return {"messages": 0, "threads": 0, "bare": 0, "other": 0, **found}


async def _fill(url: str, cookie: str, count: int) -> dict[str, Any]:
    found: Counter[str] = Counter()
    async with _client(url, cookie) as http:
        for _ in range(count):
            text = "x" * (MESSAGE_BYTES - 10)
            body = {"messages": [question(text)], "model": "fake:1x0"}
            response = await http.post("/api/chat", json=body)
            found["stored"] += len(text) * (response.status_code == 200)
            found["refused"] += response.status_code == 413
            found["bare"] += response.status_code == 413 and " MB" not in response.text
            found["other"] += response.status_code not in (200, 413)
    return {"stored": 0, "refused": 0, "bare": 0, "other": 0, **found}


ATTACKS: dict[str, Attack] = {
    "large-pages": _read_pages,
    "readers": _open_readers,
    "tabs": _open_tabs,
    "writes": _write,
    "storage": _fill,
}

if __name__ == "__main__":
    main(ATTACKS)
