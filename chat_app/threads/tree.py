"""The message tree of a thread: the branch through a message. Pure.

A branch is a path from a root to a leaf. The thread's head is the leaf of the chosen one.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Node(NamedTuple):
    """A message in the tree."""

    id: UUID
    parent_id: UUID | None
    created_at: datetime


def branch_through(
    nodes: Iterable[Node], message_id: UUID, head_id: UUID | None
) -> list[UUID] | None:
    """The branch that has a message: the chosen one if it does, else the newest of the others.

    Args:
        nodes: Every message of the thread.
        message_id: The message.
        head_id: The leaf of the chosen branch.

    Returns:
        The ids from the root to the leaf; None if the thread has no such message.
    """
    by_id = {node.id: node for node in nodes}
    if message_id not in by_id:
        return None
    chosen = _path(by_id, head_id)
    if message_id in chosen:
        return chosen
    return _path(by_id, _newest_leaf(by_id, message_id))


def _path(by_id: dict[UUID, Node], leaf_id: UUID | None) -> list[UUID]:
    """The ids from the root to a message."""
    path = list[UUID]()
    node = by_id.get(leaf_id) if leaf_id else None
    while node is not None:
        path.append(node.id)
        node = by_id.get(node.parent_id) if node.parent_id else None
    return path[::-1]


def _newest_leaf(by_id: dict[UUID, Node], message_id: UUID) -> UUID:
    """The last leaf below a message, or the message itself."""
    children = defaultdict[UUID, list[Node]](list)
    for node in by_id.values():
        if node.parent_id is not None:
            children[node.parent_id].append(node)
    leaves, below = list[Node](), [by_id[message_id]]
    while below:
        node = below.pop()
        below += children[node.id]
        if not children[node.id]:
            leaves.append(node)
    return max(leaves, key=lambda leaf: (leaf.created_at, leaf.id.hex)).id
