"""Who should look again.

A message on the bus is a hint: the row in the database is the truth, so a lost hint costs a
stale view until the next look, never a wrong one.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

SignalKind = Literal[
    "thread",
    "thread_deleted",
    "run_started",
    "run_ended",
    "session_ended",
    "session_token",
    "person",
]


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that happened.

    Args:
        kind: What happened.
        thread_id: The thread it happened to, if any.
        run_id: The run it happened to, if any.
        session_id: The session it happened to, if any.
        reason: Why, in one word, where the kind has a reason.
    """

    kind: SignalKind
    thread_id: UUID | None = None
    run_id: UUID | None = None
    session_id: UUID | None = None
    reason: str = ""


def user_topic(user_id: UUID) -> str:
    """The topic of everything that happens to what a user owns."""
    return f"user:{user_id}"


SESSIONS = "sessions"
"""The topic of ended sessions; the guard and the run engine listen here."""

TOKENS = "tokens"
"""The topic of sessions that go on under a new token; the guard listens here."""


class Bus:
    """Publish and subscribe within one process."""

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[Signal]]] = defaultdict(set)
        self._callbacks: dict[str, list[Callable[[Signal], None]]] = defaultdict(list)

    def publish(self, topic: str, signal: Signal) -> None:
        """Tell every subscriber of a topic. Call after the commit, never before."""
        for callback in self._callbacks.get(topic, ()):
            callback(signal)
        for queue in self._queues.get(topic, ()):
            queue.put_nowait(signal)

    def on(self, topic: str, callback: Callable[[Signal], None]) -> None:
        """Call `callback` at once, inside `publish`, for as long as the process lives."""
        self._callbacks[topic].append(callback)

    def listeners(self, topic: str) -> int:
        """How many are subscribed to a topic."""
        return len(self._queues.get(topic, ()))

    @contextlib.contextmanager
    def subscribe(self, topic: str) -> Iterator[AsyncIterator[list[Signal]]]:
        """Receive the hints of a topic in order, from now until the block ends.

        What came while the subscriber was busy comes as one list: it need look only once.
        """
        queue: asyncio.Queue[Signal] = asyncio.Queue()
        self._queues[topic].add(queue)
        try:
            yield _drain(queue)
        finally:
            self._queues[topic].discard(queue)
            if not self._queues[topic]:
                del self._queues[topic]


async def _drain(queue: asyncio.Queue[Signal]) -> AsyncIterator[list[Signal]]:
    while True:
        signals = [await queue.get()]
        while not queue.empty():
            signals.append(queue.get_nowait())
        yield signals
