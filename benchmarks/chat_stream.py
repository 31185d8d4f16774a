"""The stream of `POST /api/chat`: its bytes for each token, and its way to the first one.

Both proxies get the same asks from the same client, which is this process.
"""

import asyncio
import statistics

from benchmarks.asks import Server, ask_of, rounds, together, warm_servers
from benchmarks.environment import Environment, fresh
from benchmarks.report import Row, row
from benchmarks.socket_readers import Body, connect

_TIMES = 3
_TOKENS, _PACE = 600, 20
_CLIENTS = 30
_ARRIVING = 5.0
"""Seconds within which the clients ask."""
_STREAM_TOKENS = 500
"""How long the answers are, so that the first ones are still written when the last client asks."""


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    return asyncio.run(_measure(env))


async def _measure(env: Environment) -> list[Row]:
    servers = await warm_servers(env)
    sizes = await asyncio.gather(*(_size(env, servers[0], number) for number in range(_TIMES)))
    ours, bare, least = await rounds(servers, lambda server: _first_token(env, server))
    more = [one - other for one, other in zip(ours, least, strict=True)]
    what = f"{_CLIENTS} clients within {_ARRIVING:.0f} s, p50"
    return [
        row("SSE bytes per token, paced, of POST /api/chat", sizes, "bytes", budget=62, beyond=58),
        row(
            f"request → first text-delta, {what}",
            ours,
            "ms",
            yardstick=statistics.median(bare),
            least=statistics.median(least),
        ),
        row("the same, less the least proxy's", more, "ms", budget=6),
    ]


async def _size(env: Environment, server: Server, number: int) -> float:
    """The bytes of the body of an answer for each of its tokens."""
    reader: Body = await connect(server.url, Body)
    await ask_of(server, env.crowd[number], fresh(_TOKENS, _PACE), reader)
    return len(reader.body) / _TOKENS


async def _first_token(env: Environment, server: Server) -> float:
    """The time from a request to its first token, in milliseconds; the first token is a marker."""
    answers = await together(env, server, _CLIENTS, length=_STREAM_TOKENS, arriving=_ARRIVING)
    return statistics.median((answer.seen[0] - answer.asked) * 1000 for answer in answers)
