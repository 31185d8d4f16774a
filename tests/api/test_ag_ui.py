"""`POST /api/ag-ui`: what is sent, what is joined, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from testing.ag_ui_clients import check_events
from testing.chat_api import ChatApi, Exchange, chat_api_harness, user_message
from testing.database import DatabaseUnderTest
from testing.sql_statements import statements

MISSING = object()
USER = {"id": "m1", "role": "user", "content": "hi"}


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


def agent_input(thread_id: str, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"threadId": thread_id, "runId": "r1", "messages": list(messages), **more}


def run(chat_api: ChatApi, body: dict[str, Any], who: str = "alice") -> Exchange:
    return chat_api.open(who, "POST", "/api/ag-ui", body)


def text(call: Exchange) -> str:
    contents = (one for one in call.chunks if one["type"] == "TEXT_MESSAGE_CHUNK")
    return "".join(one["delta"] for one in contents)


async def refusal(chat_api: ChatApi, body: Any, who: str = "alice") -> tuple[int, str]:
    response = await chat_api.call(who, "POST", "/api/ag-ui", json=body)
    return response.status_code, response.json()["detail"]


async def new_thread(chat_api: ChatApi, who: str = "alice") -> str:
    return (await chat_api.call(who, "POST", "/api/threads", json={})).json()["id"]


async def test_a_message_is_answered_as_a_stream_of_events(chat_api: ChatApi):
    thread_id = await new_thread(chat_api)
    call = run(chat_api, agent_input(thread_id, USER))
    answer = (await chat_api.harness.models.one.answer()).say("first ")
    await call.until("first ")
    answer.say("second").finish()
    await call.done()
    assert call.status == 200
    assert call.headers["content-type"] == "text/event-stream"
    assert call.headers["x-thread-id"] == thread_id
    kinds = [chunk["type"] for chunk in call.chunks if chunk["type"] != "TEXT_MESSAGE_CHUNK"]
    assert kinds == ["RUN_STARTED", "RUN_FINISHED"]
    check_events(call.chunks)
    assert text(call) == "first second"
    assert {call.chunks[0][key] for key in ("threadId", "runId")} == {thread_id, "r1"}
    replay = chat_api.open(
        "alice", "GET", f"/api/chat/resume/{call.headers['x-resumable-stream-id']}"
    )
    assert (await replay.done()).text == "first second"


async def test_a_disconnect_stops_nothing_and_the_run_is_joined(chat_api: ChatApi):
    thread_id = await new_thread(chat_api)
    call = run(chat_api, agent_input(thread_id, USER))
    answer = (await chat_api.harness.models.one.answer()).say("one ")
    await call.until("one ")
    await call.leave()
    held = {"id": f"{uuid4()}-2", "role": "assistant", "content": "of another one"}
    for messages in ((), (USER,), (USER, held)):
        joined = run(chat_api, agent_input(thread_id, *messages))
        await joined.until("one ")
        await joined.leave()
    assert not answer.closed.is_set()
    last = run(chat_api, agent_input(thread_id))
    await last.until("one ")
    answer.say("two").finish()
    assert text(await last.done()) == "one two"
    assert len(chat_api.harness.models.one.answers) == 1


async def test_a_question_with_the_id_that_it_has_here_is_joined(chat_api: ChatApi):
    thread_id = await new_thread(chat_api)
    call = run(chat_api, agent_input(thread_id, USER))
    answer = (await chat_api.harness.models.one.answer()).say("one ")
    await call.until("one ")
    path = f"/api/threads/{thread_id}/messages"
    question = (await chat_api.call("alice", "GET", path)).json()["messages"][0]
    body = agent_input(thread_id, {**USER, "id": question["id"]})
    joined = run(chat_api, body)
    await joined.until("one ")
    answer.finish()
    assert text(await joined.done()) == "one "
    nothing = (422, "There is no message to answer, and no answer is being written.")
    assert await refusal(chat_api, body) == nothing


async def test_the_messages_of_a_client_are_looked_up_at_once(chat_api: ChatApi):
    thread_id = await new_thread(chat_api)

    async def reads(*messages: dict[str, Any]) -> int:
        models = chat_api.harness.models.one
        number = len(models.answers) + 1
        with statements() as noted:
            call = run(chat_api, agent_input(thread_id, *messages))
            (await models.answer(number)).say("Yes.").finish()
            await call.done()
        return sum(sql.startswith("SELECT message.id, message.role") for sql, _ in noted.ran)

    shown = {"id": str(uuid4()), "role": "assistant", "content": "of another one"}
    assert await reads({**USER, "id": "m1"}) == 0
    assert await reads({**USER, "id": str(uuid4())}) == 1
    assert await reads(USER, shown, {**USER, "id": str(uuid4())}) == 1


async def test_a_message_during_an_answer_is_refused(chat_api: ChatApi):
    thread_id = await new_thread(chat_api)
    call = run(chat_api, agent_input(thread_id, USER))
    answer = (await chat_api.harness.models.one.answer()).say("one ")
    await call.until("one ")
    status, _ = await refusal(chat_api, agent_input(thread_id, {**USER, "id": "m2"}))
    assert status == 409
    answer.finish()
    await call.done()


async def test_the_route_that_stops_an_answer_stops_it(chat_api: ChatApi):
    call = run(chat_api, agent_input("chat-1", USER, protocolVersion="1.0"))
    answer = (await chat_api.harness.models.one.answer()).say("one ")
    await call.until("one ")
    await chat_api.call("alice", "POST", "/api/chat/chat-1/stop")
    await call.done()
    assert answer.closed.is_set()
    assert call.chunks[-1]["outcome"] == {"type": "cancelled"}
    assert call.chunks[-1]["threadId"] == "chat-1" != call.headers["x-thread-id"]


async def test_one_thread_has_messages_of_two_wires(chat_api: ChatApi):
    first = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("hi")]})
    (await chat_api.harness.models.one.answer()).say("one").finish()
    thread_id = (await first.done()).headers["x-thread-id"]
    call = run(chat_api, agent_input(thread_id, {**USER, "id": "m2", "content": "and?"}))
    answer = await chat_api.harness.models.one.answer(2)
    assert [message.text for message in answer.prompt[1:]] == ["hi", "one", "and?"]
    answer.say("two").finish()
    assert text(await call.done()) == "two"


@pytest.mark.parametrize("kind", ["foreign", "deleted", "unknown", "malformed"])
@pytest.mark.parametrize("messages", [(), (USER,)])
async def test_a_thread_that_is_not_ones_own_is_missing(
    chat_api: ChatApi, kind: str, messages: tuple[dict[str, Any], ...]
):
    missing = await refusal(chat_api, agent_input(str(uuid4()), *messages))
    thread_id = "a b"
    if kind != "malformed":
        thread_id = await new_thread(chat_api, "bob" if kind == "foreign" else "alice")
    if kind == "deleted":
        await chat_api.call("alice", "DELETE", f"/api/threads/{thread_id}")
    body = agent_input(str(uuid4()) if kind == "unknown" else thread_id, *messages)
    assert await refusal(chat_api, body) == missing == (404, "Not found.")
    assert chat_api.harness.models.one.answers == []


async def test_another_users_name_of_a_thread_is_free(chat_api: ChatApi):
    call = run(chat_api, agent_input("chat-1", USER), "bob")
    (await chat_api.harness.models.one.answer()).say("secret").finish()
    await call.done()
    status, _ = await refusal(chat_api, agent_input("chat-1"))
    assert status == 422
    own = run(chat_api, agent_input("chat-1", USER))
    (await chat_api.harness.models.one.answer(2)).say("mine").finish()
    assert text(await own.done()) == "mine"


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"threadId": 1}, "threadId is not valid here."),
        ({"threadId": MISSING}, "threadId is required."),
        ({"runId": "r" * 201}, "runId has more than 200 characters."),
        ({"messages": {}}, "messages is not valid here."),
        ({"messages": [1]}, "messages.0 is not valid here."),
        ({"messages": [{"role": "user"}]}, "The last message must have text in its content."),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "Files can't be sent here yet.",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, "Write a message first."),
        ({"resume": [{"interruptId": "i"}]}, "No run waits to be resumed."),
        ({"forwardedProps": {"model": 1}}, "forwardedProps.model is not valid here."),
        ({"forwardedProps": {"model": "gpt-0"}}, "There is no model gpt-0. Choose another one."),
    ],
)
async def test_bad_input_is_one_sentence_and_changes_nothing(
    chat_api: ChatApi, changed: dict[str, Any], detail: str
):
    given = {**agent_input("chat-1", USER), **changed}
    body = {name: value for name, value in given.items() if value is not MISSING}
    assert await refusal(chat_api, body) == (422, detail)
    assert (await chat_api.call("alice", "GET", "/api/threads")).json() == []
    assert chat_api.harness.models.one.answers == []
