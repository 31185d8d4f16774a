"""A provider whose tokens are timestamps, to measure how long each takes to arrive.

All processes of one machine share the monotonic clock.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from testing.fake_provider import DONE, STREAM_HEAD, Request, finish, text
from testing.http_user import ReceivedAnswer
from testing.program import free_port


class TimestampingProvider:
    """A provider whose every token is the moment it was sent.

    Args:
        tokens: How many.
        pace: Seconds from token to token.
    """

    def __init__(self, tokens: int, pace: float) -> None:
        self._tokens = tokens
        self._pace = pace

    async def answer(self, request: Request) -> None:
        """Answer one request."""
        await request.send(STREAM_HEAD)
        start = time.monotonic()
        for number in range(self._tokens):
            await asyncio.sleep(max(0.0, start + number * self._pace - time.monotonic()))
            await request.send(text(f"{time.monotonic():.5f} "))
        await request.send(finish(), DONE)


def ages(words: str) -> list[float]:
    """How old each whole stamp in a text is, in milliseconds."""
    now = time.monotonic()
    return [1000 * (now - float(word)) for word in words.split()]


class TimedAnswer(ReceivedAnswer):
    """What reached a reader of stamps, from the program or from the bare proxy."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in one event of either stream."""
        if "choices" in event:
            self.took += ages(event["choices"][0]["delta"].get("content", ""))
            return
        if event["type"] == "text-delta":
            self.took += ages(event["delta"])
        super().take(event)

    def __init__(self) -> None:
        super().__init__()
        self.took: list[float] = []


@asynccontextmanager
async def bare_proxy(upstream: str) -> AsyncIterator[str]:
    """The bare proxy as a process of its own; its address."""
    port = free_port()
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--log-level", "error", "resilience.bare_proxy:app"),
        env={**os.environ, "UPSTREAM": upstream},
    )
    try:
        await _until_it_answers(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _until_it_answers(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            with suppress(httpx.HTTPError):
                await client.get(url)
                return
            await asyncio.sleep(0.1)
