"""Follow a run: replay what is stored, then stream what comes, until the end event.

A reader keeps an index into the run's channel, not a queue: a slow one costs nothing and gets
everything it missed as one event.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import NotFound, message_of
from chat_app.core.parts import Part, fold, text_of, utf16_length
from chat_app.db.tables import ACTIVE, Message, Run, RunEvent

EndStatus = Literal["complete", "stopped", "failed", "interrupted", "revoked"]
"""How a run ends: by itself, by its user, by a provider, by a lost worker, with its session."""


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The next piece of an answer; it is stored before a reader sees it.

    Args:
        seq: The last log entry in it.
        offset: The length of the answer before it, in UTF-16 code units.
        text: The piece; it may join several log entries.
    """

    seq: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The end of a run; nothing follows.

    Args:
        seq: The last log entry of the run.
        status: How it ended.
        error: The message for the user if it failed, else empty.
        length: The length of the whole answer, in UTF-16 code units.
    """

    seq: int
    status: EndStatus
    error: str
    length: int


class Channel:
    """The shown text of one active run, in memory.

    Attributes:
        seq: The last stored log entry.
        length: The length of the text, in UTF-16 code units.
        end: How the run ended, once it has.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.length = 0
        self.end: EndEvent | None = None
        self._seqs: list[int] = []
        self._offsets: list[int] = []
        self._texts: list[str] = []
        self._changed = asyncio.Event()

    def put(self, seq: int, text: str) -> None:
        """Show a stored log entry. An entry without text only moves `seq`."""
        self.seq = seq
        if not text:
            return
        self._seqs.append(seq)
        self._offsets.append(self.length)
        self._texts.append(text)
        self.length += utf16_length(text)
        self.wake()

    def close(self, end: EndEvent) -> None:
        """Show the end event."""
        self.end = end
        self.wake()

    def wake(self) -> None:
        """Wake every reader."""
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()

    async def changed(self) -> None:
        """Wait for the next `put`, `close` or `wake`."""
        await self._changed.wait()

    def index_after(self, seq: int) -> int:
        """The index at which a reader that has everything up to `seq` continues."""
        return bisect_right(self._seqs, seq)

    def read(self, index: int) -> tuple[TextEvent | None, int]:
        """Everything from an index on as one event, and the index to continue from."""
        end = len(self._texts)
        if index >= end:
            return None, index
        text = self._texts[index] if end - index == 1 else "".join(self._texts[index:])
        return TextEvent(self._seqs[-1], self._offsets[index], text), end


class RevokedSessions:
    """A bounded memory of revoked session ids.

    A request that passed the gateway can start a run after its session is revoked, and a reader
    may be asleep when that happens: both check here. Only the oldest ids are ever forgotten,
    because a revoked session never becomes valid again.

    Args:
        max_size: How many ids are remembered.
    """

    def __init__(self, max_size: int = 10_000) -> None:
        self._max_size = max_size
        self._ids: dict[UUID, None] = {}

    def add(self, session_id: UUID) -> None:
        """Remember a revoked session."""
        self._ids[session_id] = None
        if len(self._ids) > self._max_size:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._ids


async def follow_channel(
    channel: Channel, after: int, session_id: UUID, revoked: RevokedSessions
) -> AsyncIterator[TextEvent | EndEvent]:
    """Replay what an active run has shown, then stream what it shows next.

    Args:
        channel: The run's.
        after: The last log entry the reader has.
        session_id: The reader's session; its end is the end of the stream.
        revoked: The revoked sessions.
    """
    index = channel.index_after(after)
    while True:
        if session_id in revoked:
            yield EndEvent(channel.seq, "revoked", "", channel.length)
            return
        event, index = channel.read(index)
        if event is not None:
            yield event
        elif channel.end is not None:
            yield channel.end
            return
        else:
            await channel.changed()


async def stored_answer(
    session: AsyncSession, run_id: UUID, after: int
) -> tuple[TextEvent | None, EndEvent]:
    """What is left to read of a finished run.

    Its log is folded into the message, so a reader in the middle of it gets the text from the
    beginning again, at offset 0.

    Args:
        session: A session scoped to the reader.
        run_id: The run.
        after: The last log entry the reader has.

    Raises:
        NotFound: The run is missing or foreign.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        raise NotFound
    parts, seq = message.parts, run.last_seq
    if run.status in ACTIVE:  # its worker is lost; the next start closes the run
        parts, seq = await fold_log(session, run_id)
    text = text_of(parts)
    end = EndEvent(
        seq, _end_status(run), message_of(run.error, run.error_params), utf16_length(text)
    )
    if after >= seq or not text:
        return None, end
    return TextEvent(seq, 0, text), end


async def fold_log(session: AsyncSession, run_id: UUID) -> tuple[list[Part], int]:
    """The message parts that a run's stored events fold to, and the last `seq`."""
    log = select(RunEvent.seq, RunEvent.kind, RunEvent.text).where(RunEvent.run_id == run_id)
    entries = (await session.exec(log.order_by(col(RunEvent.seq)))).all()
    return fold((kind, text) for _, kind, text in entries), entries[-1][0] if entries else 0


def _end_status(run: Run) -> EndStatus:
    match run.status:
        case "complete" | "stopped" | "failed" | "revoked" as status:
            return status
        case _:
            return "interrupted"
