"""The end of a run: its log becomes the message, in the transaction that closes the run."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.db.tables import Message, Run, RunEvent
from chat_app.llm.base import Usage
from chat_app.runs.events import EndStatus, fold


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer came out.

    Args:
        error: One sentence for the person when it failed.
        usage: What the provider counted, if it did.
    """

    status: EndStatus
    error: str = ""
    usage: Usage | None = None


async def settle(session: AsyncSession, run_id: UUID, outcome: Outcome, now: datetime) -> None:
    """Fold a run's events into its message, close it, and drop the events.

    Args:
        session: A write session that sees the run.
        run_id: The run; nothing happens when its rows are gone.
        outcome: How it ended.
        now: When.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        return
    log = await session.exec(
        select(RunEvent.seq, RunEvent.kind, RunEvent.text)
        .where(RunEvent.run_id == run_id)
        .order_by(col(RunEvent.seq))
    )
    entries = log.all()
    message.parts = fold((kind, text) for _, kind, text in entries)
    run.last_seq = entries[-1][0] if entries else 0
    message.status = run.status = outcome.status
    message.error = run.error = outcome.error
    run.finished_at = now
    if outcome.usage is not None:
        run.input_tokens = outcome.usage.input_tokens
        run.output_tokens = outcome.usage.output_tokens
    await session.exec(delete(RunEvent).where(col(RunEvent.run_id) == run_id))
