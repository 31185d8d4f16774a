"""The program with a clock that a file moves: what stands in `CLOCK_FILE`, in seconds, is added."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import chat_app.core.clock
from chat_app.cli import main

_real = time.time
_file = Path(os.environ["CLOCK_FILE"])


def _now() -> float:
    return _real() + float(_file.read_text())


def _utc_now() -> datetime:
    return datetime.fromtimestamp(_now(), UTC)


if __name__ == "__main__":
    # Before anything that the command line loads has taken a name from these modules.
    time.time = _now
    chat_app.core.clock.utc_now = _utc_now
    sys.argv = ["chat-app", "run"]
    main()
