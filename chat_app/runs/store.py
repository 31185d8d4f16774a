"""The run log's transaction.

It writes rows of many people at once, so it is a named system session; it goes through Core,
which costs a third of the ORM per row.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, update

from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import metadata
from chat_app.runs.log import Entry, Store

_EVENTS = metadata.tables["run_event"]
_RUNS = metadata.tables["run"]
_INSERT = insert(_EVENTS)
_BEGIN = (
    update(_RUNS)
    .where(_RUNS.c.id == bindparam("run"), _RUNS.c.status == "queued")
    .values(status="running", first_event_at=bindparam("now"))
)


def event_store(db: Database, clock: Clock) -> Store:
    """What a `LogWriter` commits with.

    Args:
        db: The database.
        clock: Dates a run's first event.
    """

    async def store(entries: Sequence[Entry]) -> None:
        # the run's last_seq is written at its end: until then the log itself has it
        begun = [{"run": entry.run_id, "now": clock()} for entry in entries if entry.seq == 1]
        rows = [
            {
                "run_id": entry.run_id,
                "seq": entry.seq,
                "owner_id": entry.owner_id,
                "kind": entry.kind,
                "text": entry.text,
            }
            for entry in entries
        ]
        await db.system_batch("run log", [(_INSERT, rows), (_BEGIN, begun)])

    return store
