"""The streams of every wire: the bytes of a token, and the time from a request to the first one.

The proxies get the same asks from the same client, which is this process. The socket of the page is
measured in `streams`.
"""

import asyncio
import statistics
from collections.abc import Callable
from itertools import count
from uuid import uuid4

from benchmarks.asks import Server, ask_of, post, rounds, to_program, together, warm_servers
from benchmarks.environment import MODEL, BenchmarkUser, Environment, fresh
from benchmarks.model_server import Ask
from benchmarks.report import Row, row
from benchmarks.socket_readers import Body, connect
from testing.sample_text import tokens
from testing.stream_floors import FORMATS

_TIMES = 3
_TOKENS, _PACE = 600, 20
_CLIENTS = 30
_ARRIVING = 5.0
"""Seconds within which the clients ask."""
_STREAM_TOKENS = 150
"""How long the answers are, so that the first ones are still written when the last client asks."""
_BYTES = 62
"""The most bytes of a token, where the format can have so few."""
_ABOVE_FLOOR = 26
"""The most bytes of a token above the floor of a format that can not."""


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    return asyncio.run(_measure(env))


async def _measure(env: Environment) -> list[Row]:
    _, bare, least = await warm_servers(env)
    wires = {path: Server(env.url, env.pid, *wire) for path, wire in _WIRES.items()}
    sizes = await asyncio.gather(
        *(
            _bytes(path, server, env.crowd[first : first + _TIMES])
            for first, (path, server) in zip(count(0, _TIMES), wires.items(), strict=False)
        )
    )
    found = await rounds([*wires.values(), bare, least], lambda one: _first_token(env, one))
    *ours, bares, leasts = found
    more = [
        row(
            f"{path}: request → first token, {_CLIENTS} clients within {_ARRIVING:.0f} s, p50, "
            "less the least proxy's",
            [one - other for one, other in zip(times, leasts, strict=True)],
            "ms",
            budget=6,
            yardstick=statistics.median(bares),
            least=statistics.median(leasts),
            remark=f"{statistics.median(times):.2f} with it",
        )
        for path, times in zip(wires, ours, strict=True)
    ]
    return [*sizes, *more]


async def _bytes(path: str, server: Server, members: list[BenchmarkUser]) -> Row:
    """The bytes of a token, beside those that the format must have, and that it usually has."""
    sizes = await asyncio.gather(*(_size(server, member) for member in members))
    floor = FORMATS[path].floor(tokens(_TOKENS), MODEL)
    usual = FORMATS[path].usual_bytes(tokens(_TOKENS), MODEL)
    return row(
        f"{path}: SSE bytes per token, paced",
        sizes,
        "bytes",
        budget=_BYTES if floor < _BYTES else floor + _ABOVE_FLOOR,
        remark=f"the least of the format is {floor:.1f}; its own server sends {usual:.1f}",
    )


async def _size(server: Server, member: BenchmarkUser) -> float:
    """The bytes of the body of an answer for each of its tokens."""
    reader: Body = await connect(server.url, Body)
    await ask_of(server, member, fresh(_TOKENS, _PACE), reader)
    return len(reader.body) / _TOKENS


async def _first_token(env: Environment, server: Server) -> float:
    """The time from a request to its first token, in milliseconds; the first token is a marker."""
    answers = await together(env, server, _CLIENTS, length=_STREAM_TOKENS, arriving=_ARRIVING)
    return statistics.median((answer.seen[0] - answer.asked) * 1000 for answer in answers)


def _to_ag_ui(url: str, member: BenchmarkUser, ask: Ask) -> bytes:
    message = {"id": uuid4().hex, "role": "user", "content": str(ask)}
    body = {"threadId": member.thread, "runId": uuid4().hex, "messages": [message]}
    return post(url, "/api/ag-ui", body, _key(member))


def _to_completions(url: str, member: BenchmarkUser, ask: Ask) -> bytes:
    messages = [{"role": "user", "content": str(ask)}]
    body = {"model": MODEL, "messages": messages, "stream": True}
    return post(url, "/v1/chat/completions", body, _key(member))


def _to_responses(url: str, member: BenchmarkUser, ask: Ask) -> bytes:
    body = {"model": MODEL, "input": str(ask), "stream": True}
    return post(url, "/v1/responses", body, _key(member))


def _to_messages(url: str, member: BenchmarkUser, ask: Ask) -> bytes:
    messages = [{"role": "user", "content": str(ask)}]
    body = {"model": MODEL, "max_tokens": 10_000, "messages": messages, "stream": True}
    return post(url, "/v1/messages", body, _key(member))


def _key(member: BenchmarkUser) -> str:
    return f"Authorization: Bearer {member.key}\r\n"


_WIRES: dict[str, tuple[Callable[[str, BenchmarkUser, Ask], bytes], bytes]] = {
    "/api/chat": (to_program, b"[DONE]"),
    "/api/ag-ui": (_to_ag_ui, b'"RUN_FINISHED"'),
    "/v1/chat/completions": (_to_completions, b"[DONE]"),
    "/v1/responses": (_to_responses, b"event: response.completed"),
    "/v1/messages": (_to_messages, b"event: message_stop"),
}
"""The request of each wire, and what its last event has."""
