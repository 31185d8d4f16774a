"""`POST /api/threads/{id}/compact`: older messages are summarized because a program asks for it."""

from collections.abc import AsyncIterator

import pytest

from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

LONG = "A long answer. " * 100


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


async def ask(chat_api: ChatApi, answer: str, thread: str | None = None) -> str:
    """Ask, and have it answered; the thread."""
    model = chat_api.harness.models.one
    number = len(model.answers) + 1
    body = {"messages": [user_message("hi", f"m{number}")], **({"id": thread} if thread else {})}
    call = chat_api.open("alice", "POST", "/api/chat", body)
    (await model.answer(number)).say(answer).finish()
    await call.done()
    return call.headers["x-thread-id"]


async def test_a_summary_is_followed_like_an_answer_and_is_a_part_of_the_last_one(
    chat_api: ChatApi,
) -> None:
    thread = await ask(chat_api, LONG)
    await ask(chat_api, "Yes.", thread)
    path = f"/api/threads/{thread}"
    before = (await chat_api.call("alice", "GET", f"{path}/messages")).json()["messages"][-1]
    got = await chat_api.call("alice", "POST", f"{path}/compact")
    assert got.status_code == 202
    run = got.json()["run"]
    assert run["messageId"] == before["id"]
    meanwhile = (await chat_api.call("alice", "GET", f"{path}/messages")).json()
    assert (meanwhile["run"], meanwhile["messages"][-1]["status"]) == (run, "complete")
    assert (await chat_api.call("alice", "POST", f"{path}/compact")).status_code == 409
    assert (await chat_api.call("alice", "GET", f"/api/chat/{thread}/stream")).status_code == 204
    stream = chat_api.open("alice", "GET", f"/api/chat/resume/{run['id']}")
    await stream.until("Yes.")
    (await chat_api.harness.models.one.answer(3)).say("They talked.").finish()
    await stream.done()
    assert stream.text == "Yes."
    [summary] = [one for one in stream.chunks[:-1] if one["type"] == "data-summary"]
    assert summary["data"] == {"text": "They talked.", "count": 2, "origin": "model"}
    assert stream.chunks[-2]["finishReason"] == "stop"
    after = (await chat_api.call("alice", "GET", f"{path}/messages")).json()
    assert after["run"] is None
    message = after["messages"][-1]
    assert message["parts"] == [
        *before["parts"],
        {key: summary[key] for key in ("type", "id", "data")},
    ]
    assert (message["status"], message["metadata"]) == (before["status"], before["metadata"])


async def test_it_is_stopped_like_an_answer(chat_api: ChatApi) -> None:
    thread = await ask(chat_api, LONG)
    await ask(chat_api, "Yes.", thread)
    path = f"/api/threads/{thread}"
    before = (await chat_api.call("alice", "GET", f"{path}/messages")).json()
    assert (await chat_api.call("alice", "POST", f"{path}/compact")).status_code == 202
    assert (await chat_api.call("alice", "POST", f"/api/chat/{thread}/stop")).status_code == 204
    assert (await chat_api.call("alice", "GET", f"{path}/messages")).json() == before


async def test_nothing_to_summarize_is_said(chat_api: ChatApi) -> None:
    thread = await ask(chat_api, LONG)
    got = await chat_api.call("alice", "POST", f"/api/threads/{thread}/compact")
    assert got.status_code == 422
    assert {key: got.json()[key] for key in ("error", "message")} == {
        "error": "invalid",
        "message": "There are no older messages to summarize yet.",
    }


async def test_a_foreign_thread_looks_like_a_missing_one(chat_api: ChatApi) -> None:
    thread = await ask(chat_api, LONG)
    await ask(chat_api, "Yes.", thread)
    foreign, missing = [
        await chat_api.call("bob", "POST", f"/api/threads/{each}/compact")
        for each in (thread, "00000000-0000-4000-8000-000000000000")
    ]
    assert (foreign.status_code, foreign.content) == (404, missing.content)
