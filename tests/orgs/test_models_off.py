"""A model that is off is called on no way, is in no list, and looks like one that is not there."""

import json
from collections.abc import AsyncIterator
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest

from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.auth.principal import Scope as KeyScope
from chat_app.core.events import TextDelta
from chat_app.db.tables import PRIVATE
from chat_app.gateway import Gateway
from chat_app.gateway.cookies import SESSION, full_name
from chat_app.llm import fake
from chat_app.llm.base import DEFAULT_OPTIONS, ProviderError, text_message
from chat_app.llm.registry import UnknownModel
from chat_app.orgs.model_rules import INSTALLATION, Choice
from chat_app.runs.follow import PartEvent
from chat_app.services import install, services
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest
from testing.organisations import OrgHarness, org_harness
from testing.route_cases import tool_call

OFF, ON, UNKNOWN = "fake:think", "fake", "fake-nothing"
ANTHROPIC = {"anthropic-version": "2023-06-01"}


class ModelsHarness:
    """A site admin, and Ada, who owns an organisation and has an API key."""

    def __init__(self, orgs: OrgHarness, http: httpx.AsyncClient) -> None:
        self.orgs = orgs
        self.live = orgs.live
        self.http = http

    async def fill(self) -> None:
        self.root = await self.orgs.person("root")
        await self.live.site_roles.promote(self.root.user_id)
        self.ada = await self.orgs.person("ada")
        self.org_id = await self.orgs.organisation(self.ada)
        scopes = get_args(KeyScope)
        made = await self.live.api_keys.create(self.ada, name="", scopes=scopes, days=7)
        self.http.headers["authorization"] = f"Bearer {made.token}"

    async def switch(
        self, choice: Choice, model: str = OFF, *, org_id: UUID = INSTALLATION, role: str = ""
    ) -> None:
        await self.live.model_rules.change(
            self.root, model, org_id=org_id, role=role, choice=choice
        )

    async def principal(self) -> Principal:
        return await self.orgs.now(self.ada)

    async def thread(self, model: str = OFF, org_id: UUID = PRIVATE) -> tuple[UUID, UUID]:
        """A thread with an answer of a model, and the answer."""
        who = await self.principal()
        sent = await self.live.runs.send(
            who, text="Hello " * 400, client_id=uuid4().hex, model=model, org_id=org_id
        )
        async for _ in self.live.runs.follow(who, sent.run_id):
            pass
        return sent.thread_id, sent.message_id

    def calls(self, model: str = OFF) -> int:
        return self.live.models.get(model).calls  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
async def harness(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ModelsHarness]:
    monkeypatch.setattr(fake, "_DEFAULT_INTERVAL", 0)  # no answer is watched here
    async with org_harness(database) as opened:
        install(opened.live)
        app = Gateway(http_app(), services=services)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url=opened.live.settings.url
            ) as http:
                one = ModelsHarness(opened, http)
                await one.fill()
                yield one
        finally:
            install(None)


def chat(model: str, **more: Any) -> dict[str, Any]:
    message = {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    return {"messages": [message], "model": model, **more}


def said(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}


def ag_ui(model: str) -> dict[str, Any]:
    message = {"id": uuid4().hex, "role": "user", "content": "Hi"}
    given = {"threadId": uuid4().hex, "runId": "run", "messages": [message]}
    return {**given, "forwardedProps": {"model": model}}


WIRES: dict[str, Any] = {
    "/api/chat": chat,
    "/api/ag-ui": ag_ui,
    "/v1/chat/completions": said,
    "/v1/chat/completions streamed": lambda model: said(model, stream=True),
    "/v1/chat/completions stored": lambda model: said(model, store=True),
    "/v1/responses": lambda model: {"model": model, "input": "Hi"},
    "/v1/responses stored": lambda model: {"model": model, "input": "Hi", "store": True},
    "/v1/messages": lambda model: said(model, max_tokens=9),
    "/v1/messages streamed": lambda model: said(model, max_tokens=9, stream=True),
    "/mcp": lambda model: tool_call("ask", question="Hi", model=model),
}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_model_that_is_off_looks_like_one_that_is_not_there(
    harness: ModelsHarness, wire: str
) -> None:
    path, body = wire.split(" ")[0], WIRES[wire]
    headers = {"accept": "application/json, text/event-stream"}
    if path == "/v1/messages":
        headers |= ANTHROPIC

    async def ask(model: str) -> tuple[int, str]:
        response = await harness.http.post(path, json=body(model), headers=headers)
        shown = response.text.replace(model, "MODEL")
        request_id = response.headers.get("x-request-id") or response.headers.get("request-id", "-")
        return response.status_code, shown.replace(request_id, "ID")

    assert (await ask(OFF))[0] == 200
    assert harness.calls() == 1
    await harness.switch("off")
    off, unknown = await ask(OFF), await ask(UNKNOWN)
    assert off == unknown
    assert off[0] in (404, 422) or "no model MODEL" in off[1]
    assert harness.calls() == 1
    assert harness.calls(ON) == 0
    await harness.switch("")
    assert (await ask(OFF))[0] == 200


@pytest.mark.parametrize("path", ["/api/threads/{}", "/api/account/chat-defaults"])
async def test_a_model_that_is_off_cannot_be_chosen(harness: ModelsHarness, path: str) -> None:
    thread_id, _ = await harness.thread(ON)
    session = await issue_session(harness.live, harness.ada.user_id, client_ip="::1")
    harness.http.headers.pop("authorization")
    name = full_name(harness.live.settings, SESSION)
    headers = {"Origin": harness.live.settings.url, "Cookie": f"{name}={session.token}"}

    async def choose(model: str) -> tuple[int, Any]:
        response = await harness.http.patch(
            path.format(thread_id), json={"model": model}, headers=headers
        )
        return response.status_code, response.text and response.json().get("message")

    assert (await choose(OFF))[0] == 204
    await harness.switch("off")
    for model in (OFF, UNKNOWN):
        assert await choose(model) == (422, str(UnknownModel(model)))


async def listed(harness: ModelsHarness, org_id: UUID | None = None) -> set[str]:
    """The lists of models that name a model; each is asked in its own way."""
    organisation = "private" if org_id is None else str(org_id)
    chosen = await harness.http.get("/api/models", params={"organisation": organisation})
    openai = await harness.http.get("/v1/models")
    anthropic = await harness.http.get("/v1/models", headers=ANTHROPIC, params={"limit": 1000})
    one = await harness.http.get(f"/v1/models/{OFF}")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"accept": "application/json, text/event-stream"}
    mcp = await harness.http.post("/mcp", json=body, headers=accept)
    names = {
        "/api/models": json.dumps([model["id"] for model in chosen.json()["models"]]),
        "OpenAI": json.dumps([model["id"] for model in openai.json()["data"]]),
        "Anthropic": json.dumps([model["id"] for model in anthropic.json()["data"]]),
        "one": one.text if one.status_code == 200 else "",
        "MCP": mcp.text,
    }
    return {name for name, text in names.items() if OFF in text}


async def test_each_list_has_what_is_on_for_the_user_there(harness: ModelsHarness) -> None:
    everywhere = {"/api/models", "OpenAI", "Anthropic", "one", "MCP"}
    assert await listed(harness) == await listed(harness, harness.org_id) == everywhere
    await harness.switch("off")
    assert await listed(harness) == await listed(harness, harness.org_id) == set()
    await harness.switch("on", org_id=harness.org_id, role="owner")
    assert await listed(harness) == set()
    assert await listed(harness, harness.org_id) == {"/api/models"}
    await harness.switch("off", ON)
    response = await harness.http.get("/api/models")
    assert response.json()["default"] not in (OFF, ON, None)
    for missing in (uuid4(), "acme"):
        response = await harness.http.get("/api/models", params={"organisation": str(missing)})
        assert response.status_code == 404


async def test_a_model_of_one_organisation_is_chosen_by_its_members_alone(
    harness: ModelsHarness,
) -> None:
    await harness.switch("off")
    await harness.switch("on", org_id=harness.org_id)
    access = harness.live.model_access
    member = await access.of(await harness.principal())
    other = await access.of(await harness.orgs.person("eve"))
    assert member.get_anywhere(OFF).id == OFF
    assert OFF in {model.id for model in member.anywhere()}
    assert not member.has(OFF)
    assert OFF not in {model.id for model in other.anywhere()}
    with pytest.raises(UnknownModel):
        other.get_anywhere(OFF)


@pytest.mark.parametrize("wire", ["/api/chat", "/api/ag-ui", "/mcp"])
async def test_when_all_are_off_there_is_no_default_and_nothing_is_sent(
    harness: ModelsHarness, wire: str
) -> None:
    for model in harness.live.models.all():
        await harness.switch("off", model.id)
    response = await harness.http.get("/api/models")
    assert response.json() == {"models": [], "default": None}
    headers = {"accept": "application/json, text/event-stream"}
    body = tool_call("ask", question="Hi") if wire == "/mcp" else WIRES[wire]("")
    response = await harness.http.post(wire, json=body, headers=headers)
    sentence = "No model is available. Ask your administrator."
    if wire == "/mcp":  # its tools fail inside a result
        result = response.json()["result"]
        assert (result["isError"], result["content"][0]["text"]) == (True, sentence)
    else:
        assert response.status_code == 403
        assert (response.json()["code"], response.json()["message"]) == (
            "no_model_allowed",
            sentence,
        )
    assert await harness.orgs.stored() == {}


async def test_a_chat_is_not_named_while_all_models_are_off(harness: ModelsHarness) -> None:
    thread_id, _ = await harness.thread()
    who = await harness.principal()
    title = (await harness.live.threads.get(who, thread_id)).title
    for model in harness.live.models.all():
        await harness.switch("off", model.id)
    assert await harness.live.runs.name_thread(who, thread_id) == title


async def test_the_organisation_of_the_chat_decides(harness: ModelsHarness) -> None:
    who = await harness.principal()
    await harness.switch("off", org_id=harness.org_id)
    await harness.live.runs.send(who, text="Hi", client_id="private", model=OFF)
    with pytest.raises(UnknownModel):
        await harness.live.runs.send(
            who, text="Hi", client_id="acme", model=OFF, org_id=harness.org_id
        )
    thread_id, _ = await harness.thread(ON, harness.org_id)
    headers = {"x-thread-id": str(thread_id)}
    off, unknown = [
        await harness.http.post(
            "/v1/chat/completions", json=said(model, store=True), headers=headers
        )
        for model in (OFF, UNKNOWN)
    ]
    assert (off.status_code, off.text.replace(OFF, "")) == (404, unknown.text.replace(UNKNOWN, ""))
    await harness.live.threads.move(who, thread_id, PRIVATE)
    stored = await harness.http.post(
        "/v1/chat/completions", json=said(OFF, store=True), headers=headers
    )
    assert stored.status_code == 200


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
async def test_a_role_decides_before_the_organisation(harness: ModelsHarness, role: str) -> None:
    bob = await harness.orgs.person("bob")
    org_id = await harness.orgs.organisation(bob, **{f"{role}_2": harness.ada})
    await harness.switch("off")
    await harness.switch("on", org_id=org_id)
    await harness.switch("off", org_id=org_id, role=role)
    who = await harness.principal()
    with pytest.raises(UnknownModel):
        await harness.live.runs.send(who, text="Hi", client_id="one", model=OFF, org_id=org_id)
    await harness.switch("", org_id=org_id, role=role)
    await harness.live.runs.send(who, text="Hi", client_id="one", model=OFF, org_id=org_id)


async def test_a_site_admin_has_what_is_on_for_admins_and_an_api_key_has_not(
    harness: ModelsHarness,
) -> None:
    await harness.switch("off")
    await harness.switch("on", role="admin")
    root = await harness.orgs.now(harness.root)
    await harness.live.runs.send(root, text="Hi", client_id="one", model=OFF)
    made = await harness.live.api_keys.create(root, name="", scopes=["models"], days=7)
    headers = {"authorization": f"Bearer {made.token}"}
    response = await harness.http.get(f"/v1/models/{OFF}", headers=headers)
    assert response.status_code == 404


@pytest.mark.parametrize("way", ["send", "retry", "continue", "compact", "edit"])
@pytest.mark.parametrize("place", ["installation", "organisation"])
async def test_an_old_thread_goes_on_with_another_model(
    harness: ModelsHarness, way: str, place: str
) -> None:
    org_id = harness.org_id if place == "organisation" else PRIVATE
    live = harness.live
    thread_id, message_id = await harness.thread(OFF, org_id)
    who = await harness.principal()
    if way == "compact":
        sent = await live.runs.send(
            who, text="Hi", client_id="more", thread_id=thread_id, model=OFF
        )
        async for _ in live.runs.follow(who, sent.run_id):
            pass
    if way == "continue":
        sent = await live.runs.send(
            who, text="Hi", client_id="cut", thread_id=thread_id, model="fake:100000x50"
        )
        async for event in live.runs.follow(who, sent.run_id):
            if isinstance(event, PartEvent) and isinstance(event.event, TextDelta):
                break
        await live.runs.stop(who, sent.run_id)
        message_id = sent.message_id
        await harness.switch("off", "fake:100000x50", org_id=org_id)
    await harness.switch("off", org_id=org_id)
    before, other = harness.calls(), harness.calls(ON)
    match way:
        case "send":
            made = await live.runs.send(who, text="Hi", client_id="two", thread_id=thread_id)
        case "retry":
            made = await live.runs.retry(who, message_id)
        case "edit":
            question = (await live.threads.window(who, thread_id, limit=9)).messages[0].id
            made = await live.runs.send(who, text="Ho", client_id="two", edits=question)
        case "continue":
            made = await live.runs.continue_answer(who, message_id)
        case _:
            made = await live.runs.compact(who, thread_id)
    async for _ in live.runs.follow(who, made.run_id):
        pass
    assert made.model is not None
    assert made.model.id == ON
    assert harness.calls(ON) > other
    assert harness.calls() == before


async def test_an_alternative_that_is_off_is_skipped(
    harness: ModelsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = harness.live.models
    monkeypatch.setattr(
        models, "fallbacks_of", lambda model_id: (models.get(OFF), models.get("fake:3x0"))
    )
    who, prompt = await harness.principal(), (text_message("user", "Hi"),)
    failing = models.get("fake:429")

    async def answering() -> str:
        asked = harness.live.unstored_answers.answer(who, failing, prompt, DEFAULT_OPTIONS)
        async with asked as answer:
            return answer.model.id

    assert await answering() == OFF
    await harness.switch("off")
    assert await answering() == "fake:3x0"
    await harness.switch("off", "fake:429")
    with pytest.raises(ProviderError) as caught:
        await answering()
    assert caught.value.message_code == "model_switched_off"


async def test_an_answer_that_is_being_written_goes_on(harness: ModelsHarness) -> None:
    who = await harness.principal()
    sent = await harness.live.runs.send(who, text="Hi", client_id="one", model="fake:99x9")
    events = harness.live.runs.follow(who, sent.run_id)
    await anext(events)
    await harness.switch("off", "fake:99x9")
    last = [event async for event in events][-1]
    assert last.status == "complete"  # pyright: ignore[reportAttributeAccessIssue]
