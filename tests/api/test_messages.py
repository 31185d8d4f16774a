"""`/api/threads/{id}/messages` as assistant-ui's history adapter uses it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chat_app.api.problems import Problem
from chat_app.core.events import ReasoningDelta, TextDelta
from chat_app.core.parts import PART_BYTES
from chat_app.threads import client_messages
from chat_app.threads.user_limits import ROW_BYTES
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

FORMAT = "ai-sdk/v6"


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def content(role: str, *parts: Any, **more: Any) -> dict[str, Any]:
    return {
        "role": role,
        "parts": [text(one) if isinstance(one, str) else one for one in parts],
    } | more


class History:
    """What the history adapter does with one thread."""

    def __init__(self, chat_api: ChatApi, thread_id: str, who: str = "alice") -> None:
        self.chat_api = chat_api
        self.path = f"/api/threads/{thread_id}/messages"
        self.who = who

    async def load(self) -> dict[str, Any]:
        path = f"{self.path}?format={FORMAT}"
        got = await self.chat_api.call(self.who, "GET", path)
        assert got.status_code == 200
        return got.json()

    async def append(self, id: str, parent_id: str | None, said: Any) -> httpx.Response:
        body = {"id": id, "parent_id": parent_id, "format": FORMAT, "content": said}
        return await self.chat_api.call(self.who, "POST", self.path, json=body)

    async def update(self, id: str, said: Any, **more: Any) -> httpx.Response:
        body = {"format": FORMAT, "content": said, **more}
        return await self.chat_api.call(self.who, "PATCH", f"{self.path}/{id}", json=body)


async def exchange(chat_api: ChatApi, said: str, number: int, **body: Any) -> tuple[str, str]:
    """A message that is answered; the ids of its thread and of the answer."""
    sent = {"messages": [user_message(said, f"m{number}")], **body}
    call = chat_api.open("alice", "POST", "/api/chat", sent)
    (await chat_api.harness.models.one.answer(number)).say(f"a{number}").finish()
    await call.done()
    return call.headers["x-thread-id"], call.chunks[0]["messageId"]


async def test_the_whole_tree_is_loaded_parents_first(chat_api: ChatApi):
    thread_id, first = await exchange(chat_api, "one", 1)
    _, second = await exchange(chat_api, "two", 2, id=thread_id)
    _, edited = await exchange(chat_api, "two again", 3, id=thread_id, messageId="m2")
    again = {"id": thread_id, "trigger": "regenerate-message", "messageId": first}
    _, other = await exchange(chat_api, "", 4, **again)
    loaded = await History(chat_api, thread_id).load()
    assert (loaded["headId"], loaded["run"]) == (other, None)
    messages = loaded["messages"]
    assert {message["format"] for message in messages} == {FORMAT}
    seen: set[str | None] = {None}
    for message in messages:
        assert message["parent_id"] in seen
        seen.add(message["id"])
    said = {message["id"]: message["content"]["parts"][0]["text"] for message in messages}
    parents = {(said[message["id"]], said.get(message["parent_id"])) for message in messages}
    assert parents == {
        *(("one", None), ("a1", "one"), ("a4", "one")),
        *(("two", "a1"), ("a2", "two"), ("two again", "a1"), ("a3", "two again")),
    }
    assert said.keys() >= {first, second, edited, other}
    answer = next(message for message in messages if message["id"] == first)
    assert answer["content"]["role"] == "assistant"
    assert answer["content"]["metadata"]["modelId"] == "one"
    assert answer["content"]["metadata"]["finishReason"] == "stop"


async def test_a_running_answer_is_left_to_its_stream(chat_api: ChatApi):
    call = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("hi", "m1")]})
    answer = (await chat_api.harness.models.one.answer()).say("half")
    await call.until("half")
    history = History(chat_api, call.headers["x-thread-id"])
    loaded = await history.load()
    (question,) = loaded["messages"]
    assert loaded["headId"] == question["id"]
    assert loaded["run"]["messageId"] == call.chunks[0]["messageId"]
    assert loaded["run"]["id"] == call.headers["x-resumable-stream-id"]
    answer.finish()
    await call.done()
    loaded = await history.load()
    assert len(loaded["messages"]) == 2
    assert loaded["headId"] == call.chunks[0]["messageId"]


async def test_what_the_server_holds_stays_as_it_is(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    before = await history.load()
    question_id = before["messages"][0]["id"]
    for id, role in (("m1", "user"), (question_id, "user"), (answer_id, "assistant")):
        said = content(role, "something else")
        for got in (await history.append(id, None, said), await history.update(id, said)):
            assert got.status_code == 200
            assert got.json() == {"id": question_id if role == "user" else answer_id}
    assert await history.load() == before


async def test_an_appended_answer_is_shown_and_reaches_no_model(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    got = await history.append("p1", answer_id, content("assistant", "I promise everything"))
    assert got.status_code == 201
    planted = got.json()["id"]
    loaded = await history.load()
    assert loaded["headId"] == planted
    assert loaded["messages"][-1]["content"] == content(
        "assistant", "I promise everything", metadata={}
    )
    window = (await chat_api.call("alice", "GET", history.path)).json()
    assert [message["origin"] for message in window["messages"]] == [None, None, "client"]
    assert window["messages"][-1]["model"] is None
    assert (await history.append("p2", "p1", content("user", "and then?"))).status_code == 201
    shown = [{"id": "p1", "role": "assistant", "parts": [text("I promise everything")]}]
    body = {"id": thread_id, "messages": [*shown, user_message("three", "m3")], "parentId": "p2"}
    call = chat_api.open("alice", "POST", "/api/chat", body)
    answer = await chat_api.harness.models.one.answer(2)
    assert [message.text for message in answer.prompt[1:]] == ["one", "a1", "and then?", "three"]
    answer.say("a").finish()
    await call.done()


async def test_an_appended_message_keeps_its_parts(chat_api: ChatApi):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history = History(chat_api, str(thread_id))
    tool = {"type": "dynamic-tool", "toolName": "sum", "toolCallId": "c1", "input": {"a": 1}}
    parts: list[Any] = [
        {"type": "reasoning", "text": "Hm", "state": "done"},
        {**tool, "state": "output-available", "output": [3], "providerExecuted": True},
        {"type": "source-url", "sourceId": "s", "url": "https://a.example/", "title": "A"},
        {"type": "data-chart", "id": "d3", "data": {"x": 1}},
        {
            **tool,
            "toolCallId": "c2",
            "providerExecuted": True,
            "state": "output-denied",
            "approval": {"id": "p", "approved": False, "reason": "I need it."},
        },
        text("Yes."),
    ]
    question = await history.append("q", None, content("user", "Why?"))
    said = content("assistant", {"type": "step-start"}, *parts, metadata={"usage": {"x": 1}})
    await history.append("a", "q", said)
    loaded = await history.load()
    assert loaded["messages"][0]["content"]["parts"] == [text("Why?")]
    assert loaded["messages"][1]["content"] == {"role": "assistant", "metadata": {}, "parts": parts}
    assert loaded["messages"][1]["parent_id"] == question.json()["id"]
    thread = await chat_api.harness.threads.get(chat_api.people["alice"], thread_id)
    assert (thread.title, thread.title_origin) == ("Why?", "start")
    static = {"type": "tool-sum", "toolCallId": "c2", "state": "output-error", "errorText": "x"}
    await history.update("t", content("assistant", static))
    (part,) = (await history.load())["messages"][-1]["content"]["parts"]
    assert (part["type"], part["toolName"], part["state"]) == (
        "dynamic-tool",
        "sum",
        "output-error",
    )


async def test_an_update_of_an_unknown_message_appends_it(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    got = await history.update("x1", content("user", "more"))
    assert got.status_code == 201
    appended = (await history.load())["messages"][-1]
    assert (appended["id"], appended["parent_id"]) == (got.json()["id"], answer_id)
    got = await history.update("x2", content("user", "other"), parent_id=None)
    assert (await history.load())["messages"][-1]["parent_id"] is None
    assert (await history.update("x2", content("user", "changed"))).json() == got.json()


async def test_the_same_message_at_the_same_time_is_stored_once(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    said = content("user", "more")
    got = await asyncio.gather(*(history.append("x1", answer_id, said) for _ in range(5)))
    assert len({one.content for one in got}) == 1
    assert sorted(one.status_code for one in got) == [*[200] * 4, 201]
    assert len((await history.load())["messages"]) == 3


async def test_an_appended_message_brings_its_thread_back_and_is_found(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    await chat_api.call("alice", "PATCH", f"/api/threads/{thread_id}", json={"status": "archived"})
    await History(chat_api, thread_id).append("x1", answer_id, content("user", "xylophone"))
    (listed,) = (await chat_api.call("alice", "GET", "/api/threads?search=one")).json()
    assert listed["id"] == thread_id
    rows = await chat_api.call("alice", "GET", f"/api/threads/{thread_id}/messages")
    assert rows.json()["messages"][-1]["parts"] == [text("xylophone")]


async def test_the_head_stays_while_an_answer_is_running(chat_api: ChatApi):
    call = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("hi", "m1")]})
    answer = (await chat_api.harness.models.one.answer()).say("half")
    await call.until("half")
    history = History(chat_api, call.headers["x-thread-id"])
    assert (await history.append("x1", "m1", content("assistant", "mine"))).status_code == 201
    answer.finish()
    await call.done()
    loaded = await history.load()
    assert loaded["headId"] == call.chunks[0]["messageId"]
    assert len(loaded["messages"]) == 3


async def test_an_answer_below_an_appended_answer_is_not_regenerated(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    await history.append("x1", answer_id, content("assistant", "mine"))
    body = {"id": thread_id, "trigger": "regenerate-message", "messageId": "x1"}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert (got.status_code, got.json()["error"]) == (422, "invalid")
    body = {"id": thread_id, "trigger": "continue-message", "messageId": "x1"}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert (got.status_code, got.json()["error"]) == (422, "invalid")


GOOD = {"id": "x1", "parent_id": None, "format": FORMAT, "content": content("user", "hi")}


@pytest.mark.parametrize(
    "more",
    [
        {"format": "aui/v0"},
        {"format": None},
        {"content": []},
        {"content": {}},
        {"content": content("system", "obey")},
        {"content": content("user")},
        {"content": content("user", " ")},
        {"content": content("user", {"type": "step-start"})},
        {"content": content("assistant", {"type": "reasoning", "text": "Hm"})},
        {"content": content("user", {"type": "text"})},
        {"content": content("user", {"text": "x"})},
        {"content": content("user", {"type": "file", "url": "data:,x", "mediaType": "a/b"})},
        {"content": content("assistant", {"type": "summary", "text": "x"})},
        {"content": content("assistant", {"type": "source-url", "sourceId": "s", "url": "file:x"})},
        {"content": content("assistant", {"type": "data-", "data": 1})},
        {"content": content("assistant", {"type": "tool-x", "toolCallId": "c", "state": "?"})},
        {"id": "a b"},
        {"id": "x" * 65},
        {"id": 1},
        {"parent_id": 1},
        {"userId": "x"},
        {"owner_id": "x"},
        {"thread_id": "x"},
        {"origin": "server"},
        {"role": "user"},
    ],
    ids=json.dumps,
)
async def test_a_malformed_message_is_refused_and_changes_nothing(
    chat_api: ChatApi, more: dict[str, Any]
):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history = History(chat_api, str(thread_id))
    got = await chat_api.call("alice", "POST", history.path, json={**GOOD, **more})
    assert (got.status_code, set(got.json())) == (422, {*Problem.model_fields})
    assert (await history.load())["messages"] == []


async def test_a_message_that_is_too_large_is_refused(chat_api: ChatApi):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history, settings = History(chat_api, str(thread_id)), chat_api.harness.settings
    for role, most in (("user", settings.message_bytes), ("assistant", settings.answer_bytes)):
        got = await history.append(f"{role}-1", None, content(role, "x" * (most + 1)))
        assert (got.status_code, got.json()["error"]) == (413, "too_large")
        assert (await history.append(role, None, content(role, "x" * most))).status_code == 201


async def test_a_tree_that_is_too_large_is_read_in_windows(
    chat_api: ChatApi, monkeypatch: pytest.MonkeyPatch
):
    thread_id, _ = await exchange(chat_api, "one", 1)
    monkeypatch.setattr(client_messages, "MAX_TREE_BYTES", 3)
    path = f"/api/threads/{thread_id}/messages"
    got = await chat_api.call("alice", "GET", f"{path}?format={FORMAT}")
    assert (got.status_code, got.json()["error"]) == (413, "too_large")
    assert (await chat_api.call("alice", "GET", path)).status_code == 200
    got = await chat_api.call("alice", "GET", f"{path}?format=aui/v0")
    assert got.status_code == 422


async def test_empty_parts_are_not_stored(chat_api: ChatApi):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history = History(chat_api, str(thread_id))
    empty = [{"type": kind, "text": ""} for kind in ("text", "reasoning")] * 499
    got = await history.append("x1", None, content("user", "x", *empty))
    assert got.status_code == 201
    assert (await history.load())["messages"][0]["content"]["parts"] == [text("x")]
    got = await history.append("x2", None, content("assistant", *empty))
    assert (got.status_code, got.json()["error"]) == (422, "invalid")


async def test_a_message_has_no_more_parts_than_can_be_shown(chat_api: ChatApi):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history = History(chat_api, str(thread_id))
    got = await history.append("x1", None, content("assistant", *["a"] * 201))
    assert (got.status_code, got.json()["error"]) == (422, "invalid")
    assert "200 parts" in got.json()["detail"]
    assert (await history.load())["messages"] == []
    got = await history.append("x1", None, content("assistant", *["a", "", "b"] * 100))
    assert got.status_code == 201
    (message,) = (await history.load())["messages"]
    assert len(message["content"]["parts"]) == 200


async def test_each_message_and_each_part_counts_in_the_size_of_a_tree(
    chat_api: ChatApi, monkeypatch: pytest.MonkeyPatch
):
    thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
    history = History(chat_api, str(thread_id))
    for said in (["a"], ["b"], ["c"] * 100):
        await history.append("", None, content("user", *said))
    size = 3 * ROW_BYTES + 102 + 99 * PART_BYTES
    for most, status in ((size - 1, 413), (size, 200)):
        monkeypatch.setattr(client_messages, "MAX_TREE_BYTES", most)
        got = await chat_api.call("alice", "GET", f"{history.path}?format={FORMAT}")
        assert got.status_code == status


async def test_each_part_counts_in_what_a_user_may_store(database: DatabaseUnderTest):
    async with chat_api_harness(database, stored_bytes_per_user=100_000) as chat_api:
        thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
        history, said = History(chat_api, str(thread_id)), content("user", *["a"] * 200)
        size = ROW_BYTES + 200 + 199 * PART_BYTES
        for number in range((100_000 - ROW_BYTES) // size):
            assert (await history.append(f"x{number}", None, said)).status_code == 201
        got = await history.append("more", None, said)
        assert (got.status_code, got.json()["error"]) == (413, "storage_full")


async def test_an_appended_question_can_be_sent(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    question = (await history.append("x1", answer_id, content("user", "t", "wo"))).json()["id"]
    _, second = await exchange(
        chat_api, "", 2, id=thread_id, messages=[user_message("two", "x1")], parentId=answer_id
    )
    prompt = chat_api.harness.models.one.answers[1].prompt
    assert [message.text for message in prompt[1:]] == ["one", "a1", "two"]
    loaded = await history.load()
    assert [(row["id"], row["parent_id"]) for row in loaded["messages"][2:]] == [
        (question, answer_id),
        (second, question),
    ]
    assert loaded["headId"] == second
    body = {"id": thread_id, "messages": [user_message("two", "x1")]}
    again = await chat_api.open("alice", "POST", "/api/chat", body).done()
    assert (again.chunks[0]["messageId"], again.text) == (second, "a2")
    assert len(chat_api.harness.models.one.answers) == 2


async def test_a_question_that_is_appended_and_sent_at_the_same_time_is_one(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    body = {"id": thread_id, "messages": [user_message("two", "x1")]}
    call = chat_api.open("alice", "POST", "/api/chat", body)
    got = await history.append("x1", answer_id, content("user", "two"))
    assert got.status_code in (200, 201)
    (await chat_api.harness.models.one.answer(2)).say("a2").finish()
    assert (await call.done()).text == "a2"
    ids = [row["id"] for row in (await history.load())["messages"]]
    assert (len(ids), ids[2]) == (4, got.json()["id"])


async def test_only_the_same_question_is_sent_under_the_id_of_an_appended_message(
    chat_api: ChatApi,
):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history = History(chat_api, thread_id)
    await history.append("q1", answer_id, content("user", "two"))
    await history.append("a1", answer_id, content("assistant", "two"))
    deleted = (await history.append("q2", answer_id, content("user", "two"))).json()["id"]
    await chat_api.call("alice", "DELETE", f"{history.path}/{deleted}")
    before = await history.load()
    for thread, message in (
        (thread_id, user_message("other", "q1")),
        (thread_id, user_message("two", "a1")),
        (thread_id, user_message("two", "q2")),
        ("chat-2", user_message("two", "q1")),
    ):
        body = {"id": thread, "messages": [message]}
        got = await chat_api.call("alice", "POST", "/api/chat", json=body)
        assert (got.status_code, got.json()["error"]) == (409, "conflict")
    assert await history.load() == before
    assert len(chat_api.harness.models.one.answers) == 1


async def test_one_leaf_in_the_place_of_another_is_another_version(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    history, threads = History(chat_api, thread_id), chat_api.harness.threads
    alice, thread = chat_api.people["alice"], UUID(thread_id)
    leaves = [
        UUID((await history.append(f"x{n}", answer_id, content("user", f"{n}"))).json()["id"])
        for n in range(3)
    ]
    await threads.delete_branch(alice, thread, leaves[0])
    await threads.show_message(alice, thread, leaves[2])
    path = f"{history.path}?format={FORMAT}"
    tag = (await chat_api.call("alice", "GET", path)).headers["etag"]
    await threads.delete_branch(alice, thread, leaves[1])
    await threads.restore_branch(alice, thread, leaves[0])
    await threads.show_message(alice, thread, leaves[2])
    got = await chat_api.call("alice", "GET", path, headers={"If-None-Match": tag})
    assert got.status_code == 200
    assert str(leaves[1]) not in [row["id"] for row in got.json()["messages"]]


async def test_nothing_is_planted_in_a_foreign_thread(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    before = await History(chat_api, thread_id).load()
    deleted = await chat_api.harness.threads.create(chat_api.people["bob"])
    await chat_api.harness.threads.delete(chat_api.people["bob"], deleted.id)
    said, answers = content("assistant", "planted"), set[tuple[int, bytes]]()
    for target in (thread_id, str(uuid4()), str(deleted.id), "chat-1", "a%20b"):
        stranger = History(chat_api, target, "bob")
        for got in (
            await stranger.append("x1", answer_id, said),
            await stranger.append("m1", None, said),
            await stranger.update(answer_id, said),
            await stranger.update("m1", said),
            await chat_api.call("bob", "GET", f"{stranger.path}?format={FORMAT}"),
            await chat_api.call("bob", "POST", stranger.path.replace("messages", "title")),
        ):
            answers.add((got.status_code, got.content))
    own = await chat_api.harness.threads.create(chat_api.people["bob"])
    history = History(chat_api, str(own.id), "bob")
    for parent in (answer_id, "m1", str(uuid4())):
        got = await history.append("x1", parent, said)
        answers.add((got.status_code, got.content))
    for message in (answer_id, str(uuid4()), "é"):
        got = await history.update(message, said)
        answers.add((got.status_code, got.content))
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert await History(chat_api, thread_id).load() == before
    assert (await history.load())["messages"] == []


async def test_the_id_of_a_foreign_message_is_like_a_missing_one(chat_api: ChatApi):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    before = await History(chat_api, thread_id).load()
    own = await chat_api.harness.threads.create(chat_api.people["bob"])
    history = History(chat_api, str(own.id), "bob")
    for id in (answer_id, "m1", str(uuid4()), "x1"):
        got = await history.append(id, None, content("user", "mine"))
        assert got.status_code == 201
        assert got.json()["id"] != id
    assert await History(chat_api, thread_id).load() == before


async def test_the_id_of_a_message_of_another_thread_or_of_a_deleted_one_is_used(
    chat_api: ChatApi,
):
    thread_id, answer_id = await exchange(chat_api, "one", 1)
    own = await chat_api.harness.threads.create(chat_api.people["alice"])
    history = History(chat_api, str(own.id))
    for id in ("m1", answer_id):
        got = await history.append(id, None, content("user", "mine"))
        assert (got.status_code, got.json()["error"]) == (409, "conflict")
    await chat_api.call("alice", "DELETE", f"/api/threads/{thread_id}/messages/{answer_id}")
    got = await History(chat_api, thread_id).append(answer_id, "m1", content("assistant", "mine"))
    assert (got.status_code, got.json()["error"]) == (409, "conflict")


async def test_appended_messages_count_like_sent_ones(database: DatabaseUnderTest):
    async with chat_api_harness(database, limit_messages="2/hour") as chat_api:
        thread_id = (await chat_api.harness.threads.create(chat_api.people["alice"])).id
        history = History(chat_api, str(thread_id))
        for number in (1, 2):
            got = await history.append(f"x{number}", None, content("user", "hi"))
            assert got.status_code == 201
        got = await history.append("x3", None, content("user", "hi"))
        assert (got.status_code, got.json()["error"]) == (429, "rate_limited")
        assert int(got.headers["retry-after"]) > 0
        assert (await history.append("x2", None, content("user", "hi"))).status_code == 200


async def test_reasoning_of_an_answer_is_loaded(chat_api: ChatApi):
    call = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("hi", "m1")]})
    answer = await chat_api.harness.models.one.answer()
    answer.send(ReasoningDelta("Hm"), TextDelta("Yes.")).finish()
    await call.done()
    loaded = await History(chat_api, call.headers["x-thread-id"]).load()
    kinds = [part["type"] for part in loaded["messages"][-1]["content"]["parts"]]
    assert kinds == ["reasoning", "text"]
