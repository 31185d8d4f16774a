"""Count calls of models in the usage ledger: each once, whoever asked and however it ended.

The end of a run adds its calls in the transaction that closes it; calls without a run are added as
they end, by `UsageRecorder`. Calls that run at the same time add up: a row is changed by one
statement, under the write lock of its user.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlmodel import col, delete, select

from chat_app.core.clock import Clock, Sleep, retry
from chat_app.core.events import Usage
from chat_app.core.logging import log_unexpected_error
from chat_app.db.engine import DATABASE_ERRORS, Database
from chat_app.db.prepared import Transaction
from chat_app.db.scoped_session import Scope, SystemSession
from chat_app.db.statements import ADD_USAGE
from chat_app.db.tables import NO_USER, UsageLedger, User

Purpose = Literal["answer", "title", "compaction", "api"]
"""What a call was for: an answer in a thread, its title, a summary of its older messages, or an
answer that is stored nowhere."""

COUNTERS = (
    *("calls", "failed_calls", "unreported_calls"),
    *("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"),
)
"""The columns of the ledger that are counted up."""
_BACK_OFF = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Seconds before each further attempt to add a call."""
_SWEPT = timedelta(days=7)
"""How far back `sweep_deleted_users` looks: a call that outlives its account ends soon after."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class CountedCall:
    """A call of a model, as the ledger counts it.

    Args:
        model_id: The model that was called.
        purpose: What for.
        usage: The tokens that the provider has reported; None as long as it has reported none.
        has_failed: Whether the provider refused it, or failed.
    """

    model_id: str
    purpose: Purpose
    usage: Usage | None = None
    has_failed: bool = False


def add_calls(
    transaction: Transaction,
    calls: Iterable[CountedCall],
    *,
    owner_id: UUID,
    org_id: UUID,
    now: datetime,
) -> None:
    """Add calls to the ledger.

    Args:
        transaction: A write transaction. One that is restricted adds to the rows of its owner.
        calls: The calls.
        owner_id: Who asked.
        org_id: The organisation of the thread; `PRIVATE` for none.
        now: When; its day in UTC counts.
    """
    totals: dict[tuple[str, Purpose], dict[str, int]] = {}
    for call in calls:
        total = totals.setdefault((call.model_id, call.purpose), dict.fromkeys(COUNTERS, 0))
        for name, count in _counts(call).items():
            total[name] += count
    for (model_id, purpose), total in totals.items():
        key = {"owner_id": owner_id, "day": now.date(), "org_id": org_id, "model": model_id}
        transaction.run(ADD_USAGE, **key, purpose=purpose, **total)


def _counts(call: CountedCall) -> dict[str, int]:
    counts = {"calls": 1, "failed_calls": int(call.has_failed)}
    usage = call.usage
    if usage is None:
        return {**counts, "unreported_calls": 1}
    return {
        **counts,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens or 0,
        "reasoning_tokens": usage.reasoning_tokens or 0,
    }


class UsageRecorder:
    """Adds calls that belong to no run to the ledger, each in a small write of its own.

    Args:
        db: The database.
        clock: The time, for the day of a call.
        sleep: Makes the pauses between attempts.
    """

    def __init__(self, db: Database, clock: Clock, *, sleep: Sleep = asyncio.sleep) -> None:
        self._db = db
        self._clock = clock
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, principal: Scope, org_id: UUID, call: CountedCall) -> None:
        """Add a call that has ended; the caller does not wait for it.

        Args:
            principal: Who asked.
            org_id: The organisation of the thread; `PRIVATE` for none.
            call: The call.
        """
        task = asyncio.create_task(self._store(principal, org_id, call), name="usage")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def idle(self, timeout: float | None = None) -> None:
        """Wait until every call that was recorded is in the ledger.

        Args:
            timeout: The longest wait, in seconds; None for no limit.
        """
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout)

    async def _store(self, principal: Scope, org_id: UUID, call: CountedCall) -> None:
        owner_id, now = principal.user_id, self._clock()

        def add(transaction: Transaction) -> None:
            add_calls(transaction, [call], owner_id=owner_id, org_id=org_id, now=now)

        await retry(
            lambda: self._db.transact(principal, add),
            _BACK_OFF,
            should_retry=lambda error: isinstance(error, DATABASE_ERRORS),
            sleep=self._sleep,
        )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, DATABASE_ERRORS):
            logger.warning("A call of a model was not counted: %s", type(error).__name__)
        elif error is not None:
            log_unexpected_error(error, "the usage of a call")


async def disown_usage(session: SystemSession, user_id: UUID) -> None:
    """Add what a user has used to the rows of no user, in the caller's transaction.

    The sums of the installation and of each organisation stay what they are.

    Args:
        session: The transaction that deletes the user; it sees what others commit meanwhile.
        user_id: The user.
    """
    # what is deleted is what is added, also while a call is counted at the same time
    gone = await session.exec(
        delete(UsageLedger)
        .where(col(UsageLedger.owner_id) == user_id)
        .returning(*UsageLedger.__table__.c)  # pyright: ignore[reportAttributeAccessIssue]
    )
    rows: list[dict[str, Any]] = [{**row, "owner_id": NO_USER} for row in gone.mappings()]
    # in one order, so that two deletions do not wait for each other
    rows.sort(key=lambda row: (row["day"], row["org_id"], row["model"], row["purpose"]))
    await session.add_usage(rows)


async def sweep_deleted_users(db: Database, clock: Clock) -> int:
    """Disown what calls have added whose user was deleted while they ran; of how many users."""
    today, day = clock().date(), col(UsageLedger.day)
    is_there = select(User.id).where(col(User.id) == col(UsageLedger.owner_id)).exists()
    async with db.system("sweep") as session:
        found = await session.exec(
            select(UsageLedger.owner_id)
            # with both ends, SQLite looks the days up instead of reading every row
            .where(day >= today - _SWEPT, day <= today + timedelta(days=1))
            .where(col(UsageLedger.owner_id) != NO_USER, ~is_there)
            .distinct()
        )
        user_ids = found.all()
    for user_id in user_ids:
        async with db.system("sweep", write=True, read_committed=True) as session:
            await disown_usage(session, user_id)
    return len(user_ids)
