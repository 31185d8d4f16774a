"""How long `chat-app run` takes until the page answers, once the page is built.

Beside it, in the same run, the time in which Python starts at all: that says how fast this
machine is just now.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMES = 5


def main() -> None:
    """Print the medians in seconds, and the memory in megabytes."""
    with tempfile.TemporaryDirectory() as data:
        _start(data)  # builds the page and makes the database
        found = [_start(data) for _ in range(TIMES)]
    python = statistics.median(_python() for _ in range(TIMES))
    seconds = statistics.median(one for one, _ in found)
    print(f"start to answer   {seconds:6.2f} s   ({seconds / python:.0f} times Python itself)")
    print(f"resident memory   {statistics.median(memory for _, memory in found):6.0f} MB")


def _start(data: str) -> tuple[float, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "chat_app.cli", "run", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": data},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if not any("The chat is at" in line for line in process.stdout):
            raise SystemExit("It did not start.")
        seconds = time.perf_counter() - began
        memory = _resident(process.pid)
        process.send_signal(signal.SIGTERM)
    return seconds, memory


def _python() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - began


def _resident(pid: int) -> float:
    said = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(said.stdout) / 1000


if __name__ == "__main__":
    main()
