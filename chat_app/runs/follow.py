"""The shown part of a live run, in memory, and how its readers are woken.

A reader keeps an index into the pieces, not a queue: a slow one costs nothing and gets
everything it has missed as one piece.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import NotFound
from chat_app.core.parts import text_of
from chat_app.db.tables import LIVE, Message, Run, RunEvent
from chat_app.runs.events import EndEvent, TextEvent, fold, utf16_length


class Channel:
    """What readers of one run may see.

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
        """Show a stored entry. An entry without text only moves `seq`."""
        self.seq = seq
        if not text:
            return
        self._seqs.append(seq)
        self._offsets.append(self.length)
        self._texts.append(text)
        self.length += utf16_length(text)
        self.wake()

    def close(self, end: EndEvent) -> None:
        """Tell the readers that nothing follows."""
        self.end = end
        self.wake()

    def wake(self) -> None:
        """Let every reader look again."""
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()

    async def changed(self) -> None:
        """Wait for the next `put`, `close` or `wake`."""
        await self._changed.wait()

    def index_after(self, seq: int) -> int:
        """Where a reader that has seen everything up to `seq` goes on."""
        return bisect_right(self._seqs, seq)

    def read(self, index: int) -> tuple[TextEvent | None, int]:
        """Everything from an index on as one event, and the index to go on from."""
        end = len(self._texts)
        if index >= end:
            return None, index
        text = self._texts[index] if end - index == 1 else "".join(self._texts[index:])
        return TextEvent(self._seqs[-1], self._offsets[index], text), end


class RevokedSessions:
    """A bounded memory of session ids.

    A request is let in by the guard and may begin a run after its session has ended; a reader may
    be asleep when it does. Both look here. Sessions never come back, so nothing is ever taken out
    but the oldest.

    Args:
        most: How many are remembered.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._ids: dict[UUID, None] = {}

    def add(self, session_id: UUID) -> None:
        """Remember that a session has ended."""
        self._ids[session_id] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._ids


async def follow_live(
    channel: Channel, after: int, session_id: UUID, ended: RevokedSessions
) -> AsyncIterator[TextEvent | EndEvent]:
    """Replay what is shown already, then go on as it grows.

    Args:
        channel: The run's.
        after: The last log entry the reader has.
        session_id: The reader's session; when it ends, so does the reading.
        ended: Where that is known.
    """
    index = channel.index_after(after)
    while True:
        if session_id in ended:
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
    """What is left to read of a run that is over.

    Its log is folded into the message, so a reader in the middle of it gets the text from the
    beginning again: `offset` says so.

    Args:
        session: A session scoped to the reader.
        run_id: The run.
        after: The last log entry the reader has.

    Raises:
        NotFound: It is missing or foreign.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        raise NotFound
    parts, seq = message.parts, run.last_seq
    if run.status in LIVE:  # its worker is lost, and the next start will close it
        log = select(RunEvent.seq, RunEvent.kind, RunEvent.text).where(RunEvent.run_id == run_id)
        entries = (await session.exec(log.order_by(col(RunEvent.seq)))).all()
        parts = fold((kind, text) for _, kind, text in entries)
        seq = entries[-1][0] if entries else 0
    text = text_of(parts)
    end = EndEvent(seq, _status(run), run.error, utf16_length(text))
    if after >= seq or not text:
        return None, end
    return TextEvent(seq, 0, text), end


def _status(run: Run):
    match run.status:
        case "complete" | "stopped" | "failed" | "revoked" as status:
            return status
        case _:
            return "interrupted"
