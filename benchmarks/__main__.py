"""Takes every measurement, or the parts that are named, and prints one table.

The figures are also written to `.build/bench.json`. The table of a quiet moment stands in
`docs/performance.md`.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import asks, audit_log, browser_page, chat_stream, start_time, streams, thread_lists
from benchmarks.environment import Environment, open_environment
from benchmarks.report import Row, save, table

PARTS: dict[str, Callable[[Environment], list[Row]]] = {
    "page": browser_page.measure,
    "streams": streams.measure,
    "asks": asks.measure,
    "chat": chat_stream.measure,
    "lists": thread_lists.measure,
}
"""What is measured in one program that runs all along; `audit` and `start` need none."""


def main(names: list[str]) -> None:
    """Measure the parts with these names; all of them without a name."""
    before, rows = os.getloadavg()[0], list[Row]()
    wanted = names or [*PARTS, "audit", "start"]
    with tempfile.TemporaryDirectory() as folder:
        chosen = [name for name in PARTS if name in wanted]
        if chosen:
            with open_environment(Path(folder)) as env:
                for name in chosen:
                    print(f"measuring: {name}", file=sys.stderr, flush=True)
                    rows += PARTS[name](env)
        if "audit" in wanted:
            print("measuring: audit", file=sys.stderr, flush=True)
            rows += audit_log.measure(Path(folder) / "audit")
        if "start" in wanted:
            print("measuring: start", file=sys.stderr, flush=True)
            rows += start_time.measure(Path(folder) / "start")
    load = (before, os.getloadavg()[0])
    save(rows, load)
    print(table(rows))
    print(f"\nLoad average of the last minute: {load[0]:.1f} before, {load[1]:.1f} after.")


if __name__ == "__main__":
    main(sys.argv[1:])
