"""The program without the log on the disk, to tell what the log costs. For measuring only."""

import sys
from collections.abc import Sequence

import chat_app.runs.log
from chat_app.cli import main
from chat_app.core.clock import Clock
from chat_app.db.engine import Database
from chat_app.runs.log import LogEntry, StoreEntries


def _nothing(_db: Database, _clock: Clock) -> StoreEntries:
    async def store(_entries: Sequence[LogEntry]) -> None:
        """Keep nothing."""

    return store


if __name__ == "__main__":
    # Before anything that the command line loads has taken the name from its module.
    chat_app.runs.log.event_store = _nothing
    sys.argv = ["chat-app", "run"]
    main()
