"""The models, the sign-up and the identity providers that pages offer."""

from pathlib import Path

import pytest

from chat_app.settings import read_settings
from chat_app.states import auth
from chat_app.states.account import IdentityProviderItem, IdentityProvidersState
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from testing.oidc_app import oidc_at
from testing.reflex_tabs import open_harness, open_tab, wait_for_value


async def test_the_model_that_answers_is_among_those_to_pick(tmp_path: Path) -> None:
    async with open_harness(tmp_path, chat_model="fake:20x0") as harness:
        tab = await open_tab(harness, await harness.user("ada@example.com"))
        chat = await tab.state(ChatState)
        assert chat.model == "fake:20x0"
        ids = [model.id for model in chat.models]
        assert ids[0] == "fake:20x0"
        assert len(set(ids)) == len(ids) > 1


async def test_the_model_that_was_chosen_is_that_of_the_next_new_chat(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        sent = await harness.live.runs.send(ada, text="Hello", client_id="one", model="fake:think")
        thread = str(sent.thread_id)
        tab = await open_tab(harness, ada, thread)
        await tab.send(ChatState.pick_model("fake:drop"), thread)
        for one in (tab, await harness.tab(ada)):
            await (await one.begin(Feed.open()))
            assert (await one.state(ChatState)).model == "fake:drop"
        bob = await open_tab(harness, await harness.user("bob@example.com"))
        assert (await bob.state(ChatState)).model == "fake"


async def test_a_model_that_is_chosen_while_the_page_loads_again_is_kept(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        tab = await harness.tab(await harness.user("ada@example.com"))
        await tab.send(ChatState.pick_model("fake:drop"))
        await (await tab.begin(Feed.open()))
        assert (await tab.state(ChatState)).model == "fake:drop"


async def test_a_chosen_model_that_is_no_longer_offered_gives_way_to_the_default(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        await harness.live.profiles.choose_model(ada, "retired")
        tab = await open_tab(harness, ada)
        assert (await tab.state(ChatState)).model == "fake"


async def test_a_thread_goes_on_with_the_model_it_had(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        principal = await harness.user("ada@example.com")
        sent = await harness.live.runs.send(
            principal, text="Hello", client_id="one", model="fake:drop"
        )
        tab = await open_tab(harness, principal, str(sent.thread_id))
        assert (await tab.state(ChatState)).model == "fake:drop"


async def test_a_model_that_fails_is_marked_when_an_answer_ends(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        tab = await open_tab(harness, ada)

        async def marked() -> list[str]:
            return [model.id for model in (await tab.state(ChatState)).models if model.problem]

        assert await marked() == []
        await harness.live.runs.send(ada, text="Hello", client_id="one", model="fake:429")
        await wait_for_value(tab, marked, ["fake:429"])
        assert harness.live.models.health.of("fake:429").state == "open"


@pytest.mark.parametrize(("sign_up", "welcomes"), [("open", True), ("closed", False)])
async def test_an_anonymous_user_sees_whether_sign_up_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign_up: str, welcomes: bool
) -> None:
    monkeypatch.setattr(auth, "settings", lambda: read_settings(sign_up=sign_up))
    async with open_harness(tmp_path) as harness:
        tab = await harness.tab(None)
        assert (await tab.state(AuthState)).sign_up_is_open is welcomes
        assert f'"sign_up_is_open_rx_state_": {str(welcomes).lower()}' in tab.text()


async def test_a_built_page_names_no_provider_until_the_server_does(tmp_path: Path) -> None:
    providers = (oidc_at("https://id.acme.example"),)
    built = IdentityProvidersState(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    assert (
        built.dict(initial=True)[IdentityProvidersState.get_full_name()]["offered_rx_state_"] == []
    )
    async with open_harness(tmp_path, identity_providers=providers) as harness:
        tab = await harness.tab(None)
        offered = (await tab.state(IdentityProvidersState)).offered
        assert offered == [IdentityProviderItem("acme", "Acme")]
