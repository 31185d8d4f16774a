"""Streaming cost: bytes and CPU time for each token, and concurrent answers."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from benchmarks.environment import BenchmarkUser, Environment, cpu, fresh
from benchmarks.model_server import Ask
from benchmarks.report import Row, row
from benchmarks.socket_readers import Stream, Tab, connect, open_tab
from chat_app.states.chat import ChatState

TIMES = 3
_SEND = f"{ChatState.get_full_name()}.send"
_OVER = b'"busy_rx_state_":false'
_REFUSED = '"refused_rx_state_":"{}"'
_TOKENS, _PACE = 500, 20
_MANY = 100
_ARRIVING = 5.0
"""Seconds within which they all begin: twenty a second, where there are a hundred."""


@dataclass(frozen=True, slots=True)
class _Crowd:
    """What was found with several streams at once.

    Args:
        cpu: Seconds per 1,000 tokens.
        late: Of each marker, in milliseconds.
        behind: The latest end of a stream after its model's, in milliseconds.
        first: Of each stream's first marker, in milliseconds.
        rate: Tokens per second that the model server kept.
        refused: Questions that the program has refused because it was busy.
    """

    cpu: float
    late: list[float]
    behind: float
    first: list[float]
    rate: float
    refused: int

    @property
    def p95(self) -> float:
        return _percentile(self.late, 95)


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    return [*asyncio.run(_bytes(env)), *asyncio.run(_together(env))]


async def _bytes(env: Environment) -> list[Row]:
    found = await asyncio.gather(*(_sizes(env, member) for member in env.crowd[:TIMES]))
    paced, long, fifths, second, frame = zip(*found, strict=True)
    crowded = []
    for _ in range(TIMES):
        tab = await open_tab(env.url, env.ada.header, env.long)
        crowded.append(statistics.mean(await _answer(tab, 300, 20)) / statistics.median(frame))
        tab.close()
    return [
        row("payload per token, paced", paced, "bytes", budget=150, beyond=12),
        row("payload per token, long", long, "bytes", budget=40, beyond=12),
        row("frames of the last fifth / of the first", fifths, budget=1.05, beyond=1.0),
        row("frames of the second answer / of the first", second, budget=1.05, beyond=1.0),
        row("frames in a thread of 1,000 / of none", crowded, budget=1.05, beyond=1.0),
    ]


async def _sizes(env: Environment, member: BenchmarkUser) -> tuple[float, ...]:
    """Bytes per token paced and long; frames of the last fifth and of the second answer in those
    of the first; and the frame of an answer of 300 tokens in an empty thread, in bytes."""
    tab = await open_tab(env.url, member.header, member.thread)
    paced = await _answer(tab, 600, 20)
    long = await _answer(tab, 4_000, 4)
    second = await _answer(tab, 300, 20)
    tab.close()
    fifth, frame = len(paced) // 5, statistics.mean(paced[:300])
    fifths = statistics.mean(paced[-fifth:]) / statistics.mean(paced[:fifth])
    return sum(paced) / 600, sum(long) / 4_000, fifths, statistics.mean(second) / frame, frame


def _message(tab: Tab, ask: Ask) -> dict[str, str]:
    """A message in the thread that a tab shows."""
    thread = tab.place.get("query", {}).get("thread", "")
    return {"client_id": uuid4().hex, "thread": thread, "text": str(ask)}


async def _answer(tab: Tab, length: int, pace: int) -> list[int]:
    """Ask in a tab; the sizes of the frames that brought the answer."""
    ask, before = fresh(length, pace), len(tab.sizes)
    over = tab.expect(_OVER)
    tab.call(_SEND, _message(tab, ask))
    await over
    return tab.sizes[before + 1 :]  # the first is the question


async def _together(env: Environment) -> list[Row]:
    app = partial(_crowd, env, env.pid, _in_tab)
    bare = partial(_crowd, env, env.proxy_pid, _in_stream)
    ours, theirs = [], []
    for _ in range(TIMES):
        theirs.append(await bare(30))
        ours.append(await app(30))
    ratios = [one.cpu / other.cpu for one, other in zip(ours, theirs, strict=True)]
    proxy = statistics.median(one.cpu for one in theirs)
    rows = [
        row(
            "server CPU per 1,000 tokens, 30 streams",
            [one.cpu for one in ours],
            "s",
            yardstick=proxy,
        ),
        row("the same, times the bare proxy", ratios, budget=3, beyond=1.8),
        row(
            "first token at the socket, 30 streams, p50",
            [statistics.median(one.first) for one in ours],
            "ms",
            yardstick=statistics.median(statistics.median(one.first) for one in theirs),
        ),
        row(
            "token latency at the socket, 30 streams, p95",
            [one.p95 for one in ours],
            "ms",
            yardstick=statistics.median(one.p95 for one in theirs),
        ),
    ]
    for many in (_MANY, 250):
        found = [await app(many) for _ in range(TIMES if many == _MANY else 1)]
        other = await bare(many)
        rows.append(
            row(
                f"token latency at the socket, {many} streams × 50 tok/s, p95",  # noqa: RUF001
                [one.p95 for one in found],
                "ms",
                budget=50 if many == _MANY else None,
                yardstick=other.p95,
                remark=f"the last stream ends {max(one.behind for one in found):.0f} ms after its "
                f"model, which kept {min(one.rate for one in found):.0f} tok/s; "
                f"{max(one.refused for one in found)} questions refused",
            )
        )
    return rows


async def _crowd(env: Environment, pid: int, kind, many: int) -> _Crowd:
    members = env.crowd[:many]
    asks = [fresh(_TOKENS, _PACE) for _ in members]
    ready = await asyncio.gather(*(kind(env, member) for member in members))
    began = cpu(pid)

    async def one(number: int) -> tuple[dict[int, float], float]:
        await asyncio.sleep(number * _ARRIVING / many)
        reader, ask = ready[number]
        seen = await ask(asks[number])
        ended = time.time()
        reader.close()
        return seen, ended

    seen = await asyncio.gather(*(one(number) for number in range(many)))
    used = cpu(pid) - began
    late, first, behind, rates = [], [], [], []
    answered = [(ask, *found) for ask, found in zip(asks, seen, strict=True) if found[0]]
    for ask, came, ended in answered:
        marks, last = await env.sent(ask)
        lags = [(came[n] - at) * 1000 for n, at in enumerate(marks)]
        late += lags
        first.append(lags[0])
        behind.append((ended - last) * 1000)
        rates.append((_TOKENS - 1) / (last - marks[0]))
    thousands = len(answered) * _TOKENS / 1000
    refused = many - len(answered)
    return _Crowd(used / thousands, late, max(behind), first, min(rates), refused)


async def _in_tab(env: Environment, member: BenchmarkUser):
    tab = await open_tab(env.url, member.header, member.thread)

    async def answered(ask: Ask) -> dict[int, float]:
        """When each marker came; empty when the question was refused."""
        tab.seen.clear()
        message = _message(tab, ask)
        over = tab.expect(_OVER)
        refused = tab.expect(_REFUSED.format(message["client_id"]).encode())
        tab.call(_SEND, message)
        first, _ = await asyncio.wait({over, refused}, return_when=asyncio.FIRST_COMPLETED)
        refused.cancel()
        if over not in first:
            over.cancel()
            return {}
        await over
        return dict(tab.seen)

    return tab, answered


async def _in_stream(env: Environment, member: BenchmarkUser):
    stream: Stream = await connect(env.proxy, Stream)

    async def answered(ask: Ask) -> dict[int, float]:
        over = stream.expect(b"[DONE]")
        body = json.dumps({"messages": [{"role": "user", "content": str(ask)}]}).encode()
        stream.write(
            b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await over
        return dict(stream.seen)

    return stream, answered


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
