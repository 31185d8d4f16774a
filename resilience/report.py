"""What a scenario hands back, and the table at the end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """The outcome of one scenario.

    Attributes:
        name: Name of the scenario.
        tried: How many times.
        failed: How many of these went wrong.
        figures: What was measured or what went wrong, in a few words.
    """

    name: str
    tried: int
    failed: int
    figures: str = ""


Scenario = Callable[[], Awaitable[Result]]


def table(results: Sequence[Result]) -> str:
    """The results as aligned text, one line each below a head."""
    head = ("scenario", "tried", "failed", "figures")
    rows = [head, *((r.name, str(r.tried), str(r.failed), r.figures) for r in results)]
    first, second, third = (max(len(row[i]) for row in rows) for i in range(3))
    return "\n".join(
        f"{name:<{first}}  {tried:>{second}}  {failed:>{third}}  {figures}".rstrip()
        for name, tried, failed, figures in rows
    )
