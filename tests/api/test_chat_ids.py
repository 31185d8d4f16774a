"""The kinds of chat id: ours, foreign, deleted, unknown, and those that a program has made."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from testing.chat_api import ChatApi, Exchange, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

MISSING = (404, "not_found")
GONE = (404, "stream not found")
NOTHING = (204, None)


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


def post(chat_api: ChatApi, who: str = "alice", **body: Any) -> Exchange:
    return chat_api.open(who, "POST", "/api/chat", {"messages": [user_message("hi")], **body})


async def threads(chat_api: ChatApi, who: str = "alice") -> list[dict[str, Any]]:
    return (await chat_api.call(who, "GET", "/api/threads")).json()


def outcome(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.json()["error"] if response.content else None


@dataclass(frozen=True)
class Expected:
    """What a request about a chat gets.

    Args:
        send: None if the message is answered.
        stream: The same while an answer is running.
    """

    send: tuple[int, str] | None
    stream: tuple[int, str | None] | None
    stop: tuple[int, str | None]
    resume: tuple[int, str] | None


KINDS = {
    "own": Expected(None, None, NOTHING, None),
    "foreign": Expected(MISSING, MISSING, MISSING, GONE),
    "deleted": Expected(MISSING, MISSING, MISSING, GONE),
    "unknown": Expected(MISSING, MISSING, MISSING, GONE),
    "malformed": Expected(MISSING, MISSING, MISSING, GONE),
    "external": Expected(None, None, NOTHING, None),
    "unknown external": Expected(None, NOTHING, NOTHING, GONE),
    "foreign external": Expected(None, NOTHING, NOTHING, GONE),
    "deleted external": Expected(None, NOTHING, NOTHING, GONE),
}
"""`foreign` and its like are the same to Alice as what does not exist."""


async def prepared(chat_api: ChatApi, kind: str) -> tuple[str, str, Exchange | None]:
    """A chat of a kind with a running answer; its id, that of the stream, and the stream."""
    who = "bob" if kind.startswith("foreign") else "alice"
    if kind in ("unknown", "malformed", "unknown external"):
        ids = {"unknown": str(uuid4()), "malformed": "a b", "unknown external": "chat-1"}
        return ids[kind], str(uuid4()), None
    external = {"id": "chat-1"} if kind.endswith("external") else {}
    number = len(chat_api.harness.models.one.answers) + 1
    call = post(chat_api, who, **external, messages=[user_message("first", uuid4().hex)])
    (await chat_api.harness.models.one.answer(number)).say("secret")
    await call.until("secret")
    thread_id = call.headers["x-thread-id"]
    if kind.startswith("deleted"):
        await chat_api.call(who, "DELETE", f"/api/threads/{thread_id}")
        await call.done()
    return "chat-1" if external else thread_id, call.headers["x-resumable-stream-id"], call


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_chat_id_on_every_route(chat_api: ChatApi, kind: str):
    expected, one = KINDS[kind], chat_api.harness.models.one
    chat_id, stream_id, running = await prepared(chat_api, kind)
    before = await threads(chat_api), await threads(chat_api, "bob")
    asked = len(one.answers)

    reading = {
        f"/api/chat/{chat_id}/stream": expected.stream,
        f"/api/chat/resume/{stream_id}": expected.resume,
    }
    for path, wanted in reading.items():
        if wanted is not None:
            assert outcome(await chat_api.call("alice", "GET", path)) == wanted, path
            continue
        call = chat_api.open("alice", "GET", path)
        await call.until("secret")
        assert call.headers["x-resumable-stream-id"] == stream_id
        await call.leave()
    for trigger in ("regenerate-message", "continue-message"):
        body = {"id": chat_id, "trigger": trigger}
        got = await chat_api.call("alice", "POST", "/api/chat", json=body)
        assert got.status_code == (409 if expected.resume is None else 404)
    got = await chat_api.call("alice", "POST", f"/api/chat/{chat_id}/stop")
    assert outcome(got) == expected.stop
    assert len(one.answers) == asked
    if expected.send is not None:
        body = {"id": chat_id, "messages": [user_message("more", "m2")]}
        got = await chat_api.call("alice", "POST", "/api/chat", json=body)
        assert outcome(got) == expected.send
        assert (await threads(chat_api), await threads(chat_api, "bob")) == before
        assert len(one.answers) == asked
    else:
        call = post(chat_api, id=chat_id, messages=[user_message("more", "m2")])
        (await one.answer(asked + 1)).say("yes").finish()
        assert (await call.done()).text == "yes"
        assert (await threads(chat_api, "bob")) == before[1]
        assert call.headers["x-thread-id"] in [row["id"] for row in await threads(chat_api)]
        is_continued = kind in ("own", "external")
        assert len(await threads(chat_api)) == len(before[0]) + (0 if is_continued else 1)
    if running is not None:
        await chat_api.harness.runs.drain()
        await running.done()


MISSING_KINDS = {
    "ours": ("unknown", "foreign", "deleted"),
    "external": ("unknown external", "foreign external", "deleted external"),
}
"""Kinds that look the same to Alice, to the byte."""


@pytest.mark.parametrize("kinds", MISSING_KINDS.values(), ids=MISSING_KINDS)
async def test_what_is_not_the_users_looks_the_same_to_the_byte(
    chat_api: ChatApi, kinds: tuple[str, ...]
):
    seen, streams = dict[str, list[tuple[int, bytes, str]]](), list[Exchange]()
    for kind in kinds:
        chat_id, stream_id, running = await prepared(chat_api, kind)
        asked = [
            *(("GET", f"/api/chat/{chat_id}/stream", None),),
            *(("GET", f"/api/chat/resume/{stream_id}", None),),
            *(("POST", f"/api/chat/{chat_id}/stop", {"activeStreamId": stream_id}),),
            *(("GET", f"/api/threads/{chat_id}", None),),
        ]
        for trigger in ("regenerate-message", "continue-message"):
            asked.append(("POST", "/api/chat", {"id": chat_id, "trigger": trigger}))
        if kinds == MISSING_KINDS["ours"]:  # any other id is created by a message
            body = {"id": chat_id, "messages": [user_message("more", uuid4().hex)]}
            asked.append(("POST", "/api/chat", body))
        responses = [
            await chat_api.call("alice", method, path, json=body) for method, path, body in asked
        ]
        seen[kind] = [(one.status_code, one.content, str(one.headers)) for one in responses]
        streams += [running] if running is not None else []
    await chat_api.harness.runs.drain()
    for stream in streams:
        await stream.done()
    first, *others = seen.values()
    assert others == [first] * 2


async def test_a_chat_of_a_program_is_one_thread(chat_api: ChatApi):
    for number in (1, 2):
        call = post(chat_api, id="p8Xk_2-a", messages=[user_message("hi", f"m{number}")])
        answer = await chat_api.harness.models.one.answer(number)
        answer.say(f"a{number}").finish()
        await call.done()
    assert [message.text for message in answer.prompt[1:]] == ["hi", "a1", "hi"]
    (thread,) = await threads(chat_api)
    assert (thread["id"], thread["externalId"]) == (call.headers["x-thread-id"], "p8Xk_2-a")
    path = "/api/threads/p8Xk_2-a"
    assert (await chat_api.call("alice", "GET", path)).json()["id"] == thread["id"]
    assert (await chat_api.call("bob", "GET", path)).status_code == 404


async def test_parallel_sends_create_one_chat(chat_api: ChatApi):
    calls = [post(chat_api, id="chat-1") for _ in range(6)]
    (await chat_api.harness.models.one.answer()).say("a").finish()
    done = [await call.done() for call in calls]
    assert {call.text for call in done} == {"a"}
    assert len(await threads(chat_api)) == 1
    assert len(chat_api.harness.models.one.answers) == 1


async def test_parallel_messages_never_create_a_second_chat(chat_api: ChatApi):
    bodies = [
        {"id": "chat-1", "messages": [user_message(f"hi {number}", f"m{number}")]}
        for number in range(6)
    ]
    calls = [chat_api.open("alice", "POST", "/api/chat", body) for body in bodies]
    answer = (await chat_api.harness.models.one.answer()).say("a")
    ended = asyncio.as_completed([call.done() for call in calls])
    assert {(await next(ended)).status for _ in calls[1:]} == {409}
    answer.finish()
    assert (await next(ended)).status == 200
    (thread,) = await threads(chat_api)
    assert thread["externalId"] == "chat-1"


async def test_a_message_of_one_chat_is_not_sent_again_in_another(chat_api: ChatApi):
    call = post(chat_api, id="chat-1")
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    body = {"id": "chat-2", "messages": [user_message("hi")]}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert outcome(got) == (409, "conflict")
    assert [thread["externalId"] for thread in await threads(chat_api)] == ["chat-1"]


async def test_a_deleted_chat_that_comes_back_gives_its_name_to_the_one_that_has_it(
    chat_api: ChatApi,
):
    alice, service = chat_api.people["alice"], chat_api.harness.threads
    first = await service.create(alice, external_id="chat-1")
    await service.delete(alice, first.id)
    second = await service.create(alice, external_id="chat-1")
    await service.restore(alice, first.id)
    await service.restore(alice, second.id)
    assert (await service.get(alice, first.id)).external_id is None
    assert await service.find(alice, "chat-1") == second.id
    await service.delete(alice, second.id)
    await service.restore(alice, second.id)
    assert await service.find(alice, "chat-1") == second.id


async def test_a_request_names_no_owner_and_no_other_thread(chat_api: ChatApi):
    bob = await chat_api.harness.threads.create(chat_api.people["bob"], title="Bob")
    body = {
        "messages": [user_message("hi")],
        **{key: str(chat_api.people["bob"].user_id) for key in ("userId", "owner_id", "ownerId")},
        **{key: str(bob.id) for key in ("threadId", "thread_id", "chatId")},
    }
    call = chat_api.open("alice", "POST", "/api/chat", body)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    assert len(await threads(chat_api)) == 1
    assert [row["title"] for row in await threads(chat_api, "bob")] == ["Bob"]
    path = f"/api/threads/{bob.id}/messages"
    assert (await chat_api.call("bob", "GET", path)).json()["messages"] == []


async def test_a_finished_stream_is_replayed_until_its_chat_is_deleted(chat_api: ChatApi):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    path = f"/api/chat/resume/{call.headers['x-resumable-stream-id']}"
    again = await chat_api.open("alice", "GET", path).done()
    assert (again.headers, again.chunks) == (call.headers, call.chunks)
    other = await chat_api.call("bob", "GET", path)
    await chat_api.call("alice", "DELETE", f"/api/threads/{call.headers['x-thread-id']}")
    gone = await chat_api.call("alice", "GET", path)
    assert (gone.status_code, gone.content) == (other.status_code, other.content)
    assert outcome(gone) == GONE


async def test_a_stop_that_comes_late_stops_no_later_answer(chat_api: ChatApi):
    first = post(chat_api)
    (await chat_api.harness.models.one.answer(1)).say("a").finish()
    await first.done()
    thread_id = first.headers["x-thread-id"]
    second = post(chat_api, id=thread_id, messages=[user_message("more", "m2")])
    (await chat_api.harness.models.one.answer(2)).say("b")
    await second.until('"b"')
    stream = second.headers["x-resumable-stream-id"]
    for given in (first.headers["x-resumable-stream-id"], str(uuid4())):
        body = {"activeStreamId": given, "assistantMessage": {"id": "x"}}
        got = await chat_api.call("alice", "POST", f"/api/chat/{thread_id}/stop", json=body)
        assert outcome(got) == NOTHING
        running = await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")
        assert running.json()["running"]
    body = {"activeStreamId": stream}
    await chat_api.call("alice", "POST", f"/api/chat/{thread_id}/stop", json=body)
    assert (await second.done()).chunks[-2] == {"type": "abort"}


async def test_two_resume_and_nothing_is_doubled(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("one ")
    await call.until("one ")
    path = f"/api/chat/resume/{call.headers['x-resumable-stream-id']}"
    readers = [chat_api.open("alice", "GET", path) for _ in range(2)]
    await asyncio.gather(*(reader.until("one ") for reader in readers))
    answer.say("two").finish()
    assert [(await reader.done()).text for reader in (call, *readers)] == ["one two"] * 3
