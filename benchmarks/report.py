"""What was found, beside what was promised."""

import json
import operator
import os
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

FOUND = Path(__file__).parents[1] / ".build" / "bench.json"

_HOLDS = {"<=": operator.le, ">=": operator.ge}
_SIGN = {"<=": "≤", ">=": "≥"}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    Args:
        metric: What was measured.
        values: The figures, one per repetition; the median counts.
        unit: Theirs.
        budget: The most, or the least, that was promised; None promises nothing.
        beyond: What would be better than promised.
        yardstick: The same of the bare proxy, or of what the remark names, in the same run.
        least: The same of the least proxy.
        remark: What to know when reading it.
        sense: Whether the budget is a most (`<=`) or a least (`>=`).
    """

    metric: str
    values: tuple[float, ...]
    unit: str
    budget: float | None = None
    beyond: float | None = None
    yardstick: float | None = None
    least: float | None = None
    remark: str = ""
    sense: str = "<="

    @property
    def figure(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """How the figure stands to the budget."""
        if self.budget is None:
            return ""
        holds = _HOLDS[self.sense]
        if self.beyond is not None and holds(self.figure, self.beyond):
            return "beyond"
        return "met" if holds(self.figure, self.budget) else "**missed**"


def row(metric: str, values: Iterable[float] | float, unit: str = "", **more: object) -> Row:
    """A `Row` of one figure or of several."""
    found = (values,) if isinstance(values, int | float) else tuple(values)
    return Row(metric, found, unit, **more)  # pyright: ignore[reportArgumentType]


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| metric | found | range | bare proxy | least proxy | budget (beyond) | verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for one in rows:
        spread = f"{_number(min(one.values))}–{_number(max(one.values))}"  # noqa: RUF001
        budget = "" if one.budget is None else f"{_SIGN[one.sense]} {_number(one.budget)}"
        if one.beyond is not None:
            budget += f" ({_number(one.beyond)})"
        metric = f"{one.metric}, {one.unit}" if one.unit else one.metric
        cells = (
            f"{metric} ({one.remark})" if one.remark else metric,
            _number(one.figure),
            spread if len(one.values) > 1 else "",
            "" if one.yardstick is None else _number(one.yardstick),
            "" if one.least is None else _number(one.least),
            budget,
            one.verdict,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def save(rows: Iterable[Row], load: tuple[float, float]) -> None:
    """Write the rows as JSON.

    Args:
        rows: What was found.
        load: The machine's load average before and after.
    """
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load": load,
        "revision": _revision(),
        "rows": [{**asdict(one), "figure": one.figure, "verdict": one.verdict} for one in rows],
    }
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(json.dumps(found, indent=1) + "\n")


def _revision() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=FOUND.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
