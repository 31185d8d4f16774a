"""A thread is a tree of messages; a branch is the way from one message up to the root."""

from uuid import UUID

from sqlalchemy import literal
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from chat_app.db.tables import Message


def branch(leaf: UUID, limit: int) -> SelectOfScalar[UUID]:
    """The ids from a message upwards, the message itself first.

    The cost depends on `limit`, not on the length of the thread.

    Args:
        leaf: Where to start.
        limit: The most ids to give.
    """
    first = (
        select(col(Message.id), col(Message.parent_id), literal(1).label("depth"))
        .where(col(Message.id) == leaf)
        .cte("branch", recursive=True)
    )
    parent = aliased(Message)
    chain = first.union_all(
        select(col(parent.id), col(parent.parent_id), first.c.depth + 1)
        .where(col(parent.id) == first.c.parent_id)
        .where(first.c.depth < limit)
    )
    return select(chain.c.id).order_by(chain.c.depth)
