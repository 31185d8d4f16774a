"""The pages that a tab shows are always neighbours, few, and the way back down is the way up."""

from hypothesis import given
from hypothesis import strategies as st

from chat_app.states.stretch import PAGE, SLOTS, Rows, Stretch
from chat_app.states.views import MessageItem

LENGTH = 1_000


def row(number: int) -> MessageItem:
    return MessageItem(str(number), "user", f"words {number}", "", "complete", "")


def rows(first: int, last: int) -> Rows:
    return tuple(row(number) for number in range(max(first, 0), last))


def shown(stretch: Stretch) -> list[int]:
    return [int(row.id) for slot in stretch.order for row in stretch.slots[slot]]


def step_up(stretch: Stretch) -> Stretch:
    assert stretch.first is not None
    top = int(stretch.first.id)
    return stretch.up(rows(top - PAGE, top))


def step_down(stretch: Stretch) -> Stretch:
    below = stretch.page_below
    if below is None:
        return stretch
    first, after = below
    page = rows(int(after) - PAGE, int(after)) if after else stretch.end
    assert page[0].id == first, "the page that is read is the one that was let go"
    return stretch.down(page)


@given(st.lists(st.sampled_from(["up", "down", "grow"]), max_size=120))
def test_wherever_one_scrolls_the_rows_are_neighbours_and_few(steps: list[str]) -> None:
    length = LENGTH
    stretch = Stretch.at_end(rows(length - PAGE, length))
    for step in steps:
        if step == "up":
            stretch = step_up(stretch)
        elif step == "down":
            stretch = step_down(stretch)
        else:
            length += 24
            stretch = stretch.renewed(rows(int(stretch.end[0].id), length))
        seen = shown(stretch)
        assert seen == list(range(seen[0], seen[-1] + 1))
        assert len(seen) <= SLOTS * PAGE + PAGE
        assert (seen[-1] == length - 1) == (stretch.page_below is None)
        assert len(set(stretch.order)) == len(stretch.order)
        assert all(not stretch.slots[n] for n in range(SLOTS) if n not in stretch.order)
        assert int(stretch.end[-1].id) == length - 1
    while stretch.page_below is not None:
        stretch = step_down(stretch)
    assert shown(stretch)[-1] == length - 1


def test_a_step_changes_one_slot() -> None:
    stretch = Stretch.at_end(rows(LENGTH - PAGE, LENGTH))
    for step in [step_up] * 20 + [step_down] * 20:
        before, stretch = stretch, step(stretch)
        changed = [a != b for a, b in zip(before.slots, stretch.slots, strict=True)]
        assert sum(changed) <= 1


def test_the_newest_page_takes_in_what_came_since() -> None:
    stretch = step_up(Stretch.at_end(rows(LENGTH - PAGE, LENGTH)))
    end = stretch.joined(rows(LENGTH - PAGE - 2, LENGTH + 4))
    assert end is not None
    assert end == rows(LENGTH - PAGE, LENGTH + 4)
    assert shown(stretch.renewed(end)) == list(range(LENGTH - 2 * PAGE, LENGTH + 4))


def test_another_branch_above_the_newest_page_does_not_join() -> None:
    stretch = Stretch.at_end(rows(0, PAGE))
    assert stretch.joined(rows(500, 500 + PAGE)) is None
    assert Stretch().joined(rows(0, PAGE)) is None
