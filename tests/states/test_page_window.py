"""The pages that a tab shows are neighbours and few, and scrolling down reverses scrolling up."""

from hypothesis import given
from hypothesis import strategies as st

from chat_app.states.page_window import MAX_PAGES, PAGE, PageWindow, Rows
from chat_app.states.views import MessageItem

LENGTH = 1_000


def row(number: int) -> MessageItem:
    return MessageItem(str(number), "user", [], "", "complete", "")


def rows(first: int, last: int) -> Rows:
    return tuple(row(number) for number in range(max(first, 0), last))


def shown(page_window: PageWindow) -> list[int]:
    return [int(row.id) for page in page_window.order for row in page_window.pages[page]]


def step_up(page_window: PageWindow) -> PageWindow:
    assert page_window.first is not None
    top = int(page_window.first.id)
    return page_window.up(rows(top - PAGE, top))


def step_down(page_window: PageWindow) -> PageWindow:
    below = page_window.next_evicted
    if below is None:
        return page_window
    first, after = below
    page = rows(int(after) - PAGE, int(after)) if after else page_window.end
    assert page[0].id == first, "the page that is read is the one that was let go"
    return page_window.down(page)


@given(st.lists(st.sampled_from(["up", "down", "grow"]), max_size=120))
def test_after_any_scrolling_the_rows_are_neighbours_and_few(steps: list[str]) -> None:
    length = LENGTH
    page_window = PageWindow.at_end(rows(length - PAGE, length))
    for step in steps:
        if step == "up":
            page_window = step_up(page_window)
        elif step == "down":
            page_window = step_down(page_window)
        else:
            length += 24
            page_window = page_window.renewed(rows(int(page_window.end[0].id), length))
        seen = shown(page_window)
        assert seen == list(range(seen[0], seen[-1] + 1))
        assert len(seen) <= MAX_PAGES * PAGE + PAGE
        assert (seen[-1] == length - 1) == (page_window.next_evicted is None)
        assert len(set(page_window.order)) == len(page_window.order)
        assert all(not page_window.pages[n] for n in range(MAX_PAGES) if n not in page_window.order)
        assert int(page_window.end[-1].id) == length - 1
    while page_window.next_evicted is not None:
        page_window = step_down(page_window)
    assert shown(page_window)[-1] == length - 1


def test_a_step_changes_one_slot() -> None:
    page_window = PageWindow.at_end(rows(LENGTH - PAGE, LENGTH))
    for step in [step_up] * 20 + [step_down] * 20:
        before, page_window = page_window, step(page_window)
        changed = [a != b for a, b in zip(before.pages, page_window.pages, strict=True)]
        assert sum(changed) <= 1


def test_the_newest_page_takes_in_what_arrived_since() -> None:
    page_window = step_up(PageWindow.at_end(rows(LENGTH - PAGE, LENGTH)))
    end = page_window.joined(rows(LENGTH - PAGE - 2, LENGTH + 4))
    assert end is not None
    assert end == rows(LENGTH - PAGE, LENGTH + 4)
    assert shown(page_window.renewed(end)) == list(range(LENGTH - 2 * PAGE, LENGTH + 4))


def test_another_branch_above_the_newest_page_does_not_join() -> None:
    page_window = PageWindow.at_end(rows(0, PAGE))
    assert page_window.joined(rows(500, 500 + PAGE)) is None
    assert PageWindow().joined(rows(0, PAGE)) is None
