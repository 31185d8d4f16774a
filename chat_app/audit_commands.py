"""The commands `chat-app audit`: the head of the audit log, its check and its export."""

import contextlib
import sys
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from chat_app.command_services import with_services

if TYPE_CHECKING:
    from chat_app.audit.verify import Verification
    from chat_app.services import Services

EXIT_CHANGED = 3
"""The log was changed."""
EXIT_UNCHECKED = 4
"""No row could be checked, because none of the keys has sealed one."""


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "It must look like 2026-01-31 or 2026-01-31T12:00:00+01:00."
        ) from None


def _end(text: str) -> datetime:
    """The end of a day, or a time."""
    time = _time(text)
    with contextlib.suppress(ValueError, OverflowError):  # it is a time; there is no later day
        date.fromisoformat(text)
        return time + timedelta(days=1)
    return time


audit = typer.Typer(help="Check and export the audit log.", no_args_is_help=True)


class ExportFormat(StrEnum):
    """The formats of an export."""

    JSONL = "jsonl"
    CSV = "csv"


@audit.command("head")
def print_head() -> None:
    """Print the number and the seal of the last sealed row; note it elsewhere for `verify`."""
    from chat_app.audit.sealer import head_of

    async def read(services: "Services") -> str:
        return str(await services.db.system_query("audit", head_of))

    typer.echo(with_services(read))


@audit.command("verify")
def verify_log(
    head: Annotated[
        str | None, typer.Option(help="A head that was noted earlier, SEQ:SEAL.")
    ] = None,
) -> None:
    """Find changed, removed, moved and added rows; with --head also a cut tail.

    The exit code is 0 if every seal fits, 3 if the log was changed, and 4 if nothing can be
    checked.
    """
    from chat_app.audit.verify import InvalidHead, parse_head, verify

    try:
        noted = None if head is None else parse_head(head)
    except InvalidHead as error:
        raise typer.BadParameter(error.message, param_hint="--head") from None
    found = with_services(lambda services: verify(services.db, services.keyring, noted))
    _report(found)
    if found.count:
        raise typer.Exit(EXIT_CHANGED)
    if found.rows and found.starts_at is None:
        raise typer.Exit(EXIT_UNCHECKED)


@audit.command("export")
def export_log(
    form: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.JSONL,
    since: Annotated[
        datetime | None, typer.Option(parser=_time, metavar="TIME", help="From this day or time.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=_end, metavar="TIME", help="To this day or time.")
    ] = None,
    action: Annotated[list[str] | None, typer.Option(help="Only this; can be repeated.")] = None,
) -> None:
    """Write the audit log to standard output, the oldest row first; times are in UTC."""
    from chat_app import audit as log
    from chat_app.audit.actions import Action
    from chat_app.audit.export import lines
    from chat_app.audit.queries import Filters, every

    known = set(get_args(Action))
    if unknown := [one for one in action or () if one not in known]:
        raise typer.BadParameter(
            f"There is no action {unknown[0]!r}. The actions: {', '.join(get_args(Action))}.",
            param_hint="--action",
        )
    if since and until and until < since:
        raise typer.BadParameter("It is before --since.", param_hint="--until")
    filters = Filters(
        actions=[one for one in get_args(Action) if one in (action or ())],
        since=since,
        until=until,
    )

    async def write(services: "Services") -> None:
        async with services.db.system("audit", write=True) as session:
            details: log.Details = {"format": form.value}
            await log.append(session, "audit_exported", actor="command line", details=details)
        async for line in lines(every(services.db, filters), form.value):
            sys.stdout.write(line)

    with_services(write)


def _report(found: "Verification") -> None:
    for problem in found.problems:
        typer.echo(problem)
    if more := found.count - len(found.problems):
        typer.echo(f"… and {more} more.")
    if found.unsealed:
        typer.echo(f"Rows without a seal yet: {found.unsealed}. A running server seals them.")
    if not found.rows:
        typer.echo("No row has a seal." if found.unsealed else "The audit log is empty.")
    elif found.starts_at is None:
        typer.echo("None of the keys has sealed a row, so nothing could be checked.")
    else:
        if found.starts_at > 1 and not found.count:
            typer.echo(
                f"The check starts at row {found.starts_at}, where the key changed; for the rows "
                "before it, put the earlier key into AUTH_SECRET_PREVIOUS."
            )
        state = f"{found.count} problems" if found.count else "every seal fits"
        typer.echo(f"{found.rows} rows: {state}. Head: {found.head}")
