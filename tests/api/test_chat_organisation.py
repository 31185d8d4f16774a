"""In which organisation programs begin a thread, by the interface that they speak."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.db.tables import Membership, Organisation
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


async def _organisation(chat_api: ChatApi, who: str) -> UUID:
    """A new organisation of a user."""
    person, made = chat_api.people[who], Organisation(name="Acme")
    async with chat_api.harness.db.system("organisations", write=True) as session:
        session.add(made)
        await session.flush()
        session.add(Membership(user_id=person.user_id, org_id=made.id, role="member"))
    memberships = {**person.memberships, made.id: "member"}
    chat_api.people[who] = replace(person, memberships=memberships)
    return made.id


def _chat(organisation: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    body = {"messages": [user_message("hi", uuid4().hex)], "organisation": organisation, **more}
    return "/api/chat", body


def _ag_ui(organisation: Any) -> tuple[str, dict[str, Any]]:
    said = {"id": uuid4().hex, "role": "user", "content": "hi"}
    body = {"threadId": uuid4().hex[:8], "runId": "r", "messages": [said]}
    return "/api/ag-ui", {**body, "forwardedProps": {"organisation": organisation}}


async def _org_of_new(chat_api: ChatApi, path: str, body: dict[str, Any]) -> str | None:
    """The organisation of the thread that a request makes."""
    call = chat_api.open("alice", "POST", path, body)
    number = len(chat_api.harness.models.one.answers) + 1
    (await chat_api.harness.models.one.answer(number)).say("Hello.").finish()
    await call.done()
    assert call.status == 200, call.body
    thread = await chat_api.call("alice", "GET", f"/api/threads/{call.headers['x-thread-id']}")
    return thread.json()["orgId"]


@pytest.mark.parametrize("request_of", [_chat, _ag_ui])
async def test_a_new_thread_is_in_the_organisation_that_is_named(
    chat_api: ChatApi, request_of: Any
) -> None:
    org = str(await _organisation(chat_api, "alice"))
    assert await _org_of_new(chat_api, *request_of(org)) == org
    for private in (None, "private"):
        assert await _org_of_new(chat_api, *request_of(private)) is None


async def test_a_thread_with_an_id_of_the_client_is_made_there_too(chat_api: ChatApi) -> None:
    org = str(await _organisation(chat_api, "alice"))
    assert await _org_of_new(chat_api, *_chat(org, id="my-chat")) == org
    # it stays there, whatever later messages say
    assert await _org_of_new(chat_api, *_chat(None, id="my-chat")) == org


@pytest.mark.parametrize("request_of", [_chat, _ag_ui])
async def test_a_foreign_organisation_is_a_missing_one(chat_api: ChatApi, request_of: Any) -> None:
    await _organisation(chat_api, "alice")
    foreign = await _organisation(chat_api, "bob")
    looks = list[tuple[int, bytes]]()
    for one in (foreign, uuid4(), "x", "all"):
        path, body = request_of(str(one))
        response = await chat_api.call("alice", "POST", path, json=body)
        looks.append((response.status_code, response.content))
    assert set(looks) == {looks[0]}
    assert looks[0][0] == 404
    listed = await chat_api.call("alice", "GET", "/api/threads?organisation=all")
    assert listed.json() == []
    for wrong in (7, ["x"]):
        path, body = request_of(wrong)
        assert (await chat_api.call("alice", "POST", path, json=body)).status_code == 422
