"""Everything a person has written and been answered, in one archive they can take away."""

import asyncio
import json
import re
import tempfile
import zipfile
from collections.abc import Sequence
from typing import IO, Any

from sqlmodel import col, select

from chat_app.auth.account.export import export_account, picture_of, timestamp
from chat_app.auth.principal import Principal
from chat_app.core.parts import text_of
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread

_IN_MEMORY = 4_000_000  # bytes; a larger archive is written to a file that has no name
_UNFIT = re.compile(r"[^\w-]+")
_SPEAKERS = {"user": "You", "assistant": "Answer"}


async def export(db: Database, principal: Principal) -> IO[bytes]:
    """A zip with `account.json`, the picture, and each thread as JSON and as Markdown.

    A thread that was deleted and can still be restored is there too: it is kept, so it is shown.

    Args:
        db: The database.
        principal: Whose things.

    Returns:
        The archive, open at its beginning. Closing it removes it.

    Raises:
        NotFound: The person is gone.
    """
    account, picture = await export_account(db, principal), await picture_of(db, principal)
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 the caller closes it
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("account.json", _json(account))
            if picture is not None:
                archive.writestr(f"picture.{picture[0].rpartition('/')[2]}", picture[1])
            async with db.read(principal) as session:
                threads = (
                    await session.exec(select(Thread).order_by(col(Thread.created_at)))
                ).all()
            for number, thread in enumerate(threads, 1):
                async with db.read(principal) as session:
                    found = await session.exec(
                        select(Message)
                        .where(col(Message.thread_id) == thread.id)
                        .order_by(col(Message.created_at), col(Message.id))
                    )
                    messages = found.all()
                await asyncio.to_thread(_put, archive, number, thread, messages)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _put(
    archive: zipfile.ZipFile, number: int, thread: Thread, messages: Sequence[Message]
) -> None:
    # A number first: two threads may have one title, and a title may have no letter.
    name = f"threads/{number:04}-{_UNFIT.sub('-', thread.title).strip('-')[:60]}".rstrip("-")
    archive.writestr(f"{name}.json", _json(_thread(thread, messages)))
    archive.writestr(f"{name}.md", _markdown(thread, messages))


def _thread(thread: Thread, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "id": str(thread.id),
        "title": thread.title,
        "model": thread.model,
        "createdAt": timestamp(thread.created_at),
        "updatedAt": timestamp(thread.updated_at),
        "deletedAt": timestamp(thread.deleted_at),
        "head": str(thread.head_id) if thread.head_id else None,
        "messages": [
            {
                "id": str(one.id),
                "parent": str(one.parent_id) if one.parent_id else None,
                "role": one.role,
                "parts": one.parts,
                "status": one.status,
                "model": one.model,
                "createdAt": timestamp(one.created_at),
            }
            for one in messages
        ],
    }


def _markdown(thread: Thread, messages: Sequence[Message]) -> str:
    """The chosen branch, to be read."""
    known = {one.id: one for one in messages}
    branch: list[Message] = []
    at = known.get(thread.head_id) if thread.head_id else None
    while at is not None:
        branch.append(at)
        at = known.get(at.parent_id) if at.parent_id else None
    spoken = [
        f"## {_SPEAKERS.get(one.role, one.role)}\n\n{text_of(one.parts)}\n"
        for one in reversed(branch)
    ]
    return "\n".join([f"# {thread.title}\n", *spoken])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
