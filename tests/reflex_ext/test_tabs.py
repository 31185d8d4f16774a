import asyncio

import pytest

from chat_app.reflex_ext import tabs as module
from chat_app.reflex_ext.tabs import Tabs, while_open


@pytest.fixture
def tabs(monkeypatch: pytest.MonkeyPatch) -> Tabs:
    fresh = Tabs()
    monkeypatch.setattr(module, "tabs", fresh)
    return fresh


async def test_work_ends_with_its_socket(tabs: Tabs) -> None:
    tabs.opened("a", lambda: 0)
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(while_open("a", work()))
    await started.wait()
    tabs.closed("a")
    await task
    assert ended.is_set()
    assert len(tabs) == 0


async def test_work_for_a_closed_socket_ends_at_once(tabs: Tabs) -> None:
    await while_open("never opened", asyncio.Event().wait())  # pyright: ignore[reportArgumentType]
    assert len(tabs) == 0


async def test_a_second_socket_of_a_token_ends_the_first_ones_work(tabs: Tabs) -> None:
    tabs.opened("a", lambda: 0)
    task = asyncio.create_task(while_open("a", _for_ever()))
    await asyncio.sleep(0)
    tabs.opened("a", lambda: 0)
    await task
    assert len(tabs) == 1


async def test_an_error_in_the_work_is_not_swallowed(tabs: Tabs) -> None:
    tabs.opened("a", lambda: 0)

    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await while_open("a", work())


async def test_a_slow_socket_pauses_its_followers(
    tabs: Tabs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    waiting = [100]
    tabs.opened("a", lambda: waiting[0])
    task = asyncio.create_task(tabs.wait_for_room("a"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    waiting[0] = 0
    await task


async def _for_ever() -> None:
    await asyncio.Event().wait()
