"""Runs every benchmark, one after another, or those that are named."""

import importlib
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> None:
    """Run the benchmarks with these names; all of them without a name."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    for name in names or [name for name in found if not name.startswith("_")]:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
