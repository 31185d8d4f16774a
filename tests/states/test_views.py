import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from chat_app.core.events import Usage
from chat_app.core.parts import Part, notice_part, text_part
from chat_app.runs.follow import RunMetrics
from chat_app.states.chat_view import ChatView, advance
from chat_app.states.page_window import MAX_PAGES, PAGE
from chat_app.states.views import (
    MetricItem,
    arrived,
    item_parts,
    metric_items,
    section,
    stored,
    stream_id,
    thread_items,
    time_zone,
)
from chat_app.threads.views import MessageView, RunRef, ThreadSummary, Window

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def message(parent: UUID | None, *, text: str = "words", **given: object) -> MessageView:
    values = {
        "id": uuid4(),
        "parent_id": parent,
        "role": "user",
        "text": text,
        "parts": [text_part(text)],
        "status": "complete",
        "finish_reason": "",
        "error": "",
        "model": "",
        "created_at": NOON,
        "run_id": None,
    }
    return MessageView(**{**values, **given})  # pyright: ignore[reportArgumentType]


def summary(title: str, at: datetime) -> ThreadSummary:
    return ThreadSummary(uuid4(), title, "start", "", at, at, False)


def window(*messages: MessageView) -> Window:
    live = next((m for m in messages if m.run_id), None)
    run = RunRef(live.run_id, live.id) if live and live.run_id else None
    return Window(summary("t", NOON), list(messages), False, run)


def chain(length: int, parent: UUID | None = None) -> list[MessageView]:
    messages: list[MessageView] = []
    for _ in range(length):
        messages.append(message(messages[-1].id if messages else parent))
    return messages


@pytest.mark.parametrize(
    ("hours", "where", "name"),
    [
        (0, "UTC", "Today"),
        (-11, "UTC", "Today"),
        (-13, "UTC", "Yesterday"),
        (-37, "UTC", "Earlier"),
        (-13, "Asia/Tokyo", "Today"),
        (-13, "America/Los_Angeles", "Yesterday"),
        (1, "UTC", "Today"),
    ],
)
def test_a_day_begins_in_the_time_zone_of_the_user(hours: int, where: str, name: str) -> None:
    assert section(NOON + timedelta(hours=hours), NOON, ZoneInfo(where)) == name


@pytest.mark.parametrize("name", ["Nowhere/Land", "../../etc/passwd", "", "UTC\n"])
def test_an_unknown_zone_is_utc(name: str) -> None:
    assert time_zone(name) is UTC


def test_only_the_first_row_of_a_day_names_it() -> None:
    days = [0, 0, 1, 1, 9]
    rows = thread_items([summary("t", NOON - timedelta(days=d)) for d in days], NOON, UTC)
    assert [row.section for row in rows] == ["Today", "", "Yesterday", "", "Earlier"]


def test_a_new_exchange_arrives_without_its_text_in_the_list() -> None:
    old = chain(2)
    asked = message(old[-1].id, text="secret words")
    answer = message(asked.id, role="assistant", status="running", text="", run_id=uuid4())
    turn = advance([stored(m) for m in old], [], window(*old, asked, answer))
    assert [row.id for row in turn.tail] == [str(asked.id), str(answer.id)]
    assert all(row.parts == [] for row in turn.tail)
    assert turn.tail[1].stream_id == stream_id(answer.id)
    assert turn.texts == [asked]


def test_a_finished_answer_keeps_its_stream_id_and_is_not_sent_again() -> None:
    asked = message(None)
    live = message(asked.id, role="assistant", status="running", text="", run_id=uuid4())
    tail = [arrived(asked), arrived(live)]
    done = message(asked.id, id=live.id, role="assistant", text="long text")
    turn = advance([], tail, window(asked, done))
    assert turn.tail[1].stream_id == stream_id(live.id)
    assert turn.tail[1].status == "complete"
    assert turn.texts == []


def test_earlier_recent_rows_stay_when_the_window_is_shorter() -> None:
    messages = chain(6)
    tail = [arrived(m) for m in messages[:4]]
    turn = advance([], tail, window(*messages[2:]))
    assert [row.id for row in turn.tail] == [str(m.id) for m in messages]


def test_another_branch_reloads_the_window() -> None:
    messages = chain(4)
    other = message(messages[1].id)
    history = [stored(m) for m in messages]
    assert advance(history, [], window(messages[0], messages[1], other)).reload


def test_a_retry_of_a_recent_answer_replaces_it() -> None:
    asked, old = chain(2)
    new = message(asked.id, role="assistant", status="running", run_id=uuid4())
    turn = advance([], [arrived(asked), arrived(old)], window(asked, new))
    assert [row.id for row in turn.tail] == [str(asked.id), str(new.id)]


def test_only_the_last_answer_that_was_cut_off_can_be_continued() -> None:
    asked, first = chain(2)
    first = replace(first, role="assistant", status="stopped")
    again = message(first.id)
    second = message(again.id, role="assistant", status="running", run_id=uuid4())
    opened = ChatView.opening("t")
    assert opened.continuable == ""
    for status in ("failed", "stopped", "interrupted", "revoked"):
        shown = opened.loaded(window(asked, replace(first, status=status)), "")
        assert shown.continuable == str(first.id)
    whole = replace(first, status="complete")
    assert opened.loaded(window(asked, whole), "").continuable == ""
    cut = replace(whole, finish_reason="length")
    assert opened.loaded(window(asked, cut), "").continuable == str(first.id)
    busy = opened.loaded(window(asked, first, again, second), "")
    assert busy.continuable == ""
    over = replace(second, status="stopped", run_id=None)
    assert busy.loaded(window(asked, first, again, over), "").continuable == str(over.id)
    assert opened.loaded(window(asked, first, again), "").continuable == "", "a question is last"


def test_a_continued_answer_is_shown_until_its_text_comes_and_is_then_as_long_as_that() -> None:
    asked = message(None)
    half = message(asked.id, role="assistant", status="stopped", text="Half")
    goes_on = replace(half, status="running", run_id=uuid4())
    for tail in ([], [arrived(half)]):
        history = [stored(asked), *([] if tail else [stored(half)])]
        update = advance(history, tail, window(asked, goes_on))
        assert update.reload is not bool(tail)
    running = advance([stored(asked)], [arrived(half)], window(asked, goes_on))
    assert running.tail == [arrived(goes_on)]
    assert running.tail[0].parts == [{"type": "text", "text": "Half"}]
    assert running.tail[0].stream_id == arrived(half).stream_id
    whole = replace(half, status="complete", text="Half and half")
    over = advance([stored(asked)], running.tail, window(asked, whole))
    assert (over.tail, over.texts) == ([arrived(whole)], [])
    assert over.tail[0].parts == []


def test_the_text_of_an_answer_that_was_continued_unseen_is_sent() -> None:
    asked = message(None)
    half = message(asked.id, role="assistant", status="stopped", text="Half")
    more = replace(half, text="Half and more")
    assert advance([stored(asked)], [arrived(half)], window(asked, more)).texts == [more]
    assert advance([stored(asked), stored(half)], [], window(asked, more)).reload


def test_a_summary_made_before_the_end_of_its_answer_is_shown_reloads_the_window() -> None:
    asked = message(None)
    live = message(asked.id, role="assistant", status="running", text="", run_id=uuid4())
    summary: Part = {"type": "summary", "text": "s", "until": "", "count": 1, "origin": "model"}
    for added in (summary, notice_part("summary_failed")):
        parts: list[Part] = [{"type": "text", "text": "words"}, added]
        done = replace(live, status="complete", run_id=None, text="words", parts=parts)
        assert advance([stored(asked)], [arrived(live)], window(asked, done)).reload
        automatic = replace(done, parts=parts[::-1])
        assert not advance([stored(asked)], [arrived(live)], window(asked, automatic)).reload


def test_versions_share_a_place_and_a_new_one_is_news() -> None:
    asked, old = chain(2)
    new = message(asked.id)
    both = (old.id, new.id)
    rows = [stored(replace(one, versions=both)) for one in (old, new)]
    assert {row.place for row in rows} == {str(asked.id)}
    assert stored(asked).place == "root"
    assert rows[0].versions == [str(one) for one in both]
    history = [stored(asked), stored(old)]
    assert advance(history, [], window(asked, replace(old, versions=both))).reload


def test_the_last_answer_is_the_one_that_is_not_on_the_page_while_the_user_reads_far_above() -> (
    None
):
    cut = {"role": "assistant", "status": "stopped"}
    messages = [replace(one, **cut) for one in chain(PAGE * (MAX_PAGES + 1))]
    view = ChatView.opening("t").loaded(window(*messages[-PAGE:]), "")
    for end in range(len(messages) - PAGE, 0, -PAGE):
        view = view.up(window(*messages[end - PAGE : end]))
    assert view.history.evicted
    assert view.continuable == str(messages[-1].id)


def test_rows_that_do_not_join_reload_the_window() -> None:
    tail = [arrived(m) for m in chain(2)]
    assert advance([], tail, window(*chain(2, uuid4()))).reload


def test_too_many_recent_rows_reload_the_window() -> None:
    messages = chain(26)
    tail = [arrived(m) for m in messages[:24]]
    assert advance([], tail, window(*messages[22:])).reload


def test_a_status_change_in_the_history_reloads_the_window() -> None:
    messages = chain(2)
    history = [stored(m) for m in messages]
    changed = replace(messages[1], status="failed", error="Sorry.")
    assert advance(history, [], window(messages[0], changed)).reload


@pytest.mark.parametrize("reason", ["length", "size", "content-filter"])
def test_the_row_of_an_answer_says_why_it_ended_also_after_a_reload(reason: str) -> None:
    answer = message(uuid4(), role="assistant", finish_reason=reason)
    assert [row(answer).reason for row in (stored, arrived)] == [reason] * 2


def test_a_reason_that_comes_after_the_status_reaches_the_row() -> None:
    asked = message(None)
    answer = message(asked.id, role="assistant", finish_reason="length")
    shown = replace(answer, finish_reason="")
    assert advance([stored(asked), stored(shown)], [], window(asked, answer)).reload
    turn = advance([], [arrived(asked), arrived(shown)], window(asked, answer))
    assert [row.reason for row in turn.tail] == ["", "length"]


THOUGHT: list[Part] = [
    {"type": "notice", "code": "model_changed", "params": {"before": "alpha", "after": "beta"}},
    {"type": "reasoning", "text": "a 🤔 secret", "seconds": 12.34},
    {"type": "text", "text": "The answer."},
]


def test_the_text_of_reasoning_does_not_travel_with_the_list() -> None:
    assert item_parts(THOUGHT) == [
        {"type": "notice", "text": "The model was changed from alpha to beta."},
        {"type": "reasoning", "length": 11, "seconds": 12.3},
        {"type": "text", "text": "The answer."},
    ]
    assert item_parts([{"type": "reasoning", "text": ""}]) == [{"type": "reasoning", "length": 0}]


def test_only_an_answer_that_thought_can_be_asked_for_more() -> None:
    thought = message(None, role="assistant", parts=THOUGHT)
    assert stored(thought).stream_id == stream_id(thought.id)
    assert stored(message(None)).stream_id == ""


def test_a_stream_id_is_short_and_fits_its_policy() -> None:
    ids = [uuid4() for _ in range(200)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{6}", stream_id(one)) for one in ids)
    assert len({stream_id(one) for one in ids}) == len(ids)


def test_every_figure_of_an_answer_has_a_line() -> None:
    metrics = RunMetrics("m", Usage(1_234, 450, 120, 1_024), 0.25, 9.25, 2_340_000)
    assert metric_items(metrics, "Model M", 8_192) == [
        MetricItem("Model", "Model M"),
        MetricItem("Time", "9.2 s"),
        MetricItem("Time to first token", "250 ms"),
        MetricItem("Input", "1,234 tokens, 1,024 of them cached"),
        MetricItem("Output", "450 tokens, 120 of them thinking"),
        MetricItem("Context", "21% of 8,192 tokens"),
        MetricItem("Speed", "50 tokens per second"),
        MetricItem("Cost", "$0.0023"),
    ]


@pytest.mark.parametrize(
    ("nanodollars", "says"),
    [
        (0, "$0.00"),
        (1, "$0.0000000010"),
        (42_000, "$0.000042"),
        (99_600_000, "$0.100"),
        (120_000_000, "$0.12"),
        (1_234_567_000_000, "$1,234.57"),
    ],
)
def test_a_cost_has_two_digits_that_say_something(nanodollars: int, says: str) -> None:
    metrics = RunMetrics("m", cost=nanodollars)
    assert metric_items(metrics, "") == [MetricItem("Cost", says)]


def test_what_is_not_known_of_an_answer_has_no_line() -> None:
    assert metric_items(RunMetrics("m"), "") == []
    some = RunMetrics("m", Usage(1, 0), None, 75.0)
    assert metric_items(some, "M") == [
        MetricItem("Model", "M"),
        MetricItem("Time", "1 min 15 s"),
        MetricItem("Input", "1 token"),
        MetricItem("Output", "0 tokens"),
    ]
