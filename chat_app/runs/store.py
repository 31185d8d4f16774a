"""The run log's transaction.

It writes rows of many people at once, so it is a named system session; it goes through Core,
which costs a third of the ORM per row.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, func, insert, or_, update

from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import LIVE, metadata
from chat_app.runs.log import Entry, Store

_EVENTS = metadata.tables["run_event"]
_RUNS = metadata.tables["run"]
_FIRST = _RUNS.c.first_event_at
_INSERT = insert(_EVENTS)
_ADVANCE = (
    update(_RUNS)
    # spelled out, because an IN cannot be executed for many rows at once
    .where(_RUNS.c.id == bindparam("run"), or_(*(_RUNS.c.status == one for one in LIVE)))
    .values(
        status="running",
        last_seq=bindparam("last"),
        first_event_at=func.coalesce(
            _RUNS.c.first_event_at, bindparam("now", type_=_RUNS.c.first_event_at.type)
        ),
    )
)


def event_store(db: Database, clock: Clock) -> Store:
    """What a `LogWriter` commits with.

    Args:
        db: The database.
        clock: Dates a run's first event.
    """

    async def store(entries: Sequence[Entry]) -> None:
        last = {entry.run_id: entry.seq for entry in entries}
        now = clock()
        async with db.system("run log", write=True) as session:
            connection = await session.connection()
            await connection.execute(
                _INSERT,
                [
                    {
                        "run_id": entry.run_id,
                        "seq": entry.seq,
                        "owner_id": entry.owner_id,
                        "kind": entry.kind,
                        "text": entry.text,
                    }
                    for entry in entries
                ],
            )
            await connection.execute(
                _ADVANCE, [{"run": run, "last": seq, "now": now} for run, seq in last.items()]
            )

    return store
