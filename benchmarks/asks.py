"""The cost of an ask over HTTP: whole asks, many at once, and streams, beside both proxies.

The three servers get the same asks from the same client, which is this process.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.environment import BenchmarkUser, Environment, cpu, fresh
from benchmarks.model_server import Ask
from benchmarks.report import Row, row
from benchmarks.socket_readers import Stream, connect

_ROUNDS = 3
_WHOLE = 200
"""Asks after each other, each of another user."""
_STREAMS = 30
_ARRIVING = 5.0
"""Seconds within which the streams of the CPU figure begin."""
_PATIENCE = 120

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Server:
    """What answers.

    Args:
        url: Where.
        pid: Its process.
        request: The HTTP request of an ask, given the URL of the server.
        over: What its last event has.
    """

    url: str
    pid: int
    request: Callable[[str, BenchmarkUser, Ask], bytes]
    over: bytes = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Answer:
    """When a stream was asked for, and when each of its markers came, in seconds."""

    ask: Ask
    asked: float
    seen: dict[int, float]


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    return asyncio.run(_measure(env))


async def _measure(env: Environment) -> list[Row]:
    servers = await warm_servers(env)
    return [
        *await _whole_asks(env, servers),
        *[found for many in (30, 100) for found in await _at_once(env, servers, many)],
        *await _cost(env, servers, _STREAMS, "30 streams over HTTP", 2, 1.6),
        *await _cost(env, servers, 1, "one paced stream over HTTP", 2.5, 1.5),
    ]


async def warm_servers(env: Environment) -> tuple[Server, Server, Server]:
    """The program, the bare proxy and the least proxy, after their first requests."""
    servers = (
        Server(env.url, env.pid, to_program),
        Server(env.proxy, env.proxy_pid, to_proxy),
        Server(env.least, env.least_pid, to_proxy),
    )
    for server in servers:
        await _one_by_one(env, server, 20)  # what is compiled or connected once
    return servers


async def _whole_asks(env: Environment, servers: Sequence[Server]) -> list[Row]:
    costs = await rounds(servers, lambda server: _one_by_one(env, server, _WHOLE))
    return [
        row(
            "server CPU of a whole ask (send, three tokens, end)",
            costs[0],
            "ms",
            budget=6,
            yardstick=statistics.median(costs[1]),
            least=statistics.median(costs[2]),
        )
    ]


async def _at_once(env: Environment, servers: Sequence[Server], many: int) -> list[Row]:
    async def first(server: Server) -> tuple[float, ...]:
        answers = await together(env, server, many, length=30, arriving=0)
        sent = [(await env.sent(answer.ask))[0][0] for answer in answers]
        waits = [(answer.seen[0] - answer.asked) * 1000 for answer in answers]
        lags = [(answer.seen[0] - at) * 1000 for answer, at in zip(answers, sent, strict=True)]
        return (
            *(statistics.median(waits), _percentile(waits, 95)),
            *(statistics.median(lags), _percentile(lags, 95)),
        )

    found = await rounds(servers, first)
    names = (
        f"ask → first token, {many} at once, p50",
        f"ask → first token, {many} at once, p95",
        f"model server → first token, {many} at once, p50",
        f"model server → first token, {many} at once, p95",
    )
    budgets = (None, None, None, {30: 60, 100: 250}[many])
    beyond = (None, None, None, {30: 30, 100: 120}[many])
    return [
        row(
            name,
            [times[index] for times in found[0]],
            "ms",
            budget=budgets[index],
            beyond=beyond[index],
            yardstick=statistics.median(times[index] for times in found[1]),
            least=statistics.median(times[index] for times in found[2]),
        )
        for index, name in enumerate(names)
    ]


async def _cost(
    env: Environment,
    servers: Sequence[Server],
    many: int,
    what: str,
    budget: float,
    beyond: float,
) -> list[Row]:
    async def cost(server: Server) -> float:
        used = cpu(server.pid)
        await together(env, server, many, length=500, arriving=_ARRIVING if many > 1 else 0)
        return (cpu(server.pid) - used) / (many * 500 / 1000)

    found = await rounds(servers, cost)
    ratios = [ours / least for ours, least in zip(found[0], found[2], strict=True)]
    return [
        row(
            f"server CPU per 1,000 tokens, {what}",
            found[0],
            "s",
            yardstick=statistics.median(found[1]),
            least=statistics.median(found[2]),
        ),
        row("the same, times the least proxy", ratios, budget=budget, beyond=beyond),
    ]


async def rounds(
    servers: Sequence[Server], take: Callable[[Server], Awaitable[_T]]
) -> list[list[_T]]:
    """A measurement of each server, in turns."""
    found: list[list[_T]] = [[] for _ in servers]
    for _ in range(_ROUNDS):
        for results, server in zip(found, servers, strict=True):
            results.append(await take(server))
    return found


async def _one_by_one(env: Environment, server: Server, count: int) -> float:
    """The processor time of a whole ask, in milliseconds."""
    members = env.crowd[:count]
    readers = [await connect(server.url, Stream) for _ in members]
    used = cpu(server.pid)
    for member, reader in zip(members, readers, strict=True):
        await ask_of(server, member, fresh(3, 0), reader)
    return (cpu(server.pid) - used) * 1000 / count


async def together(
    env: Environment, server: Server, many: int, *, length: int, arriving: float
) -> list[Answer]:
    """Answers that begin within some seconds, or at once, one for each user."""

    async def one(number: int, reader: Stream) -> Answer:
        await asyncio.sleep(number * arriving / many)
        return await ask_of(server, env.crowd[number], fresh(length, 20), reader)

    readers = [await connect(server.url, Stream) for _ in range(many)]
    return await asyncio.gather(*(one(number, reader) for number, reader in enumerate(readers)))


async def ask_of(server: Server, member: BenchmarkUser, ask: Ask, reader: Stream) -> Answer:
    """Ask, and read the answer to its end."""
    over = reader.expect(server.over)
    asked = time.time()
    reader.write(server.request(server.url, member, ask))
    async with asyncio.timeout(_PATIENCE):
        await over
    reader.close()
    return Answer(ask, asked, reader.seen)


def to_program(url: str, member: BenchmarkUser, ask: Ask) -> bytes:
    message = {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": str(ask)}]}
    body = {"id": member.thread, "messages": [message]}
    return post(url, "/api/chat", body, f"Origin: {url}\r\nCookie: {member.header}\r\n")


def to_proxy(url: str, _member: BenchmarkUser, ask: Ask) -> bytes:
    return post(url, "/chat", {"messages": [{"role": "user", "content": str(ask)}]})


def post(url: str, path: str, body: object, headers: str = "") -> bytes:
    """A request with JSON."""
    content = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
