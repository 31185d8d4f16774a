"""The details panel shows what an answer took, or says why it cannot."""

import pytest

from chat_app.core.errors import DatabaseBusy
from chat_app.states.details import DetailsState
from testing.reflex_tabs import Harness, Tab

MISSING = "00000000-0000-4000-8000-000000000000"


async def answered(harness: Harness) -> tuple[Tab, str, str]:
    """A tab, its thread, and the id of the answer in it."""
    ada = await harness.user("ada@example.com")
    sent = await harness.live.runs.send(ada, text="Hello", client_id="c1", model="fake:think")
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    window = await harness.live.threads.window(ada, sent.thread_id)
    return await harness.tab(ada), str(sent.thread_id), str(window.messages[-1].id)


async def test_the_details_of_an_answer_are_shown_and_closed(harness: Harness) -> None:
    tab, thread, answer = await answered(harness)
    await tab.send(DetailsState.show(answer), thread)
    details = await tab.state(DetailsState)
    assert (details.message_id, details.loading_details) == (answer, False)
    assert "Model" in [item.name for item in details.items]
    await tab.send(DetailsState.show(""), thread)
    details = await tab.state(DetailsState)
    assert (details.message_id, details.items) == ("", [])


async def test_details_that_are_missing_are_shown_as_none(harness: Harness) -> None:
    tab, thread, _ = await answered(harness)
    await tab.send(DetailsState.show(MISSING), thread)
    details = await tab.state(DetailsState)
    assert (details.message_id, details.items, details.loading_details) == (MISSING, [], False)


async def test_details_that_cannot_be_read_close_with_a_notice(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, thread, answer = await answered(harness)

    async def busy(*_: object) -> None:
        raise DatabaseBusy

    monkeypatch.setattr(harness.live.runs, "metrics", busy)
    await tab.send(DetailsState.show(answer), thread)
    details = await tab.state(DetailsState)
    assert (details.message_id, details.loading_details) == ("", False)
    assert details.notice == DatabaseBusy().message
    assert DatabaseBusy().message in tab.text()
