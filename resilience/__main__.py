"""`python -m resilience [NAME...]`: run groups (`faults`, `attacks`, `load`) or single scenarios.

Without a name: everything but the load.
"""

import argparse
import asyncio
import importlib
import importlib.util
import sys
import time
import traceback

from resilience.report import Result, Scenario, table

GROUPS = ("faults", "attacks", "load")


def scenarios() -> dict[str, dict[str, Scenario]]:
    """Every scenario by its name, by its group."""
    there = [group for group in GROUPS if importlib.util.find_spec(f"resilience.{group}")]
    return {group: importlib.import_module(f"resilience.{group}").SCENARIOS for group in there}


def chosen(names: list[str], groups: dict[str, dict[str, Scenario]]) -> dict[str, Scenario]:
    """The scenarios that `names` mean, in that order; all but the load for no names.

    Raises:
        SystemExit: A name means nothing.
    """
    every = {name: scenario for group in groups.values() for name, scenario in group.items()}
    known = {name: {name: scenario} for name, scenario in every.items()}
    known |= groups
    wanted: dict[str, Scenario] = {}
    for name in names or [group for group in groups if group != "load"]:
        if name not in known:
            raise SystemExit(f"No scenario is called {name!r}. There are: {', '.join(known)}")
        wanted |= known[name]
    return wanted


async def run(wanted: dict[str, Scenario]) -> list[Result]:
    """Run one scenario after the other; one that breaks off has failed, and the next goes on."""
    results = []
    for name, scenario in wanted.items():
        print(f"{name} ...", flush=True)
        started = time.monotonic()
        try:
            result = await scenario()
        except Exception as error:  # a scenario that breaks off must not hide the others
            traceback.print_exc()
            result = Result(name, 1, 1, f"broke off: {type(error).__name__}: {error}"[:200])
        results.append(result)
        print(f"{name}: {result.failed} of {result.tried} failed", end=" ")
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    return results


def main() -> int:
    """Run, print the table, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m resilience", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    results = asyncio.run(run(chosen(parser.parse_args().names, scenarios())))
    print(f"\n{table(results)}")
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
