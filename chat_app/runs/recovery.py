"""Closing what a lost process left running."""

from uuid import UUID

from sqlmodel import col, select

from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import LIVE, Run
from chat_app.runs.settle import Outcome, settle

_AT_ONCE = 100


async def recover(db: Database, clock: Clock) -> int:
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
                await settle(session, run_id, Outcome("interrupted"), clock())
        count += len(run_ids)
        if len(run_ids) < _AT_ONCE:
            return count
        last = run_ids[-1]
