"""The audit log as JSON Lines or as CSV, a line at a time."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Literal

from chat_app.db.tables import AuditEvent

Format = Literal["jsonl", "csv"]

COLUMNS = (
    *("seq", "at", "action", "actor", "subject_kind", "subject", "organisation", "network"),
    *("request_id", "details", "seal", "key_id", "anchor_seal"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


async def lines(events: AsyncIterator[AuditEvent], form: Format) -> AsyncIterator[str]:
    """The lines of an export, each with its end.

    Args:
        events: The rows.
        form: JSON Lines, or CSV (RFC 4180) with a header.
    """
    if form == "csv":
        yield _csv_line(COLUMNS)
    async for event in events:
        row = _row(event)
        yield _csv_line(row.values()) if form == "csv" else _json_line(row)


def cut_line(form: Format) -> str:
    """The last line of an export that ends before its last row: a row of this action alone."""
    row = dict.fromkeys(COLUMNS) | {"action": "export_cut", "details": ""}
    return _csv_line(row.values()) if form == "csv" else _json_line(row)


def safe_cell(value: object) -> str:
    """A value as a spreadsheet shows it, and never as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": _time(event.at),
        "action": event.action,
        "actor": event.actor,
        "subject_kind": event.subject_kind,
        "subject": event.subject,
        "organisation": None if event.org_id is None else str(event.org_id),
        "network": event.network,
        "request_id": event.request_id,
        "details": event.details,
        "seal": event.seal,
        "key_id": event.key_id,
        "anchor_seal": event.anchor_seal,
    }


def _time(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _json_line(row: dict[str, Any]) -> str:
    details = json.loads(row["details"]) if row["details"] else {}
    return json.dumps({**row, "details": details}, separators=(",", ":")) + "\n"


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([safe_cell(value) for value in values])
    return line.getvalue()
