"""Requests made from the OpenAPI document, for every operation and every kind of credential."""

import asyncio
import tempfile
from pathlib import Path

from resilience.report import Result
from testing.schema_cases import Checked, schema_cases

EXAMPLES = 100


async def schema_requests() -> Result:
    """At least 100 requests for each operation with each credential: right ones and wrong ones."""
    checked = await asyncio.to_thread(_check)
    operations = list(dict.fromkeys(name for name, _ in checked.cases))
    credentials = list(dict.fromkeys(name for _, name in checked.cases))
    for operation in operations:
        counts = (f"{name} {checked.cases[operation, name]}" for name in credentials)
        print(f"{operation}: {', '.join(counts)}")
    wrong = [f"{who}, {name}: {problem}" for (name, who), problem in checked.wrong.items()]
    few = [
        f"{who}, {name}: {count} requests"
        for (name, who), count in checked.cases.items()
        if count < EXAMPLES
    ]
    for line in wrong + few:
        print(line)
    return Result(
        "schema requests",
        sum(checked.cases.values()),
        len(wrong) + len(few),
        "; ".join(wrong + few)[:300]
        or f"{len(operations)} operations, {min(checked.cases.values())} or more requests each "
        f"with each of {len(credentials)} credentials: no 5xx, as documented, nothing of another "
        "user",
    )


def _check() -> Checked:
    with (
        tempfile.TemporaryDirectory() as folder,
        schema_cases(Path(folder), log_level="warning") as (cases, credentials),
    ):
        return cases.check(credentials, EXAMPLES)
