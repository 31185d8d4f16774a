"""A chat that is deleted in the list, and what can still be done about it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.states.auth import AuthState
from chat_app.states.thread_list import UNDO_TIME, ThreadListState
from testing.reflex_tabs import Harness, Tab, open_harness


class Hand:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def live(tmp_path: Path, hand: Hand) -> AsyncIterator[Harness]:
    async with open_harness(tmp_path, clock=hand) as one:
        yield one


async def _deleted(live: Harness) -> tuple[Principal, Tab, str]:
    ada = await live.user("ada@example.com")
    thread = str((await live.live.threads.create(ada, title="Rain")).id)
    tab = await live.tab(ada)
    await tab.send(AuthState.on_auth_change())
    await tab.send(ThreadListState.delete(thread), thread)
    return ada, tab, thread


async def test_the_notice_outlives_a_new_page_but_not_its_time(live: Harness, hand: Hand) -> None:
    _, tab, thread = await _deleted(live)
    hand.now += UNDO_TIME - timedelta(milliseconds=1)
    await tab.send(AuthState.on_auth_change())
    listed = await tab.state(ThreadListState)
    assert (listed.undo_id, listed.undo_title) == (thread, "Rain")
    hand.now += timedelta(milliseconds=1)
    await tab.send(AuthState.on_auth_change())
    assert (await tab.state(ThreadListState)).undo_id == ""
    tab.close()


async def test_what_was_deleted_comes_back_and_the_page_stays_where_it_is(live: Harness) -> None:
    ada, tab, thread = await _deleted(live)
    assert (await live.live.threads.page(ada)).threads == []
    await tab.send(ThreadListState.undo_delete())
    assert [str(one.id) for one in (await live.live.threads.page(ada)).threads] == [thread]
    assert (await tab.state(ThreadListState)).undo_id == ""
    assert "_redirect" not in tab.text()
    tab.close()
