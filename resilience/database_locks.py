"""Another process holds the database for some seconds: a backup, a curious operator."""

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from resilience.process_kills import EXIT_SECONDS, begin, left_running, text_of
from resilience.program import log_errors, running_program, signed_up_users, temporary_folder
from resilience.report import Result, Scenario
from testing.http_user import HttpUser, ReceivedAnswer

HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
held.rollback()
"""


@asynccontextmanager
async def holding(database: Path) -> AsyncIterator[None]:
    """Hold a database from a process of its own."""
    command = [sys.executable, "-c", HOLD, str(database)]
    other = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert await other.stdout.readline() == b"held\n"
        yield
    finally:
        other.stdin.close()
        await other.wait()


async def locked(streams: int = 20, seconds: tuple[float, ...] = (2, 12)) -> Result:
    """Hold it under running answers: who asks waits or reads a sentence, and nothing is lost."""
    wrong: list[str] = []
    refused: list[str] = []
    reads: list[float] = []
    with temporary_folder() as at:
        async with running_program(at, {"CHAT_MODEL": "fake:100x20"}) as program:
            async with signed_up_users(program.url, 5) as them:
                for length in seconds:
                    heard = [ReceivedAnswer() for _ in range(streams)]
                    asks = [
                        asyncio.create_task(them[number % 5].ask("go on", each))
                        for number, each in enumerate(heard)
                    ]
                    await asyncio.gather(*(each.begun.wait() for each in heard))
                    async with holding(at / "data" / "chat.db"):
                        more = [asyncio.create_task(p.ask("meanwhile")) for p in them]
                        reads += [await _read(person) for person in them]
                        await asyncio.sleep(length)
                    wrong += await _whole(them, await asyncio.gather(*asks))
                    sent = await asyncio.gather(*more)
                    wrong += [f"a send: {s.status} {s.end}" for s in sent if not _is_fair(s)]
                    refused += [one.refusal for one in sent if one.refusal]
                    wrong += await left_running(them)
            wrong += log_errors(program)
    figures = (
        f"held {' and '.join(f'{length:g} s' for length in seconds)}; {len(refused)} sends read a "
        f"sentence, the others waited; slowest read {max(reads):.2f} s"
    )
    tried = len(seconds) * (streams + 5)
    return Result("locked", tried, len(wrong), "; ".join(wrong[:3]) or figures)


async def locked_exit(streams: int = 10, within: float = EXIT_SECONDS) -> Result:
    """Ask the program to end while it cannot write: it goes in time, and nothing seen is lost.

    Args:
        streams: How many answers.
        within: Seconds it may take.
    """
    wrong: list[str] = []
    with temporary_folder() as at:
        async with running_program(at) as program, signed_up_users(program.url, 5) as them:
            readers: set[asyncio.Task[ReceivedAnswer]] = set()
            async with AsyncExitStack() as stack:
                watched = await begin(stack, them, streams, "fake:3000x20", readers)
                await asyncio.gather(*(one.begun() for one in watched))
                async with holding(at / "data" / "chat.db"):
                    began = time.monotonic()
                    code = await asyncio.to_thread(program.stop)
                    took = time.monotonic() - began
                await asyncio.gather(*readers)
            # On a machine with no time to spare the program's own deadline ends it, with code 1.
            wrong += [f"it left with {code}"] * (
                code not in ((0,) if within < math.inf else (0, 1))
            )
            wrong += [f"it took {took:.1f} s"] * (took > within)
            await asyncio.to_thread(program.start)
            wrong += [said for one in watched if (said := await one.wrong())]
            wrong += await left_running(them)
            wrong += log_errors(program)
    return Result("locked-exit", streams, len(wrong), "; ".join(wrong[:3]) or f"exit {took:.2f} s")


async def _read(person: HttpUser) -> float:
    began = time.monotonic()
    await person.threads()
    return time.monotonic() - began


def _is_fair(one: ReceivedAnswer) -> bool:
    """Whether a send was answered whole, or refused with a sentence."""
    return one.end == "finish" or (one.status == 503 and one.refusal.endswith("."))


async def _whole(them: list[HttpUser], heard: list[ReceivedAnswer]) -> list[str]:
    wrong = [f"an answer: {one.end} {one.error}" for one in heard if one.end != "finish"]
    for number, one in enumerate(heard):
        stored = await them[number % 5].message(one.thread, one.message)
        if stored is None or not text_of(stored).startswith(one.text):
            wrong.append("an answer is not what was read")
    return wrong


SCENARIOS: dict[str, Scenario] = {"locked": locked, "locked-exit": locked_exit}
