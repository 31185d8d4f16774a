"""Requests made from the OpenAPI document, for every operation and every kind of credential."""

import asyncio
import tempfile
from pathlib import Path

from resilience.report import Result
from testing.schema_cases import Checked, schema_cases

EXAMPLES = 100


async def schema_requests() -> Result:
    """At least 100 requests for each operation with each credential: right ones and wrong ones."""
    found = await asyncio.to_thread(_check)
    wrong = [
        f"{who}, {name}: {problem}"
        for who, checked in found.items()
        for name, problem in checked.wrong.items()
    ]
    few = [
        f"{who}, {name}: {count} requests"
        for who, checked in found.items()
        for name, count in checked.cases.items()
        if count < EXAMPLES
    ]
    for line in wrong + few:
        print(line)
    counts = [count for checked in found.values() for count in checked.cases.values()]
    operations = {name for checked in found.values() for name in checked.cases}
    return Result(
        "schema requests",
        sum(counts),
        len(wrong) + len(few),
        "; ".join(wrong + few)[:300]
        or f"{len(operations)} operations, {min(counts)} or more requests each as "
        f"{' and as '.join(found)}: no 5xx, as documented, nothing of another user",
    )


def _check() -> dict[str, Checked]:
    with (
        tempfile.TemporaryDirectory() as folder,
        schema_cases(Path(folder)) as (cases, credentials),
    ):
        return {one.name: cases.check(one, EXAMPLES) for one in credentials}
