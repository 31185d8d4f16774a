"""The message tree: the branch through a message, and what deleting one takes with it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chat_app.threads.tree import (
    Node,
    branch_through,
    deleted_with,
    head_without,
    parents_first,
    subtrees,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def _at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def _id(number: int) -> UUID:
    return UUID(int=number)


def _node(number: int, parent: int | None, chosen: int | None = None) -> Node:
    """A message that is as many minutes old as its number is low."""
    parent_id = None if parent is None else _id(parent)
    return Node(_id(number), parent_id, _at(number), None if chosen is None else _at(chosen))


# 1 question, 2 and 3 its answers; 4 follows 2, and 5 and 6 answer it; 7 is another beginning.
TREE = [
    *(_node(1, None), _node(2, 1), _node(3, 1), _node(4, 2)),
    *(_node(5, 4), _node(6, 4), _node(7, None)),
]


def _numbers(ids: list[UUID] | None) -> list[int] | None:
    return None if ids is None else [one.int for one in ids]


def test_the_chosen_branch_is_kept_if_it_has_the_message() -> None:
    assert _numbers(branch_through(TREE, _id(2), _id(5))) == [1, 2, 4, 5]


def test_another_version_comes_with_the_branch_that_was_made_last() -> None:
    assert _numbers(branch_through(TREE, _id(2), _id(3))) == [1, 2, 4, 6]
    assert _numbers(branch_through(TREE, _id(1), _id(7))) == [1, 2, 4, 6]
    assert _numbers(branch_through(TREE, _id(7), _id(6))) == [7]


def test_another_version_comes_with_the_branch_that_was_chosen_last() -> None:
    tree = [node if node.id != _id(5) else _node(5, 4, chosen=9) for node in TREE]
    assert _numbers(branch_through(tree, _id(2), _id(3))) == [1, 2, 4, 5]


def test_a_message_that_is_not_there_has_no_branch() -> None:
    assert branch_through(TREE, _id(8), _id(6)) is None


def test_a_message_goes_with_all_below_it() -> None:
    assert sorted(_numbers(subtrees(TREE, [_id(2)])) or []) == [2, 4, 5, 6]
    assert _numbers(subtrees(TREE, [_id(3)])) == [3]


def test_messages_below_each_other_go_once() -> None:
    ids = [_id(number) for number in (5, 4, 3, 2, 7)]
    assert sorted(_numbers(subtrees(TREE, ids)) or []) == [2, 3, 4, 5, 6, 7]


def test_the_head_moves_to_the_other_version_or_up() -> None:
    assert head_without(TREE, {_id(6)}, _id(6)) == _id(5)
    assert head_without(TREE, {_id(4), _id(5), _id(6)}, _id(6)) == _id(2)
    assert head_without(TREE, {_id(7)}, _id(7)) == _id(6)
    assert head_without([_node(1, None)], {_id(1)}, _id(1)) is None


def test_the_head_stays_where_its_branch_is_whole() -> None:
    assert head_without(TREE, {_id(6), _id(7)}, _id(3)) == _id(3)


def test_the_head_leaves_every_branch_that_was_cut() -> None:
    assert head_without(TREE, {_id(5), _id(6)}, _id(6)) == _id(4)
    everything_below = {_id(number) for number in (2, 3, 4, 5, 6)}
    assert head_without(TREE, everything_below, _id(3)) == _id(1)
    assert head_without(TREE, everything_below - {_id(3)}, _id(5)) == _id(3)


def test_what_was_deleted_together_comes_back_together() -> None:
    tree = [
        node._replace(deleted_at=_at(20)) if node.id in (_id(4), _id(6)) else node for node in TREE
    ]
    tree = [node._replace(deleted_at=_at(10)) if node.id == _id(5) else node for node in tree]
    assert _numbers(deleted_with(tree, _id(4))) == [4, 6]
    assert deleted_with(tree, _id(5)) == [], "it is below a deleted message"
    assert deleted_with(tree, _id(8)) == []


def test_every_message_comes_after_the_one_above_it() -> None:
    assert [node.id.int for node in parents_first(TREE[::-1])] == [1, 2, 4, 5, 6, 3, 7]
    at_once = [_node(9, None)._replace(created_at=START), _node(8, 9)._replace(created_at=START)]
    assert [node.id.int for node in parents_first(at_once[::-1])] == [9, 8]
