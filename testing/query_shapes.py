"""The shapes a query can have, each with what it must show to a person who owns some rows.

Several of them slip through `with_loader_criteria`; the compiler's filter must hold in all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, exists, func, literal, true, union, union_all
from sqlalchemy.orm import Bundle, aliased, join
from sqlmodel import col, select

from chat_app.db.tables import Message, Thread


@dataclass(frozen=True)
class Owns:
    """What one person owns, as the model knows it.

    Args:
        threads: Thread → title.
        messages: Message → its thread.
    """

    threads: dict[UUID, str]
    messages: dict[UUID, UUID]

    @property
    def everything(self) -> set[UUID]:
        """Every id."""
        return {*self.threads, *self.messages}


Expected = Callable[[Owns], set[Any]]
Shape = tuple[Any, Expected]

thread_id, title = col(Thread.id), col(Thread.title)
message_id, in_thread, role = col(Message.id), col(Message.thread_id), col(Message.role)


def threads(owns: Owns) -> set[Any]:
    """Every thread."""
    return set(owns.threads)


def messages(owns: Owns) -> set[Any]:
    """Every message."""
    return set(owns.messages)


def pairs(owns: Owns) -> set[Any]:
    """Every message with its thread."""
    return {(thread, message) for message, thread in owns.messages.items()}


def talked(owns: Owns) -> set[Any]:
    """Every thread with a message."""
    return set(owns.messages.values())


def _count(of: Expected) -> Expected:
    return lambda owns: {len(of(owns))}


def _product(owns: Owns) -> set[Any]:
    return {(thread, message) for thread in owns.threads for message in owns.messages}


def _outer(owns: Owns) -> set[Any]:
    silent = set(owns.threads) - talked(owns)
    return pairs(owns) | {(thread, None) for thread in silent}


def _recursive() -> Any:
    up = select(message_id, col(Message.parent_id)).cte("up", recursive=True)
    up = up.union_all(
        select(message_id, col(Message.parent_id)).join(up, up.c.parent_id == message_id)
    )
    return select(up.c.id)


def _shapes() -> dict[str, Shape]:
    other, reply = aliased(Thread), aliased(Message)
    sub = select(Thread).subquery()
    unfiltered = aliased(Message, select(Message).subquery())
    return {
        "entity": (select(Thread), threads),
        "column": (select(thread_id), threads),
        "ordered page": (select(thread_id).order_by(col(Thread.updated_at).desc()), threads),
        "search": (select(thread_id).where(title.contains("t") | true()), threads),
        "or true": (select(thread_id).where((title == "") | true()), threads),
        "alias": (select(other), threads),
        "alias of a subquery": (select(aliased(Thread, sub)), threads),
        "alias of a union": (
            select(aliased(Thread, union_all(select(Thread), select(other)).subquery())),
            threads,
        ),
        "join": (select(thread_id, message_id).join(Message, in_thread == thread_id), pairs),
        "join of an alias": (
            select(thread_id, reply.id).join(reply, col(reply.thread_id) == thread_id),
            pairs,
        ),
        "outer join": (
            select(thread_id, message_id).join(Message, in_thread == thread_id, isouter=True),
            _outer,
        ),
        "outer join of an alias": (
            select(thread_id, reply.id).join(
                reply, col(reply.thread_id) == thread_id, isouter=True
            ),
            _outer,
        ),
        "full join": (
            select(thread_id, message_id).join(Message, in_thread == thread_id, full=True),
            _outer,
        ),
        "join on everything": (select(thread_id, message_id).join(Message, true()), _product),
        "join of itself on everything": (
            select(reply.id).select_from(Message).join(reply, true()),
            messages,
        ),
        "join in from": (
            select(thread_id).select_from(join(Thread, Message, in_thread == thread_id)),
            talked,
        ),
        "nested join": (
            select(thread_id).join(join(Message, reply, true()), in_thread == thread_id),
            talked,
        ),
        "product": (select(thread_id, message_id), _product),
        "subquery": (select(sub.c.id), threads),
        "join of a subquery": (
            select(thread_id).join(unfiltered, col(unfiltered.thread_id) == thread_id),
            talked,
        ),
        "in a subquery": (select(thread_id).where(thread_id.in_(select(in_thread))), talked),
        "exists": (select(thread_id).where(exists().where(in_thread == thread_id)), talked),
        "exists on everything": (
            select(thread_id).where(exists(select(message_id))),
            lambda owns: set(owns.threads) if owns.messages else set(),
        ),
        "scalar subquery": (
            select(thread_id, select(func.count(message_id)).scalar_subquery()),
            lambda owns: {(thread, len(owns.messages)) for thread in owns.threads},
        ),
        "cte": (select(select(thread_id).cte().c.id), threads),
        "recursive cte": (_recursive(), messages),
        "union": (union(select(thread_id), select(message_id)), lambda owns: owns.everything),
        "union behind a constant": (
            union_all(select(literal("x")), select(title)),
            lambda owns: {"x", *owns.threads.values()},
        ),
        "count": (select(func.count()).select_from(Thread), _count(threads)),
        "count of a column": (select(func.count(thread_id)), _count(threads)),
        "count of a subquery": (select(func.count()).select_from(sub), _count(threads)),
        "count of a product": (
            select(func.count(thread_id), func.count(message_id)),
            lambda o: {(len(o.threads) * len(o.messages),) * 2},
        ),
        "an expression of two": (
            select(title + role).distinct(),
            lambda o: {name + "user" for name in o.threads.values() if o.messages},
        ),
        "a function of two": (
            select(func.coalesce(title, role)),
            lambda o: set(o.threads.values()) if o.messages else set(),
        ),
        "a case of two": (
            select(case((role == "user", title), else_=role)),
            lambda o: set(o.threads.values()) if o.messages else set(),
        ),
        "a function in where": (
            select(thread_id).where(func.lower(role) == "user"),
            lambda o: set(o.threads) if o.messages else set(),
        ),
        "a window": (
            select(thread_id, func.count().over(partition_by=role)).distinct(),
            lambda o: (
                {(thread, len(o.threads) * len(o.messages)) for thread in o.threads}
                if o.messages
                else set()
            ),
        ),
        "a filter": (
            select(func.max(title), func.count().filter(role == "user")),
            lambda o: {
                (
                    max(o.threads.values(), default=None) if o.messages else None,
                    len(o.threads) * len(o.messages),
                )
            },
        ),
        "a bundle": (select(Bundle("both", thread_id, message_id)), _product),
        "grouped": (select(thread_id).group_by(thread_id).having(func.count() > 0), threads),
        "a limit from a subquery": (
            select(thread_id).limit(select(func.count(thread_id)).scalar_subquery()),
            threads,
        ),
    }


SHAPES = _shapes()
"""Name → the statement, and the rows it must show."""


def flat(row: Any) -> Any:
    """One result row as a value that can be compared: entities by their id."""
    values = tuple(row[0]) if len(row) == 1 and isinstance(row[0], Row) else tuple(row)
    values = tuple(getattr(value, "id", value) for value in values)
    return values[0] if len(values) == 1 else values
