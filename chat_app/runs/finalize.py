"""Finalize a run: fold its log into the message and close it; reap runs of a lost process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.clock import Clock
from chat_app.core.errors import message_of
from chat_app.db.engine import Database
from chat_app.db.tables import ACTIVE, Message, Run, RunEvent
from chat_app.llm.base import Usage
from chat_app.runs.follow import EndStatus, fold_log

_BATCH = 100


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a run.

    Args:
        error: The message code if it failed.
        params: The parameters of the message.
        usage: The provider's token counts, if it sent any.
    """

    status: EndStatus
    error: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    usage: Usage | None = None

    @property
    def message(self) -> str:
        """The message for the user; empty unless it failed."""
        return message_of(self.error, self.params)


async def finalize(session: AsyncSession, run_id: UUID, result: RunResult, now: datetime) -> None:
    """Fold a run's events into its message, close the run, and delete the events.

    Args:
        session: A write session that sees the run.
        run_id: The run; nothing happens if its rows are deleted.
        result: How it ended.
        now: When.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        return
    message.parts, run.last_seq = await fold_log(session, run_id)
    message.status = run.status = result.status
    message.error = run.error = result.error
    if result.params:
        message.error_params = run.error_params = dict(result.params)
    run.finished_at = now
    if result.usage is not None:
        run.input_tokens = result.usage.input_tokens
        run.output_tokens = result.usage.output_tokens
    await session.exec(delete(RunEvent).where(col(RunEvent.run_id) == run_id))


async def reap_lost_runs(db: Database, clock: Clock) -> int:
    """The reaper: finalize every active run as `interrupted`, at start, before any run is active.

    Returns:
        How many runs were finalized.
    """
    count = 0
    last: UUID | None = None
    while True:
        lost = select(Run.id).where(col(Run.status).in_(ACTIVE)).order_by(col(Run.id))
        if last is not None:
            lost = lost.where(col(Run.id) > last)
        async with db.system("run recovery", write=True) as session:
            run_ids = (await session.exec(lost.limit(_BATCH))).all()
            for run_id in run_ids:
                await finalize(session, run_id, RunResult("interrupted"), clock())
        count += len(run_ids)
        if len(run_ids) < _BATCH:
            return count
        last = run_ids[-1]
