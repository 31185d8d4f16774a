"""The message tree of a thread: branches, their heads, and what is deleted with a message. Pure.

A branch is a path from a root to a leaf. The thread's head is the leaf of the chosen one. Messages
with the same parent are versions of each other: an edited question, a regenerated answer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Node(NamedTuple):
    """A message in the tree.

    Args:
        id: Its id.
        parent_id: The message above; None for a root.
        created_at: When it was stored, and so became the head.
        chosen_at: When it was last chosen as the head, if it was.
        deleted_at: When it was deleted, if it is.
    """

    id: UUID
    parent_id: UUID | None
    created_at: datetime
    chosen_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def last_shown(self) -> tuple[datetime, str]:
        """What leaves are compared by: the one that was the head last is the greatest."""
        return self.chosen_at or self.created_at, self.id.hex


def branch_through(
    nodes: Iterable[Node], message_id: UUID, head_id: UUID | None
) -> list[UUID] | None:
    """The branch that has a message: the chosen one if it does, else the one shown last.

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
    return _path(by_id, _leaf_below(by_id, [by_id[message_id]]))


def subtrees(nodes: Iterable[Node], message_ids: Collection[UUID]) -> list[UUID]:
    """Messages and every one below them, each once."""
    return [node.id for node in _below(nodes, message_ids)]


def parents_first(nodes: Iterable[Node]) -> list[Node]:
    """Every message after the one above it; versions in the order in which they were stored."""
    children = _children(sorted(nodes, key=lambda node: (node.created_at, node.id.hex)))
    found, waiting = list[Node](), children[None][::-1]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += children.get(node.id, [])[::-1]
    return found


def head_without(
    nodes: Iterable[Node], removed: Collection[UUID], head_id: UUID | None
) -> UUID | None:
    """The head of a thread that lost messages, each with all below it.

    Args:
        nodes: Every message of the thread.
        removed: Those that it lost.
        head_id: Its head before.

    Returns:
        The head itself if it is left. Else, where its branch was cut, the leaf that was shown last
        among the other versions, or the message above; None if there is neither.
    """
    by_id = {node.id: node for node in nodes}
    left = [one for one in _path(by_id, head_id) if one not in removed]
    end = left[-1] if left else None
    kept = {one: node for one, node in by_id.items() if one not in removed}
    versions = [node for node in kept.values() if node.parent_id == end]
    return _leaf_below(kept, versions) if versions else end


def deleted_with(nodes: Iterable[Node], message_id: UUID) -> list[UUID]:
    """A deleted message, and those below that were deleted together with it.

    Args:
        nodes: Every message of the thread, the deleted ones included.
        message_id: The message.

    Returns:
        Their ids; none if the thread has no such message, or if it is below a deleted one.
    """
    nodes = list(nodes)
    by_id = {node.id: node for node in nodes}
    message = by_id.get(message_id)
    if message is None:
        return []
    parent = by_id.get(message.parent_id) if message.parent_id else None
    if parent is not None and parent.deleted_at is not None:
        return []
    below = _below(nodes, (message_id,))
    return [node.id for node in below if node.deleted_at == message.deleted_at]


def _path(by_id: Mapping[UUID, Node], leaf_id: UUID | None) -> list[UUID]:
    """The ids from the root to a message."""
    path = list[UUID]()
    node = by_id.get(leaf_id) if leaf_id else None
    while node is not None:
        path.append(node.id)
        node = by_id.get(node.parent_id) if node.parent_id else None
    return path[::-1]


def _children(nodes: Iterable[Node]) -> dict[UUID | None, list[Node]]:
    children = defaultdict[UUID | None, list[Node]](list)
    for node in nodes:
        children[node.parent_id].append(node)
    return children


def _below(nodes: Iterable[Node], message_ids: Collection[UUID]) -> list[Node]:
    """Messages and every one below them, each once."""
    nodes = list(nodes)
    children = _children(nodes)
    wanted = set(message_ids)
    found = [node for node in nodes if node.id in wanted]
    for node in found:  # it grows meanwhile
        found += [child for child in children.get(node.id, ()) if child.id not in wanted]
    return found


def _leaf_below(by_id: Mapping[UUID, Node], roots: Iterable[Node]) -> UUID:
    """The leaf that was shown last below some messages, or one of them itself."""
    children = _children(by_id.values())
    leaves, below = list[Node](), list(roots)
    while below:
        node = below.pop()
        below += children.get(node.id, ())
        if not children.get(node.id):
            leaves.append(node)
    return max(leaves, key=lambda leaf: leaf.last_shown).id
