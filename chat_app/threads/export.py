"""Export a user's account and threads as a zip archive."""

import asyncio
import json
import re
import tempfile
import zipfile
from collections.abc import Sequence
from typing import IO, Any

from pydantic.alias_generators import to_camel
from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.account.export import export_account, picture_of, timestamp
from chat_app.auth.principal import Principal
from chat_app.core.errors import message_of
from chat_app.core.parts import Part
from chat_app.db.engine import Database
from chat_app.db.tables import (
    PRIVATE,
    ChatDefaults,
    ClientReport,
    Message,
    Thread,
    UsageLedger,
)
from chat_app.db.transactions import shielded
from chat_app.usage.ledger import COUNTERS

_MAX_MEMORY = 4_000_000  # bytes; a larger archive is written to an unnamed file
_NOT_IN_FILE_NAME = re.compile(r"[^\w-]+")
_SPEAKERS = {"user": "You", "assistant": "Answer"}


async def export(db: Database, principal: Principal) -> IO[bytes]:
    """A zip with `account.json`, the picture, two lists, and each thread in two forms.

    A thread is there as JSON and as Markdown; `reports.json` has the reports of the user's clients,
    `usage.json` what the user has used models for.

    Deleted threads that can still be restored are included. Two rows of the audit log say that the
    account and the chats were exported.

    Args:
        db: The database.
        principal: The user.

    Returns:
        The archive, open at its beginning. Closing it removes it.

    Raises:
        NotFound: The user is deleted.
    """
    account, picture = await export_account(db, principal), await picture_of(db, principal)
    file = tempfile.SpooledTemporaryFile(max_size=_MAX_MEMORY)  # noqa: SIM115 the caller closes it
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            async with db.read(principal) as session:
                defaults = await session.get(ChatDefaults, principal.user_id)
            account["chatDefaults"] = {} if defaults is None else defaults.options
            archive.writestr("account.json", _json(account))
            if picture is not None:
                archive.writestr(f"picture.{picture[0].rpartition('/')[2]}", picture[1])
            async with db.read(principal) as session:
                reports = await session.exec(
                    select(ClientReport).order_by(col(ClientReport.created_at))
                )
                archive.writestr("reports.json", _json([_report(one) for one in reports]))
                usage = await session.exec(
                    select(UsageLedger).order_by(*UsageLedger.__table__.primary_key)  # pyright: ignore[reportAttributeAccessIssue]
                )
                archive.writestr("usage.json", _json([_usage(one) for one in usage]))
                threads = (
                    await session.exec(select(Thread).order_by(col(Thread.created_at)))
                ).all()
            async with db.write(principal) as session:
                await audit.append(
                    session, "chats_exported", actor=principal, details={"count": len(threads)}
                )
            for number, thread in enumerate(threads, 1):
                async with db.read(principal) as session:
                    rows = await session.exec(
                        select(Message)
                        .where(col(Message.thread_id) == thread.id)
                        .order_by(col(Message.created_at), col(Message.id))
                    )
                    messages = rows.all()
                # an archive that is being written to can't be closed
                writing = asyncio.to_thread(_write_thread, archive, number, thread, messages)
                await shielded(writing)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _report(report: ClientReport) -> dict[str, Any]:
    return {
        "id": str(report.id),
        "kind": report.kind,
        "thread": str(report.thread_id) if report.thread_id else None,
        "message": str(report.message_id) if report.message_id else None,
        "content": report.content,
        "createdAt": timestamp(report.created_at),
    }


def _usage(row: UsageLedger) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(),
        "organisation": None if row.org_id == PRIVATE else str(row.org_id),
        "model": row.model,
        "purpose": row.purpose,
        **{to_camel(name): getattr(row, name) for name in COUNTERS},
    }


def _write_thread(
    archive: zipfile.ZipFile, number: int, thread: Thread, messages: Sequence[Message]
) -> None:
    # numbered, because titles are not unique and may have no letter
    slug = _NOT_IN_FILE_NAME.sub("-", thread.title).strip("-")[:60]
    name = f"threads/{number:04}-{slug}".rstrip("-")
    archive.writestr(f"{name}.json", _json(_thread(thread, messages)))
    archive.writestr(f"{name}.md", _markdown(thread, messages))


def _thread(thread: Thread, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "id": str(thread.id),
        "organisation": None if thread.org_id == PRIVATE else str(thread.org_id),
        "title": thread.title,
        "model": thread.model,
        "options": thread.options,
        "status": thread.status,
        "externalId": thread.external_id,
        "custom": thread.custom,
        "createdAt": timestamp(thread.created_at),
        "updatedAt": timestamp(thread.updated_at),
        "deletedAt": timestamp(thread.deleted_at),
        "head": str(thread.head_id) if thread.head_id else None,
        "messages": [
            {
                "id": str(message.id),
                "parent": str(message.parent_id) if message.parent_id else None,
                "role": message.role,
                "parts": message.parts,
                "status": message.status,
                "finishReason": message.finish_reason,
                "model": message.model,
                "origin": message.origin or None,
                "createdAt": timestamp(message.created_at),
                "deletedAt": timestamp(message.deleted_at),
            }
            for message in messages
        ],
    }


def _markdown(thread: Thread, messages: Sequence[Message]) -> str:
    """The current branch as Markdown."""
    by_id = {message.id: message for message in messages}
    sections: list[str] = []
    message = by_id.get(thread.head_id) if thread.head_id else None
    while message is not None:
        heading = _SPEAKERS.get(message.role, message.role)
        content = "\n\n".join(filter(None, map(_part_as_markdown, message.parts)))
        sections.append(f"## {heading}\n\n{content}\n")
        message = by_id.get(message.parent_id) if message.parent_id else None
    return "\n".join([f"# {thread.title}\n", *reversed(sections)])


def _part_as_markdown(part: Part) -> str:
    match part["type"]:
        case "text":
            return part["text"]
        case "reasoning":
            seconds = part.get("seconds")
            heading = "Thought" if seconds is None else f"Thought for {max(1, round(seconds))} s"
            return _quoted(f"*{heading}*", part["text"])
        case "summary":
            heading = f"*Summary of {part['count']} older messages, for the model*"
            return _quoted(heading, part["text"])
        case "notice":
            return f"*{message_of(part['code'], part['params'])}*"
        case _:
            return ""


def _quoted(heading: str, text: str) -> str:
    lines = (heading, "", *text.strip().splitlines())
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
