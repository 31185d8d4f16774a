"""How long `make run` takes until the page answers on a machine that has run it before.

Beside it, in the same run, the time in which Python starts at all: that says how fast this
machine is just now.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.environment import resident
from benchmarks.report import Row, row
from testing.program import ROOT, free_port

TIMES = 5


def measure(folder: Path) -> list[Row]:
    """The rows of this part.

    Args:
        folder: Where the data may lie; the page must have been built.
    """
    _start(folder)  # makes the database
    found = [_start(folder) for _ in range(TIMES)]
    python = statistics.median(_python() for _ in range(TIMES))
    return [
        row(
            "`make run` → the page answers",
            [seconds for seconds, _ in found],
            "s",
            budget=8,
            beyond=4,
            remark=f"Python alone starts in {python:.2f} s",
        ),
        row(
            "idle memory of all its processes",
            [memory for _, memory in found],
            "MB",
            budget=200,
            beyond=150,
        ),
    ]


def _start(data: Path) -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen(
        ["make", "--no-print-directory", "run", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(data),
            "PORT": str(free_port()),
            "EMBEDDED_MODEL": "false",
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        if not any("The chat is at" in line for line in process.stdout):
            raise SystemExit("It did not start.")
        seconds = time.perf_counter() - began
        memory = resident(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
    return seconds, memory


def _python() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - began
