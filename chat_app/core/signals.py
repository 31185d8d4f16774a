"""The signal bus: publish and subscribe within one process.

A signal says that a row has changed and carries no content: the row is the truth. A lost signal
leaves a view stale until the next one, never wrong.
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
    "threads",  # any number of new ones
    "branches",
    "thread_deleted",
    "run_started",
    "run_ended",
    "session_ended",
    "api_key_ended",
    "session_token",
    "user",
    "user_unlocked",
    "roles_changed",
    "model_rules",
    "security_event",
    "sign_up_policy",
    "announcements",
    "thread_read",
    "reading_ended",
]


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that happened.

    Args:
        kind: What happened.
        thread_id: The thread it happened to, if any.
        run_id: The run it happened to, if any.
        credential_id: The session or API key it happened to, if any.
        reason: A code that says why, for kinds that have reasons.
        user_id: The user it happened to, if any.
        account: The email whose rate limits it is about, if any; no row holds them.
        org_id: The organisation that the user has `joined` or `left` (`reason`), if any.
    """

    kind: SignalKind
    thread_id: UUID | None = None
    run_id: UUID | None = None
    credential_id: UUID | None = None
    reason: str = ""
    user_id: UUID | None = None
    account: str = ""
    org_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PublishedSignal:
    """A signal and the topic it is published on.

    Args:
        topic: The topic.
        signal: The signal.
    """

    topic: str
    signal: Signal


def user_topic(user_id: UUID) -> str:
    """The topic of every change to what a user owns."""
    return f"user:{user_id}"


def reading_topic(grant_id: UUID) -> str:
    """The topic of the end of a grant to read another user's threads."""
    return f"reading:{grant_id}"


CREDENTIALS = "credentials"
"""The topic of ended sessions and API keys."""

TOKENS = "tokens"
"""The topic of sessions that got a new token."""

SECURITY_EVENTS = "security events"
"""The topic of what the operator did to accounts beside the server, for its log."""

ROLES = "roles"
"""The topic of users whose roles have changed, in the installation or in an organisation."""

ANNOUNCEMENTS = "announcements"
"""The topic of what is announced to all users."""

SIGN_UP_POLICY = "sign-up policy"
"""The topic of changes to who may create an account."""

MODEL_RULES = "model rules"
"""The topic of models that are switched on or off."""

UNLOCKED_USERS = "unlocked users"
"""The topic of users whose failed sign-ins the operator forgets."""

DELETED_THREADS = "deleted threads"
"""The topic of deleted threads."""


class Bus:
    """Publish and subscribe within one process."""

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[Signal]]] = defaultdict(set)
        self._callbacks: dict[str, list[Callable[[Signal], None]]] = defaultdict(list)

    def publish(self, topic: str, signal: Signal) -> None:
        """Send a signal to every subscriber of a topic. Call after the commit, never before."""
        self.deliver(topic, signal)

    def deliver(self, topic: str, signal: Signal) -> None:
        """Send a signal to the subscribers in this process alone.

        `SystemSession.publish` does so with what its transaction has stored for other processes.
        """
        for callback in self._callbacks.get(topic, ()):
            callback(signal)
        for queue in self._queues.get(topic, ()):
            queue.put_nowait(signal)

    def subscribe_callback(self, topic: str, callback: Callable[[Signal], None]) -> None:
        """Call `callback` inside `publish`, for the life of the process."""
        self._callbacks[topic].append(callback)

    @contextlib.contextmanager
    def subscribe(self, *topics: str) -> Iterator[AsyncIterator[list[Signal]]]:
        """Receive the signals of some topics in order, until the block ends.

        Signals that came while the subscriber was busy come as one list.
        """
        queue: asyncio.Queue[Signal] = asyncio.Queue()
        for topic in topics:
            self._queues[topic].add(queue)
        try:
            yield _batches(queue)
        finally:
            for topic in topics:
                self._queues[topic].discard(queue)
                if not self._queues[topic]:
                    del self._queues[topic]


async def _batches(queue: asyncio.Queue[Signal]) -> AsyncIterator[list[Signal]]:
    while True:
        signals = [await queue.get()]
        while not queue.empty():
            signals.append(queue.get_nowait())
        yield signals
