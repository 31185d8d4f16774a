"""The models, the sign-up and the identity providers that pages offer."""

from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import pytest

from chat_app.auth.sign_in.policy import SignUpMode
from chat_app.llm.registry import UnknownModel
from chat_app.orgs.model_rules import INSTALLATION, Choice
from chat_app.settings import read_settings
from chat_app.states import auth
from chat_app.states.account import IdentityProviderItem, IdentityProvidersState
from chat_app.states.auth import SignUpState
from chat_app.states.branches import BranchState
from chat_app.states.chat import ChatState
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.feed import Feed
from chat_app.states.organisations import CurrentOrganisationState
from testing.oidc_app import oidc_at
from testing.reflex_tabs import Harness, branch, open_harness, open_tab, wait_for_value


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


async def switch(harness: Harness, model: str, choice: Choice, org_id: UUID = INSTALLATION) -> None:
    root = await harness.user(f"{uuid4().hex}@example.com")
    await harness.live.site_roles.promote(root.user_id)
    await harness.live.model_rules.change(root, model, org_id=org_id, role="", choice=choice)


async def test_a_thread_whose_model_is_off_says_so_and_offers_others(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        sent = await harness.live.runs.send(ada, text="Hello", client_id="one", model="fake:drop")
        await switch(harness, "fake:drop", "off")
        thread = str(sent.thread_id)
        tab = await open_tab(harness, ada, thread)
        chat = await tab.state(ChatState)
        assert chat.model_note == (
            "Fake:drop isn't available any more, so Fake answers unless you choose another model."
        )
        assert chat.model == "fake"
        assert "fake:drop" not in [model.id for model in chat.models]
        await tab.send(ChatState.pick_model("fake:drop"), thread)
        assert (await tab.state(ChatState)).model == "fake"
        await tab.send(ChatState.pick_model("fake:think"), thread)
        chat = await tab.state(ChatState)
        assert (chat.model, chat.model_note) == ("fake:think", "")
        other = await open_tab(harness, ada, thread)
        assert (await other.state(ChatState)).model_note == ""


async def test_without_a_model_the_page_says_whom_to_ask_and_keeps_the_text(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        open_page = await open_tab(harness, ada)
        for model in harness.live.models.all():
            await switch(harness, model.id, "off")
        sentence = "No model is available. Ask your administrator."
        for tab in (open_page, await open_tab(harness, ada)):
            await tab.send(ChatState.send("one", "", "Hello", "fake"))
            chat = await tab.state(ChatState)
            assert (chat.refused, chat.accepted) == ("one", "")
            assert (chat.model_note, chat.model, chat.models) == (sentence, "", [])
        await tab.send(ChatDefaultsState.load())
        assert (await tab.state(ChatDefaultsState)).models == []
        await switch(harness, "fake:think", "on")
        await tab.send(ChatState.refresh_models())
        assert (await tab.state(ChatState)).model_note == ""


async def test_a_tab_offers_the_models_of_its_organisation(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        made = await harness.live.organisations.create(ada, "Acme")
        await switch(harness, "fake:think", "off")
        await switch(harness, "fake:think", "on", made.id)
        await switch(harness, "fake", "off", made.id)
        tab = await open_tab(harness, ada)

        async def offered() -> set[str]:
            models = {model.id for model in (await tab.state(ChatState)).models}
            return models & {"fake", "fake:think"}

        assert await offered() == {"fake"}
        await tab.send(CurrentOrganisationState.switch(str(made.id)))
        assert await offered() == {"fake:think"}
        ada = await harness.live.sessions.principal(ada.credential_id) or ada
        sent = await harness.live.runs.send(ada, text="Hi", client_id="one", org_id=made.id)
        assert sent.model is not None
        assert sent.model.id == "fake:think"
        thread = await open_tab(harness, ada, str(sent.thread_id))
        models = {model.id for model in (await thread.state(ChatState)).models}
        assert models & {"fake", "fake:think"} == {"fake:think"}
        await tab.send(ChatDefaultsState.load())
        either = {model.id for model in (await tab.state(ChatDefaultsState)).models}
        assert {"fake", "fake:think"} <= either


@pytest.mark.parametrize("way", ["retry", "edit", "send"])
async def test_what_is_refused_for_its_model_shows_the_models_anew(
    tmp_path: Path, way: str
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        sent = await harness.live.runs.send(ada, text="Hello", client_id="one", model="fake:think")
        async for _ in harness.live.runs.follow(ada, sent.run_id):
            pass
        thread = str(sent.thread_id)
        tab = await open_tab(harness, ada, thread)
        assert (await tab.state(ChatState)).model == "fake:think"
        await switch(harness, "fake:think", "off")
        question, answer = await branch(harness, ada, thread)
        event = {
            "retry": ChatState.retry(answer),
            "edit": BranchState.edit("two", question, "Hello again"),
            "send": ChatState.send("two", thread, "Hello again", "fake:think"),
        }[way]
        await tab.send(event, thread)
        chat = await tab.state(ChatState)
        assert chat.notice == str(UnknownModel("fake:think"))
        assert (chat.model, chat.model_note[:10]) == ("fake", "Fake:think")
        assert "fake:think" not in [model.id for model in chat.models]


async def test_a_model_is_picked_while_the_thread_of_an_organisation_is_read(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        ada = await harness.user("ada@example.com")
        made = await harness.live.organisations.create(ada, "Acme")
        await switch(harness, "fake:think", "off")
        await switch(harness, "fake:think", "on", made.id)
        ada = await harness.live.sessions.principal(ada.credential_id) or ada
        sent = await harness.live.runs.send(ada, text="Hi", client_id="one", org_id=made.id)
        thread = str(sent.thread_id)
        tab = await harness.tab(ada)
        await tab.call("reflex___state____state.hydrate", {}, thread)
        await tab.send(ChatState.refresh_models(), thread)
        chat = await tab.state(ChatState)
        assert chat.loading
        assert "fake:think" in [model.id for model in chat.models]
        await tab.send(ChatState.pick_model("fake:think"), thread)
        assert (await harness.live.threads.get(ada, sent.thread_id)).model == "fake:think"


@pytest.mark.parametrize(("setting", "welcomes"), [("open", True), ("closed", False)])
async def test_an_anonymous_user_sees_whether_sign_up_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, welcomes: bool
) -> None:
    monkeypatch.setattr(auth, "settings", lambda: read_settings(sign_up=setting))
    built = SignUpState(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    assert built.is_open is welcomes
    async with open_harness(tmp_path, sign_up=setting) as harness:
        tab = await harness.tab(None)
        await tab.send(SignUpState.load_policy())
        assert (await tab.state(SignUpState)).is_open is welcomes


async def test_an_anonymous_user_sees_what_an_admin_chose(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        root = await harness.user("root@example.com")
        await harness.live.site_roles.promote(root.user_id)
        tab = await harness.tab(None)
        seen = {}
        for mode in get_args(SignUpMode):
            await harness.live.sign_up_policies.choose(root, mode, "example.com")
            await tab.send(SignUpState.load_policy())
            state = await tab.state(SignUpState)
            seen[mode] = state.is_open, bool(state.hint)
        assert seen == {
            "open": (True, False),
            "domains": (True, True),
            "invited": (True, True),
            "closed": (False, False),
        }
        assert "example.com" not in tab.text(), "anonymous users do not see the domains"


async def test_without_email_no_form_is_offered_that_needs_a_verified_one(tmp_path: Path) -> None:
    served = {"app_url": "https://chat.example", "trusted_proxy_hops": 1, "fake_models": False}
    async with open_harness(tmp_path, **served) as harness:
        root = await harness.user("root@example.com")
        await harness.live.site_roles.promote(root.user_id)
        tab = await harness.tab(None)
        offers: dict[SignUpMode, bool] = {"invited": False, "open": True}
        for mode, is_open in offers.items():
            await harness.live.sign_up_policies.choose(root, mode, "")
            await tab.send(SignUpState.load_policy())
            assert (await tab.state(SignUpState)).is_open is is_open


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
