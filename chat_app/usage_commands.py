"""The command `chat-app usage`: what users have used models for, as a table or as CSV."""

import csv
import sys
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from chat_app.command_services import with_services
from chat_app.core.clock import utc_now
from chat_app.core.errors import InvalidInput
from chat_app.core.text import visible_line

if TYPE_CHECKING:
    from chat_app.usage.queries import UsageRow

_NO_USER = "(deleted accounts)"


class SummedBy(StrEnum):
    """What sums are printed for each of."""

    DAY = "day"
    MODEL = "model"
    USER = "user"
    ORGANISATION = "organisation"
    PURPOSE = "purpose"


class UsageFormat(StrEnum):
    """The formats of the sums."""

    TABLE = "table"
    CSV = "csv"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("It must look like 2026-01-31.") from None


def print_usage(
    since: Annotated[
        date | None, typer.Option(parser=_day, metavar="DAY", help="The first day.")
    ] = None,
    until: Annotated[
        date | None, typer.Option(parser=_day, metavar="DAY", help="The last day.")
    ] = None,
    by: Annotated[SummedBy, typer.Option(help="What to sum for each of.")] = SummedBy.MODEL,
    form: Annotated[UsageFormat, typer.Option("--format")] = UsageFormat.TABLE,
) -> None:
    """Print how many calls of models were made and the tokens they took; days are in UTC.

    Without --since the last 30 days are counted, up to --until or today.
    """
    from chat_app.audit.export import safe_cell
    from chat_app.usage.ledger import COUNTERS
    from chat_app.usage.queries import every_sum, typed_period

    try:
        period = typed_period(since, until, utc_now())
    except InvalidInput as error:
        raise typer.BadParameter(error.message, param_hint="--until") from None
    rows = with_services(lambda services: every_sum(services.db, period, by.value))
    lines = [(_name(by, row), *(getattr(row.sums, name) for name in COUNTERS)) for row in rows]
    if form is UsageFormat.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow((by.value, *COUNTERS))
        writer.writerows((safe_cell(name), *counts) for name, *counts in lines)
    elif not lines:
        typer.echo(f"Nothing was used from {period.since} to {period.until}.")
    else:
        _print_table((by.value, *COUNTERS), lines)


def _print_table(names: Sequence[str], lines: Sequence[tuple[str, *tuple[int, ...]]]) -> None:
    heads = tuple(name.replace("_", " ").upper() for name in names)
    table = [heads, *((visible_line(name), *map(str, counts)) for name, *counts in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *counts in table:
        cells = (cell.rjust(width) for cell, width in zip(counts, widths[1:], strict=True))
        typer.echo("  ".join((name.ljust(widths[0]), *cells)))


def _name(by: SummedBy, row: "UsageRow") -> str:
    from chat_app.db.tables import NO_USER, PRIVATE

    if row.name or by not in (SummedBy.USER, SummedBy.ORGANISATION):
        return row.name or row.key
    if by is SummedBy.USER:
        return _NO_USER if row.key == str(NO_USER) else f"(deleted: {row.key})"
    return "(personal)" if row.key == str(PRIVATE) else f"(deleted: {row.key})"
