"""Finalize a run: fold its log into the message and close it; reap runs of a lost process."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError

from chat_app.core.clock import Clock
from chat_app.core.errors import DatabaseError, message_of
from chat_app.core.events import Finish, FinishReason, FoldedRun, Usage, text_length
from chat_app.core.parts import NativeItem, has_content, native_size, notice_part, size_of
from chat_app.db.engine import Database
from chat_app.db.full_text import entry_of_message
from chat_app.db.prepared import Transaction
from chat_app.db.statements import (
    CHANGE_PARTS,
    DELETE_ENTRY,
    DELETE_EVENTS,
    END_MESSAGE,
    END_OF_RUN,
    END_RUN,
    EVENTS_OF_RUN,
    INSERT_ENTRY,
    LOST_RUNS,
    RUN_TO_END,
)
from chat_app.db.tables import ACTIVE
from chat_app.llm.registry import Models
from chat_app.runs.calls import answering_model
from chat_app.runs.follow import (
    COMPACTION,
    EndEvent,
    EndStatus,
    RunMetrics,
    StopReason,
    end_reason,
    fold_entries,
    seconds_between,
)
from chat_app.usage.ledger import CountedCall, add_calls

logger = logging.getLogger(__name__)

_BATCH = 100
_BEFORE_ALL = UUID(int=0)


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


def finalize(
    transaction: Transaction,
    run_id: UUID,
    result: RunResult,
    now: datetime,
    *,
    models: Models,
    calls: Sequence[CountedCall] | None = None,
) -> EndEvent | None:
    """Fold a run's events into its message, close the run, and delete the events.

    What the run took is added to the usage of its owner in the same transaction: so it is counted
    once, however often this is tried.

    A closed run keeps its message: the first attempt may have been stored although its commit was
    not heard, and another server may have closed the run while this one had lost the database.

    Args:
        transaction: A write transaction that sees the run.
        run_id: The run.
        result: How it ended; if its log has the end of the answer, it was not interrupted.
        now: When.
        models: The models, for their names and prices.
        calls: The calls of models for its answer; None if they were lost with the process. Then
            its log says what is counted: one call with the tokens that it has, or none if nothing
            of the answer was stored.

    Returns:
        The end event that readers get, as it is stored; None if the run is deleted.
    """
    run = transaction.first(RUN_TO_END, run_id=run_id)
    if run is None:
        return None
    message_id, model, status, created_at, first_event_at, *of_message = run
    owner_id, org_id, thread_id, asked_at, message_status, parts, stored_native = of_message
    if status not in ACTIVE:
        transaction.run(DELETE_EVENTS, run_id=run_id)
        return _stored_end(transaction, run_id, model, created_at, first_event_at)
    folded, seq = fold_entries(transaction.all(EVENTS_OF_RUN, run_id=run_id))
    # the log of a run that continues an answer begins with its parts, but not with these
    native = [*(stored_native or ()), *folded.native]
    if message_status not in ACTIVE:
        return _end_compaction(transaction, run_id, run, folded, native, seq, result, now)
    model = answering_model(folded.parts[len(parts) :], model)
    if result.status == "interrupted" and folded.finish is not None:
        result = finished_result(
            folded.finish, has_content=has_content(folded.parts), model=models.name_of(model)
        )
    reason, usage = result.reason(folded.finish), folded.usage
    cost = None if usage is None else models.prices.cost_of(model, usage, now)
    end: dict[str, Any] = {
        "new_status": result.status,
        "new_finish_reason": reason,
        "new_error": result.error,
        "new_error_params": dict(result.params),
    }
    transaction.run(
        END_MESSAGE,
        message_id=message_id,
        new_model=model,
        new_parts=folded.parts,
        new_native=native or None,
        new_size=size_of(folded.parts) + native_size(native),
        **end,
    )
    entry = entry_of_message(
        folded.parts,
        owner_id=owner_id,
        org_id=org_id,
        thread_id=thread_id,
        message_id=message_id,
        role="assistant",
        created_at=asked_at,
    )
    # One that an earlier version continued has an entry still.
    transaction.run(DELETE_ENTRY, message_id=message_id)
    if entry is not None:
        transaction.run(INSERT_ENTRY, **entry)
    transaction.run(
        END_RUN,
        run_id=run_id,
        new_model=model,
        new_last_seq=seq,
        new_finished_at=now,
        new_input_tokens=usage and usage.input_tokens,
        new_output_tokens=usage and usage.output_tokens,
        new_reasoning_tokens=usage and usage.reasoning_tokens,
        new_cached_input_tokens=usage and usage.cached_input_tokens,
        new_cost_nanodollars=cost,
        **end,
    )
    transaction.run(DELETE_EVENTS, run_id=run_id)
    if calls is None:
        has_begun = first_event_at is not None or folded.finish is not None
        calls = [CountedCall(model, "answer", usage)] if has_begun or usage else []
    add_calls(transaction, calls, owner_id=owner_id, org_id=org_id, now=now)
    metrics = RunMetrics(
        model,
        usage,
        seconds_between(created_at, first_event_at),
        seconds_between(created_at, now),
        cost,
    )
    length = text_length(folded.parts)
    return EndEvent(seq, result.status, reason, result.message, length, metrics)


def _end_compaction(
    transaction: Transaction,
    run_id: UUID,
    run: Sequence[Any],
    folded: FoldedRun,
    native: Sequence[NativeItem],
    seq: int,
    result: RunResult,
    now: datetime,
) -> EndEvent:
    """Close a run that adds a summary to an answer which has ended; that keeps its end."""
    message_id, model, _, created_at, first_event_at, *_, parts, _ = run
    # the stored ones, not those that its log begins with: a client may have appended others
    last = folded.parts[-1:]
    if last and last != parts[-1:] and last[0]["type"] == "summary":
        parts = [*parts, *last]
    if folded.finish is not None:  # the summary is there
        result = RunResult("complete")
    elif result.status == "failed":
        parts = [*parts, notice_part("summary_failed")]
    transaction.run(
        CHANGE_PARTS,
        message_id=message_id,
        new_parts=parts,
        new_size=size_of(parts) + native_size(native),
    )
    transaction.run(
        END_RUN,
        run_id=run_id,
        new_model=model,
        new_last_seq=seq,
        new_finished_at=now,
        new_input_tokens=None,
        new_output_tokens=None,
        new_reasoning_tokens=None,
        new_cached_input_tokens=None,
        new_cost_nanodollars=None,
        new_status=result.status,
        new_finish_reason=COMPACTION,
        new_error=result.error,
        new_error_params=dict(result.params),
    )
    transaction.run(DELETE_EVENTS, run_id=run_id)
    first, total = (seconds_between(created_at, at) for at in (first_event_at, now))
    metrics = RunMetrics(model, None, first, total)
    return EndEvent(seq, result.status, "", result.message, text_length(parts), metrics)


def _stored_end(
    transaction: Transaction,
    run_id: UUID,
    model: str,
    created_at: datetime,
    first_event_at: datetime | None,
) -> EndEvent | None:
    """The end event of a run that is closed already, as its rows say."""
    run = transaction.first(END_OF_RUN, run_id=run_id)
    if run is None:
        return None
    status, reason, error, params, seq, finished_at, cost, *tokens, parts = run
    usage = None if None in tokens[:2] else Usage(*tokens)
    first, total = (seconds_between(created_at, at) for at in (first_event_at, finished_at))
    metrics = RunMetrics(model, usage, first, total, cost)
    message = message_of(error, params)
    return EndEvent(seq, status, end_reason(reason), message, text_length(parts), metrics)


async def reap_lost_runs(db: Database, clock: Clock, models: Models) -> int:
    """The reaper: finalize every active run at start, before any run is active.

    A run is `interrupted` unless its log has the end of the answer. One that cannot be closed is
    left to the next start.

    Args:
        db: The database.
        clock: The time in rows.
        models: The models, for their names and prices.

    Returns:
        How many runs were finalized.

    Raises:
        DatabaseError: The database cannot be used.
    """
    count = 0
    last = _BEFORE_ALL
    while True:
        run_ids = await db.system_query("run recovery", partial(_lost, last))
        count += await _close(db, run_ids, clock, models)
        if len(run_ids) < _BATCH:
            return count
        last = run_ids[-1]


def _lost(last: UUID, transaction: Transaction) -> list[UUID]:
    return [run_id for (run_id,) in transaction.all(LOST_RUNS, last=last, limit=_BATCH)]


async def _close(db: Database, run_ids: Sequence[UUID], clock: Clock, models: Models) -> int:
    """Finalize lost runs: together, or one by one if one of them cannot be; how many were."""
    try:
        await db.system_transact("run recovery", partial(_finalize_lost, run_ids, clock, models))
    except (DatabaseError, InterfaceError, OperationalError, OSError):
        raise
    except Exception as error:
        if len(run_ids) > 1:
            return sum([await _close(db, [run_id], clock, models) for run_id in run_ids])
        # whatever it is, it is in that run's rows, and the others' answers are readable
        logger.error("A lost run cannot be closed: %s", type(error).__name__)
        return 0
    return len(run_ids)


def _finalize_lost(
    run_ids: Sequence[UUID], clock: Clock, models: Models, transaction: Transaction
) -> None:
    for run_id in run_ids:
        finalize(transaction, run_id, RunResult("interrupted"), clock(), models=models)
