from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from chat_app.states.chat_view import advance
from chat_app.states.views import arrived, section, stored, stream_id, thread_items, time_zone
from chat_app.threads.views import MessageView, RunRef, ThreadSummary, Window

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def message(parent: UUID | None, *, text: str = "words", **given: object) -> MessageView:
    values = {
        "id": uuid4(),
        "parent_id": parent,
        "role": "user",
        "text": text,
        "parts": [],
        "status": "complete",
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
    assert all(row.text == "" for row in turn.tail)
    assert turn.tail[1].stream_id == stream_id(answer.run_id)  # pyright: ignore[reportArgumentType]
    assert turn.texts == [asked]


def test_a_finished_answer_keeps_its_stream_id_and_is_not_sent_again() -> None:
    asked = message(None)
    run = uuid4()
    live = message(asked.id, role="assistant", status="running", text="", run_id=run)
    tail = [arrived(asked), arrived(live)]
    done = MessageView(
        live.id, asked.id, "assistant", "long text", [], "complete", "", "", NOON, None
    )
    turn = advance([], tail, window(asked, done))
    assert turn.tail[1].stream_id == stream_id(run)
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
    changed = MessageView(
        messages[1].id, messages[0].id, "user", "", [], "failed", "Sorry.", "", NOON, None
    )
    assert advance(history, [], window(messages[0], changed)).reload
