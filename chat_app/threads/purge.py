"""Remove deleted threads and branches for good, a little at a time."""

import logging
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from chat_app.db.engine import Database
from chat_app.db.tables import Thread
from chat_app.threads import branches

logger = logging.getLogger(__name__)

_PURGED_AT_ONCE = 20  # so that others can write in between


async def purge(db: Database, before: datetime) -> int:
    """Remove the threads and the branches that were deleted before a time.

    Returns:
        How many threads were removed.
    """
    count = 0
    while True:
        most = db.purged_at_once(_PURGED_AT_ONCE)
        due = select(Thread.id).where(col(Thread.deleted_at) < before).limit(most)
        async with db.system("sweep", write=True) as session:
            ids = (await session.exec(due)).all()
            if ids:
                await session.exec(delete(Thread).where(col(Thread.id).in_(ids)))
        count += len(ids)
        if len(ids) < most:
            break
    await _purge_branches(db, before)
    return count


async def _purge_branches(db: Database, before: datetime) -> None:
    """Remove the branches that were deleted before a time, those that can be."""
    branch = None
    while True:
        async with db.system("sweep") as session:
            branch = await branches.due_branch(session, before, branch)
        if branch is None:
            return
        try:
            async with db.system("sweep", write=True) as session:
                await branches.purge_branch(session, branch)
        except IntegrityError as error:
            # what is below may be due later; then the next purge removes both
            logger.warning("A deleted branch is not removed yet: %s", type(error).__name__)
