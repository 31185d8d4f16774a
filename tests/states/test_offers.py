"""What a page offers: the model that will answer, and an account where one may be made."""

from pathlib import Path

import pytest

from chat_app.settings import read_settings
from chat_app.states import auth
from chat_app.states.account import ProviderItem, ProvidersState
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from testing.oidc_app import oidc_at
from testing.reflex_tabs import opened, stage


async def test_the_model_that_answers_is_among_those_to_pick(tmp_path: Path) -> None:
    async with stage(tmp_path, chat_model="fake:20x0") as put_up:
        tab = await opened(put_up, await put_up.person("ada@example.com"))
        chat = await tab.state(ChatState)
        assert chat.model == "fake:20x0"
        ids = [model.id for model in chat.models]
        assert ids[0] == "fake:20x0"
        assert len(set(ids)) == len(ids) > 1


async def test_a_thread_goes_on_with_the_model_it_had(tmp_path: Path) -> None:
    async with stage(tmp_path) as put_up:
        who = await put_up.person("ada@example.com")
        sent = await put_up.live.runs.send(who, text="Hello", client_id="one", model="fake:drop")
        tab = await opened(put_up, who, str(sent.thread_id))
        assert (await tab.state(ChatState)).model == "fake:drop"


@pytest.mark.parametrize(("sign_up", "welcomes"), [("open", True), ("closed", False)])
async def test_a_stranger_is_told_whether_an_account_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign_up: str, welcomes: bool
) -> None:
    monkeypatch.setattr(auth, "settings", lambda: read_settings(sign_up=sign_up))
    async with stage(tmp_path) as put_up:
        tab = await put_up.tab(None)
        assert (await tab.state(AuthState)).sign_up_is_open is welcomes
        assert f'"sign_up_is_open_rx_state_": {str(welcomes).lower()}' in tab.text()


async def test_a_built_page_names_no_provider_until_the_server_does(tmp_path: Path) -> None:
    providers = (oidc_at("https://id.acme.example"),)
    built = ProvidersState(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    assert built.dict(initial=True)[ProvidersState.get_full_name()]["offered_rx_state_"] == []
    async with stage(tmp_path, identity_providers=providers) as put_up:
        tab = await put_up.tab(None)
        offered = (await tab.state(ProvidersState)).offered
        assert offered == [ProviderItem("acme", "Acme")]
