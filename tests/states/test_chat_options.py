"""The options of a chat on the page: a thread has its own, a new chat begins with its user's."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.llm.errors import Failure
from chat_app.llm.fake import FakeModel
from chat_app.llm.health import ModelHealth
from chat_app.llm.prices import Price
from chat_app.settings import read_settings
from chat_app.states.chat import ChatState
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.feed import Feed
from chat_app.states.model_views import EffortItem, OptionsItem, model_item, token_count
from testing.reflex_tabs import Harness, Tab, open_harness, open_tab, wait_for_value

BRIEF = {"instructions": "Be brief.", "temperature": 0.5, "effort": None}
UNSET = OptionsItem()


async def sent(harness: Harness, ada: Principal, **options: Any) -> str:
    """A thread with an answer."""
    created = await harness.live.runs.send(
        ada, text="Hello", client_id="one", model="fake:3x0", options=options or None
    )
    async for _ in harness.live.runs.follow(ada, created.run_id):
        pass
    return str(created.thread_id)


async def shown(tab: Tab) -> OptionsItem | None:
    return (await tab.state(ChatState)).options


async def model_of(tab: Tab) -> str:
    return (await tab.state(ChatState)).model


async def test_the_options_of_a_thread_are_stored_and_reach_every_tab(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        thread = await sent(harness, ada)
        tab, other = [await open_tab(harness, ada, thread) for _ in range(2)]
        assert await shown(tab) == UNSET
        await tab.send(ChatState.set_options("r1", thread, BRIEF), thread)
        state = await tab.state(ChatState)
        assert (state.options_saved, state.options) == ("r1", OptionsItem("Be brief.", 0.5))
        await wait_for_value(other, lambda: shown(other), OptionsItem("Be brief.", 0.5))
        stored = await harness.live.threads.get(ada, UUID(thread))
        assert stored.options is not None
        assert stored.options.row == {"instructions": "Be brief.", "temperature": 0.5}


async def test_a_new_chat_takes_what_was_chosen_for_it_along(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        await harness.live.new_chat_options.change(ada, {"instructions": "Be kind."})
        tab = await open_tab(harness, ada)
        assert await shown(tab) == OptionsItem("Be kind.")
        await tab.send(ChatState.set_options("r1", "", BRIEF))
        await (await tab.begin(Feed.open()))  # the connection was lost
        assert await shown(tab) == OptionsItem("Be brief.", 0.5)
        message = "c1", "", "Hi", "fake:3x0", BRIEF
        await tab.send(ChatState.send(*message))  # pyright: ignore[reportCallIssue]
        thread = (await tab.state(ChatState)).opened
        found = await harness.live.threads.get(ada, UUID(thread))
        assert found.options is not None
        assert found.options.row == {"instructions": "Be brief.", "temperature": 0.5}
        # the next one begins with what is kept for new chats
        fresh = await open_tab(harness, ada)
        await wait_for_value(fresh, lambda: shown(fresh), OptionsItem("Be kind."))


async def test_new_defaults_reach_an_open_new_chat_unless_something_was_chosen_for_it(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        untouched, chosen = [await open_tab(harness, ada) for _ in range(2)]
        await chosen.send(ChatState.set_options("r1", "", BRIEF))
        await harness.live.new_chat_options.change(ada, {"temperature": 1.5})
        await wait_for_value(untouched, lambda: shown(untouched), OptionsItem("", 1.5))
        await harness.live.profiles.choose_model(ada, "fake:think")

        await wait_for_value(chosen, lambda: model_of(chosen), "fake:think")
        assert await shown(chosen) == OptionsItem("Be brief.", 0.5)


async def test_what_the_operator_does_not_allow_is_refused_on_the_page_too(tmp_path: Path) -> None:
    async with open_harness(tmp_path, chat_max_temperature=1, chat_max_effort="low") as harness:
        ada = await harness.user("ada@example.com")
        thread = await sent(harness, ada)
        for where in (thread, ""):
            tab = await open_tab(harness, ada, where)
            hot = {**BRIEF, "temperature": 1.5}
            await tab.send(ChatState.set_options("r1", where, hot), where)
            state = await tab.state(ChatState)
            assert (state.options_refused, state.options_saved) == ("r1", "")
            assert state.options_problem == "The temperature can be 0 to 1."
            assert state.options == UNSET
        caps = (await tab.state(ChatDefaultsState)).caps
        efforts = ["none", "minimal", "low"]
        assert (caps.temperature, [effort.value for effort in caps.efforts]) == (1, efforts)
        assert EffortItem("none", "Off") in caps.efforts


async def test_a_model_that_is_picked_in_a_thread_is_there_after_a_reload(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        thread = await sent(harness, ada)
        tab, other = [await open_tab(harness, ada, thread) for _ in range(2)]
        await tab.send(ChatState.pick_model("fake:think"), thread)

        await wait_for_value(other, lambda: model_of(other), "fake:think")
        reloaded = await open_tab(harness, ada, thread)
        await wait_for_value(reloaded, lambda: model_of(reloaded), "fake:think")


async def test_the_settings_page_has_the_models_and_the_options_of_new_chats(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        await harness.live.new_chat_options.change(ada, {"effort": "high"})
        tab = await harness.tab(ada)
        await tab.send(ChatDefaultsState.load())
        state = await tab.state(ChatDefaultsState)
        assert (state.model, state.options) == ("fake", OptionsItem(effort="high"))
        await tab.send(ChatDefaultsState.pick_model("fake:drop"))
        await tab.send(ChatDefaultsState.pick_model("no such model"))
        assert (await tab.state(ChatDefaultsState)).model == "fake:drop"
        assert await harness.live.profiles.chosen_model(ada) == "fake:drop"


async def test_the_list_of_models_says_what_each_costs_and_which_fails(tmp_path: Path) -> None:
    prices = {"fake": {"input": 0.25, "output": 2}, "fake:think": {"input": 0, "output": 0}}
    async with open_harness(tmp_path, chat_prices=prices) as harness:
        ada = await harness.user("ada@example.com")
        tab = await open_tab(harness, ada)
        busy = Failure.RATE_LIMIT.error("Fake", retry_after=40)
        harness.live.models.health.started("fake:drop")
        harness.live.models.health.failed("fake:drop", busy)
        await tab.send(ChatState.refresh_models())
        models = {model.id: model for model in (await tab.state(ChatState)).models}
        assert models["fake"].price == "$0.25 in, $2 out per 1M tokens"
        assert (models["fake:think"].price, models["fake:drop"].price) == ("Free", "")
        assert models["fake:think"].about == "33k context · Images · Tools · Thinking"
        assert (
            models["fake:drop"].problem == "Fake is busy or rate-limited. Try again in 40 seconds."
        )
        assert models["fake"].problem == ""


@pytest.mark.parametrize(
    ("amount", "said"),
    [("3", "$3"), ("0.25", "$0.25"), ("0.1", "$0.10"), ("0.075", "$0.075"), ("0.0001", "$0")],
)
def test_prices_have_the_digits_that_matter(amount: str, said: str) -> None:
    price = Price(Decimal(amount), Decimal(60), Decimal(0))
    item = model_item(FakeModel(), read_settings(), price)
    assert item.price == f"{said} in, $60 out per 1M tokens"


def test_the_pause_that_a_provider_asked_for_passes() -> None:
    params = {"model": "One", "retry_after": 40}
    for seconds, when in ((39.2, "in 40 seconds"), (3.0, "in 3 seconds"), (0.0, "in a moment")):
        health = ModelHealth("open" if seconds else "half-open", "rate_limited", params, seconds)
        item = model_item(FakeModel(), read_settings(), health=health)
        assert item.problem == f"One is busy or rate-limited. Try again {when}."


def test_token_counts_are_written_as_in_lists_of_models() -> None:
    counts = (512, 4_096, 8_192, 32_768, 128_000, 999_499, 999_500, 1_048_576, 1_500_000)
    assert [token_count(count) for count in counts] == (
        ["512", "4.1k", "8.2k", "33k", "128k", "999k", "1M", "1M", "1.5M"]
    )
