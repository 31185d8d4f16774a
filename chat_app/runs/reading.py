"""What a reader of a run sees: live from memory, afterwards from the database."""

from collections.abc import AsyncIterator
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.db.tables import LIVE, Message, Run, RunEvent
from chat_app.errors import NotFound
from chat_app.runs.channel import Channel
from chat_app.runs.ended import EndedSessions
from chat_app.runs.events import EndEvent, TextEvent, fold, utf16_length
from chat_app.threads.parts import text_of


async def follow_live(
    channel: Channel, after: int, session_id: UUID, ended: EndedSessions
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
