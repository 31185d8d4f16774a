"""What models were used for, as pages show it, and the state of the user's own page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.account import SettingsState
from chat_app.usage.queries import (
    DEFAULT_DAYS,
    OwnDimension,
    Period,
    UsageRow,
    UsageSums,
    own_usage,
)

PURPOSES = {
    "answer": "Answers",
    "title": "Titles of chats",
    "compaction": "Summaries of older messages",
    "api": "API calls without a chat",
}
"""What people read for each `usage.ledger.Purpose`."""
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"))
_EXACT = 10**7


@dataclass(frozen=True)
class UsageItem:
    """A row of a table: the numbers of a model, a purpose, a user or an organisation.

    Args:
        id: Names it in the list.
        name: What people read.
        note: What else is known of its calls; may be empty.
        calls: How many there were.
        input: Tokens of the prompts.
        output: Tokens of the answers.
    """

    id: str
    name: str
    note: str
    calls: str
    input: str
    output: str


@dataclass(frozen=True)
class UsageBar:
    """A day of the chart.

    Args:
        height: Of its bar, as CSS has it.
        title: What it says when it is pointed at.
        item: Its numbers, in the table beside the chart.
    """

    height: str
    title: str
    item: UsageItem


def count_text(count: int) -> str:
    """A count as people read it: exact, but for one of more than seven digits."""
    if count < _EXACT:
        return f"{count:,}"
    unit, letter = next(one for one in _UNITS if count >= one[0])
    return f"{count / unit:,.1f} {letter}"


def day_text(day: date) -> str:
    """A day as people read it."""
    return f"{day.day} {day:%B %Y}"


def usage_item(row: UsageRow, name: str) -> UsageItem:
    """A row of a table.

    Args:
        row: The numbers.
        name: What people read.
    """
    return UsageItem(row.key, name, _note(row.sums), *_numbers(row.sums))


def usage_bars(period: Period, rows: Sequence[UsageRow]) -> list[UsageBar]:
    """A bar for each day of a period, also for those on which nothing was used.

    Args:
        period: The days.
        rows: Those on which something was used.
    """
    by_day = {row.key: row.sums for row in rows}
    highest = max((sums.tokens for sums in by_day.values()), default=0)
    return [_bar(day, by_day.get(day.isoformat(), UsageSums()), highest) for day in period.days]


def _bar(day: date, sums: UsageSums, highest: int) -> UsageBar:
    name, tokens = day_text(day), count_text(sums.tokens)
    item = UsageItem(day.isoformat(), name, _note(sums), *_numbers(sums))
    height = f"max(1px, {100 * sums.tokens / highest:.1f}%)" if sums.tokens else "0"
    return UsageBar(height, f"{name}: {tokens} tokens, {item.calls} calls", item)


def _numbers(sums: UsageSums) -> tuple[str, str, str]:
    return count_text(sums.calls), count_text(sums.input_tokens), count_text(sums.output_tokens)


def _note(sums: UsageSums) -> str:
    counts = {
        "failed": sums.failed_calls,
        "without reported tokens": sums.unreported_calls,
        "cached input": sums.cached_input_tokens,
        "reasoning": sums.reasoning_tokens,
    }
    return " · ".join(f"{count_text(count)} {what}" for what, count in counts.items() if count)


class UsageFigures(SettingsState, mixin=True):
    """The numbers of a period: in all, by day, by model and by purpose."""

    days: rx.Field[int] = rx.field(DEFAULT_DAYS)
    calls: rx.Field[str] = rx.field("0")
    input_tokens: rx.Field[str] = rx.field("0")
    output_tokens: rx.Field[str] = rx.field("0")
    note: rx.Field[str] = rx.field("")
    is_empty: rx.Field[bool] = rx.field(True)
    bars: rx.Field[list[UsageBar]] = rx.field(default_factory=list)
    first_day: rx.Field[str] = rx.field("")
    last_day: rx.Field[str] = rx.field("")
    peak: rx.Field[str] = rx.field("")
    models: rx.Field[list[UsageItem]] = rx.field(default_factory=list)
    purposes: rx.Field[list[UsageItem]] = rx.field(default_factory=list)

    @rx.event
    async def choose(self, days: int):
        """Show another period."""
        self.days = days
        await self._read(current_principal())

    def _period(self) -> Period:
        return Period.last(self.days, services().clock())

    def _show(
        self, period: Period, total: UsageSums, by: Mapping[OwnDimension, Sequence[UsageRow]]
    ) -> None:
        self.calls, self.input_tokens, self.output_tokens = _numbers(total)
        self.note, self.is_empty = _note(total), not total.calls
        self.bars = usage_bars(period, by["day"])
        self.first_day, self.last_day = day_text(period.since), day_text(period.until)
        most = max(by["day"], key=lambda row: row.sums.tokens, default=None)
        self.peak = (
            f"{count_text(most.sums.tokens)} on {day_text(date.fromisoformat(most.key))}"
            if most
            else ""
        )
        self.models = _items(by["model"], services().models.name_of)
        self.purposes = _items(by["purpose"], lambda key: PURPOSES.get(key, key))


def _items(rows: Sequence[UsageRow], name: Callable[[str], str]) -> list[UsageItem]:
    return [usage_item(row, name(row.key)) for row in rows]


class OwnUsageState(UsageFigures, rx.State):
    """What the user has used."""

    async def _read(self, principal: Principal) -> None:
        period = self._period()
        found = await own_usage(services().db, principal, period)
        self._show(period, found.total, found.by)
