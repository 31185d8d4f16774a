"""The end of a run: its log becomes the message, in the transaction that closes the run."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import LIVE, Message, Run, RunEvent
from chat_app.llm.base import Usage
from chat_app.runs.events import EndStatus, fold


@dataclass(frozen=True, slots=True)
class RunResult:
    """How an answer came out.

    Args:
        error: One sentence for the person when it failed.
        usage: What the provider counted, if it did.
    """

    status: EndStatus
    error: str = ""
    usage: Usage | None = None


async def finalize(session: AsyncSession, run_id: UUID, result: RunResult, now: datetime) -> None:
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
    message.status = run.status = result.status
    message.error = run.error = result.error
    run.finished_at = now
    if result.usage is not None:
        run.input_tokens = result.usage.input_tokens
        run.output_tokens = result.usage.output_tokens
    await session.exec(delete(RunEvent).where(col(RunEvent.run_id) == run_id))


_AT_ONCE = 100


async def reap_lost_runs(db: Database, clock: Clock) -> int:
    """Give every run that nobody is working on its stored text, as `interrupted`.

    Args:
        db: The database; no run of this process may be live yet.
        clock: Dates the ends.

    Returns:
        How many runs were closed.
    """
    count = 0
    last: UUID | None = None
    while True:
        left = select(Run.id).where(col(Run.status).in_(LIVE)).order_by(col(Run.id))
        if last is not None:
            left = left.where(col(Run.id) > last)
        async with db.system("run recovery", write=True) as session:
            run_ids = (await session.exec(left.limit(_AT_ONCE))).all()
            for run_id in run_ids:
                await finalize(session, run_id, RunResult("interrupted"), clock())
        count += len(run_ids)
        if len(run_ids) < _AT_ONCE:
            return count
        last = run_ids[-1]
