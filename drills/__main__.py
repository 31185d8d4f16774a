"""`python -m drills [NAME...]`: run groups (`faults`, `attacks`, `load`) or single drills.

Without a name: everything but the load.
"""

import argparse
import asyncio
import importlib
import importlib.util
import sys
import time
import traceback

from drills.report import Drill, Result, table

GROUPS = ("faults", "attacks", "load")


def drills() -> dict[str, dict[str, Drill]]:
    """Every drill by its name, by its group."""
    there = [group for group in GROUPS if importlib.util.find_spec(f"drills.{group}")]
    return {group: importlib.import_module(f"drills.{group}").DRILLS for group in there}


def chosen(names: list[str], groups: dict[str, dict[str, Drill]]) -> dict[str, Drill]:
    """The drills that `names` mean, in that order; all but the load for no names.

    Raises:
        SystemExit: A name means nothing.
    """
    known = {name: {name: drill} for drills in groups.values() for name, drill in drills.items()}
    known |= groups
    wanted: dict[str, Drill] = {}
    for name in names or [group for group in groups if group != "load"]:
        if name not in known:
            raise SystemExit(f"No drill is called {name!r}. There are: {', '.join(known)}")
        wanted |= known[name]
    return wanted


async def run(wanted: dict[str, Drill]) -> list[Result]:
    """Run one drill after the other; one that breaks off has failed, and the next goes on."""
    results = []
    for name, drill in wanted.items():
        print(f"{name} ...", flush=True)
        started = time.monotonic()
        try:
            result = await drill()
        except Exception as error:  # a drill that breaks off must not hide the others
            traceback.print_exc()
            result = Result(name, 1, 1, f"broke off: {type(error).__name__}: {error}"[:200])
        results.append(result)
        print(f"{name}: {result.failed} of {result.tried} failed", end=" ")
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    return results


def main() -> int:
    """Run, print the table, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    results = asyncio.run(run(chosen(parser.parse_args().names, drills())))
    print(f"\n{table(results)}")
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
