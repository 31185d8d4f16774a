"""A thread is a tree of messages; a branch is the way from one message up to the root."""

from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, literal
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from chat_app.db.tables import Message


def _branch() -> SelectOfScalar[UUID]:
    first = (
        select(col(Message.id), col(Message.parent_id), literal(1).label("depth"))
        .where(col(Message.id) == bindparam("leaf", type_=Uuid()))
        .cte("branch", recursive=True)
    )
    parent = aliased(Message)
    chain = first.union_all(
        select(col(parent.id), col(parent.parent_id), first.c.depth + 1)
        .where(col(parent.id) == first.c.parent_id)
        .where(first.c.depth < bindparam("most"))
    )
    return select(chain.c.id).order_by(chain.c.depth)


BRANCH = _branch()
"""The ids from a message upwards, the message itself first; see `upwards`.

Built once: to put it together costs more than to run it. Its cost depends on how many ids are
wanted, not on the length of the thread.
"""


def upwards(leaf: UUID, limit: int) -> dict[str, Any]:
    """The parameters of `BRANCH`.

    Args:
        leaf: Where to start.
        limit: The most ids to give.
    """
    return {"leaf": leaf, "most": limit}
