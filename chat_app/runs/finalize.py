"""Finalize a run: fold its log into the message and close it; reap runs of a lost process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.clock import Clock
from chat_app.core.errors import message_of
from chat_app.core.events import Finish, FinishReason
from chat_app.core.parts import has_content
from chat_app.db.engine import Database
from chat_app.db.tables import ACTIVE, Message, Run, RunEvent
from chat_app.runs.follow import EndEvent, EndStatus, StopReason, end_event, fold_log

_BATCH = 100


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a run.

    Args:
        error: The message code if it failed.
        params: The parameters of the message.
        stop_reason: Who stopped it, if it was stopped.
    """

    status: EndStatus
    error: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    stop_reason: StopReason | Literal[""] = ""

    @property
    def message(self) -> str:
        """The message for the user; empty unless it failed."""
        return message_of(self.error, self.params)

    def reason(self, finish: Finish | None) -> FinishReason | StopReason | Literal[""]:
        """Why it ended: who stopped it, or the model's reason.

        Args:
            finish: How the model finished, if it did.
        """
        return self.stop_reason or (finish.reason if finish else "")


def finished_result(finish: Finish, *, has_content: bool, model: str) -> RunResult:
    """The outcome of a run whose model has finished.

    Args:
        finish: How it finished.
        has_content: Whether it sent anything but reasoning.
        model: Its display name.
    """
    if has_content:
        return RunResult("complete")
    match finish.reason:
        case "content-filter":
            return RunResult("failed", "answer_withheld", {"model": model})
        case "length" | "size":
            return RunResult("failed", "limit_before_answer")
        case _:
            return RunResult("failed", "empty_answer")


async def finalize(
    session: AsyncSession,
    run_id: UUID,
    result: RunResult,
    now: datetime,
    *,
    name_of: Callable[[str], str],
) -> EndEvent | None:
    """Fold a run's events into its message, close the run, and delete the events.

    Args:
        session: A write session that sees the run.
        run_id: The run.
        result: How it ended; if its log has the end of the answer, it was not interrupted.
        now: When.
        name_of: The display name of the model with an id.

    Returns:
        The end event that readers get; None if the run's rows are deleted.
    """
    run = await session.get(Run, run_id)
    message = await session.get(Message, run.message_id) if run else None
    if run is None or message is None:
        return None
    folded, run.last_seq = await fold_log(session, run_id)
    if result.status == "interrupted" and folded.finish is not None:
        result = finished_result(
            folded.finish, has_content=has_content(folded.parts), model=name_of(run.model)
        )
    message.parts = folded.parts
    message.status = run.status = result.status
    message.finish_reason = run.finish_reason = result.reason(folded.finish)
    message.error = run.error = result.error
    if result.params:
        message.error_params = run.error_params = dict(result.params)
    run.finished_at = now
    if (usage := folded.usage) is not None:
        run.input_tokens, run.output_tokens = usage.input_tokens, usage.output_tokens
        run.reasoning_tokens = usage.reasoning_tokens
        run.cached_input_tokens = usage.cached_input_tokens
    await session.exec(delete(RunEvent).where(col(RunEvent.run_id) == run_id))
    return end_event(run, run.last_seq, folded.parts)


async def reap_lost_runs(db: Database, clock: Clock, name_of: Callable[[str], str]) -> int:
    """The reaper: finalize every active run at start, before any run is active.

    A run is `interrupted` unless its log has the end of the answer.

    Args:
        db: The database.
        clock: The time in rows.
        name_of: The display name of the model with an id.

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
                await finalize(session, run_id, RunResult("interrupted"), clock(), name_of=name_of)
        count += len(run_ids)
        if len(run_ids) < _BATCH:
            return count
        last = run_ids[-1]
