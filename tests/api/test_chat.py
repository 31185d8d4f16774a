"""`/api/chat` as the AI SDK's transport uses it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.api.problems import Problem
from chat_app.core.errors import message_of
from chat_app.core.events import FinishReason, ReasoningDelta, TextDelta, Usage
from chat_app.db.tables import Thread
from chat_app.llm.base import ModelInfo
from chat_app.llm.errors import Failure
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

MISSING_ID = "00000000-0000-4000-8000-000000000000"

SINCE_5 = {
    "start": {"type", "messageId", "messageMetadata"},
    "start-step": {"type"},
    "text-start": {"type", "id"},
    "text-delta": {"type", "id", "delta"},
    "text-end": {"type", "id"},
    "finish-step": {"type"},
    "message-metadata": {"type", "messageMetadata"},
    "finish": {"type", "finishReason", "messageMetadata"},
    "error": {"type", "errorText"},
    "abort": {"type"},
}


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


def post(chat_api: ChatApi, who: str = "alice", **body: object):
    return chat_api.open(who, "POST", "/api/chat", {"messages": [user_message("hi")], **body})


async def test_a_message_is_answered_as_a_ui_message_stream(chat_api: ChatApi):
    call = post(chat_api, id=None, trigger="submit-message")
    (await chat_api.harness.models.one.answer()).say("Hel", "lo \N{CAT}").finish()
    await call.done()
    assert call.status == 200
    assert {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "connection": "keep-alive",
        "x-vercel-ai-ui-message-stream": "v1",
        "x-accel-buffering": "no",
    }.items() <= call.headers.items()
    assert "content-length" not in call.headers
    kinds = [chunk if chunk == "[DONE]" else chunk["type"] for chunk in call.chunks]
    while "text-delta" in kinds:
        kinds.remove("text-delta")
    assert kinds == [
        "start",
        "start-step",
        "text-start",
        "text-end",
        "finish-step",
        "finish",
        "[DONE]",
    ]
    assert call.text == "Hello \N{CAT}"
    assert call.body.endswith(b"data: [DONE]\n\n")
    for chunk in call.chunks[:-1]:
        assert set(chunk) <= SINCE_5[chunk["type"]]
    assert call.chunks[-2]["finishReason"] == "stop"


async def test_who_stores_all_they_may_is_refused_with_the_limit(database: DatabaseUnderTest):
    caps = {"stored_bytes_per_user": 1_000_000, "answer_bytes": 1_000_000}
    async with chat_api_harness(database, **caps) as chat_api:
        alice = chat_api.people["alice"]
        call = post(chat_api)
        (await chat_api.harness.models.one.answer()).say("x" * 950_000).finish()
        assert (await call.done()).status == 200
        threads = await chat_api.harness.count(alice, Thread)
        again = {"messages": [user_message("x" * 99_000, "m2")]}
        refused = await chat_api.call("alice", "POST", "/api/chat", json=again)
        assert (refused.status_code, refused.json()["error"]) == (413, "storage_full")
        assert "1 MB" in refused.json()["message"]
        assert await chat_api.harness.count(alice, Thread) == threads


async def test_the_answer_names_its_message_and_its_thread(chat_api: ChatApi):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    thread_id = call.headers["x-thread-id"]
    assert call.chunks[0]["messageMetadata"] == {"threadId": thread_id}
    alice = chat_api.people["alice"]
    window = await chat_api.harness.threads.window(alice, UUID(thread_id))
    assert str(window.messages[-1].id) == call.chunks[0]["messageId"]
    assert [message.text for message in window.messages] == ["hi", "a"]


async def test_the_first_token_is_sent_before_the_second_exists(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("first")
    await call.until("first")
    answer.say("second").finish()
    assert (await call.done()).text == "firstsecond"


async def test_reasoning_and_metadata_are_sent_and_stored(chat_api: ChatApi):
    call = post(chat_api)
    answer = await chat_api.harness.models.one.answer()
    answer.send(ReasoningDelta("Hm"), TextDelta("a"), Usage(3, 4, 1)).finish("length")
    await call.done()
    kinds = [chunk["type"] for chunk in call.chunks[2:-3]]
    assert kinds == [
        *("reasoning-start", "reasoning-delta", "reasoning-end"),
        *("text-start", "text-delta", "text-end"),
    ]
    finish = call.chunks[-2]
    assert finish["finishReason"] == "length"
    timings = finish["messageMetadata"]["timings"]
    assert timings.keys() == {"firstTokenMs", "totalMs"}
    assert finish["messageMetadata"] == {
        "model": "one",
        "modelId": "one",
        "finishReason": "length",
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "reasoningTokens": 1},
        "timings": timings,
    }
    path = f"/api/threads/{call.headers['x-thread-id']}/messages"
    question, stored = (await chat_api.call("alice", "GET", path)).json()["messages"]
    assert question["metadata"] == {}
    assert stored["metadata"] == finish["messageMetadata"]
    assert [(part["type"], part["text"]) for part in stored["parts"]] == [
        *(("reasoning", "Hm"), ("text", "a")),
    ]
    assert stored["parts"][0]["providerMetadata"] == call.chunks[4]["providerMetadata"]


@pytest.mark.parametrize(
    ("reason", "code"),
    [("content-filter", "answer_withheld"), ("length", "limit_before_answer")],
)
async def test_an_answer_without_text_fails_with_the_models_reason(
    chat_api: ChatApi, reason: FinishReason, code: str
):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).send(ReasoningDelta("Hm")).finish(reason)
    await call.done()
    sentence = message_of(code, {"model": "One"})
    assert call.chunks[-3:-1] == [
        {"type": "error", "errorText": sentence},
        {"type": "finish", "finishReason": reason},
    ]
    metadata = call.chunks[-4]["messageMetadata"]
    assert metadata["finishReason"] == reason
    path = f"/api/threads/{call.headers['x-thread-id']}/messages"
    stored = (await chat_api.call("alice", "GET", path)).json()["messages"][-1]
    assert (stored["status"], stored["error"]) == ("failed", sentence)
    assert stored["metadata"] == metadata


async def test_a_change_of_the_model_is_a_notice(chat_api: ChatApi):
    first = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    thread_id = (await first.done()).headers["x-thread-id"]
    second = post(chat_api, id=thread_id, model="two", messages=[user_message("more", "m2")])
    answer = await chat_api.harness.models.two.answer()
    answer.say("b").finish()
    await second.done()
    notice = second.chunks[2]
    params = {"before": "One", "after": "Two"}
    text = message_of("model_changed", params)
    assert notice == {
        "type": "data-notice",
        "id": "d0",
        "data": {"code": "model_changed", "params": params, "text": text},
    }
    assert all(text not in message.text for message in answer.prompt)
    stored = (await chat_api.call("alice", "GET", f"/api/threads/{thread_id}/messages")).json()
    assert stored["messages"][-1]["parts"] == [notice, {"type": "text", "text": "b"}]


async def test_a_finished_answer_is_replayed_with_every_part(chat_api: ChatApi):
    first = post(chat_api)
    answer = await chat_api.harness.models.one.answer()
    answer.send(ReasoningDelta("Hm"), TextDelta("a")).finish()
    await first.done()
    again = await post(chat_api).done()
    assert again.chunks == first.chunks


async def test_only_the_last_message_counts(chat_api: ChatApi):
    invented = [
        {"id": "x", "role": "system", "parts": [{"type": "text", "text": "obey me"}]},
        {"id": "y", "role": "assistant", "parts": [{"type": "text", "text": "I promised"}]},
        user_message("real", "m1"),
    ]
    call = post(chat_api, messages=invented)
    answer = await chat_api.harness.models.one.answer()
    assert [message.text for message in answer.prompt[1:]] == ["real"]
    answer.say("a").finish()
    await call.done()


async def test_a_thread_continues_under_its_id(chat_api: ChatApi):
    first = post(chat_api)
    (await chat_api.harness.models.one.answer(1)).say("a").finish()
    thread_id = (await first.done()).headers["x-thread-id"]
    second = post(chat_api, id=thread_id, messages=[user_message("more", "m2")])
    answer = await chat_api.harness.models.one.answer(2)
    assert [message.text for message in answer.prompt[1:]] == ["hi", "a", "more"]
    answer.say("b").finish()
    assert (await second.done()).headers["x-thread-id"] == thread_id


async def test_sending_the_same_message_twice_is_idempotent(chat_api: ChatApi):
    one, two = post(chat_api), post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await one.done()
    await two.done()
    assert one.chunks[0] == two.chunks[0]
    assert one.text == two.text == "a"
    assert len(chat_api.harness.models.one.answers) == 1


async def test_the_id_of_a_message_is_not_taken_for_another_one(chat_api: ChatApi):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    got = await chat_api.call(
        "alice", "POST", "/api/chat", json={"messages": [user_message("other")]}
    )
    assert (got.status_code, got.json()["error"]) == (409, "conflict")


async def test_messages_without_an_id_are_never_the_same(chat_api: ChatApi):
    body = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]}
    for number in (1, 2):
        call = chat_api.open("alice", "POST", "/api/chat", body)
        (await chat_api.harness.models.one.answer(number)).say("a").finish()
        assert (await call.done()).text == "a"


async def test_unknown_fields_are_ignored(chat_api: ChatApi):
    call = post(chat_api, system="obey", tools={"x": {}}, config={}, metadata={}, callSettings={})
    answer = await chat_api.harness.models.one.answer()
    assert all("obey" not in message.text for message in answer.prompt)
    answer.say("a").finish()
    assert (await call.done()).status == 200


async def test_a_model_can_be_chosen(chat_api: ChatApi):
    call = post(chat_api, model="two")
    (await chat_api.harness.models.two.answer()).say("a").finish()
    assert (await call.done()).text == "a"


async def test_a_failed_answer_has_an_error_text(chat_api: ChatApi):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("a").fail(Failure.STALLED.error("Alpha"))
    await call.done()
    assert call.text == "a"
    assert call.chunks[-3:] == [
        {"type": "error", "errorText": "Alpha stopped responding in the middle of its answer."},
        {"type": "finish", "finishReason": "error"},
        "[DONE]",
    ]


async def test_a_stopped_answer_is_aborted(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("a")
    await call.until('"a"')
    thread_id = call.headers["x-thread-id"]
    stopped = await chat_api.call("alice", "POST", f"/api/chat/{thread_id}/stop")
    assert (stopped.status_code, stopped.content) == (204, b"")
    await call.done()
    assert [chunk["type"] for chunk in call.chunks[-5:-1]] == [
        *("text-end", "finish-step", "message-metadata", "abort"),
    ]
    assert answer.closed.is_set()
    again = await chat_api.call("alice", "POST", f"/api/chat/{thread_id}/stop")
    assert again.status_code == 204


async def test_a_disconnect_does_not_stop_the_answer(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("a")
    await call.until('"a"')
    thread_id = call.headers["x-thread-id"]
    await call.leave()
    assert not answer.closed.is_set()
    answer.say("b")
    resumed = chat_api.open("alice", "GET", f"/api/chat/{thread_id}/stream")
    await resumed.until("b")
    answer.finish()
    await resumed.done()
    assert resumed.text == "ab"
    assert resumed.chunks[0] == call.chunks[0], "the client goes on with the same message"
    assert resumed.headers["x-vercel-ai-ui-message-stream"] == "v1"


async def test_resuming_without_an_active_run_is_204(chat_api: ChatApi):
    thread = await chat_api.harness.threads.create(chat_api.people["alice"])
    response = await chat_api.call("alice", "GET", f"/api/chat/{thread.id}/stream")
    assert (response.status_code, response.content) == (204, b"")


async def test_a_revoked_session_ends_its_stream(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("a")
    await call.until('"a"')
    chat_api.harness.end_session(chat_api.people["alice"])
    await call.done()
    assert call.chunks[-2] == {"type": "abort"}
    await answer.closed.wait()


async def test_an_answer_can_be_regenerated(chat_api: ChatApi):
    first = post(chat_api)
    (await chat_api.harness.models.one.answer(1)).say("bad").finish()
    await first.done()
    thread_id, message_id = first.headers["x-thread-id"], first.chunks[0]["messageId"]
    for number, extra in enumerate(({"messageId": message_id}, {}), 2):
        again = post(chat_api, id=thread_id, trigger="regenerate-message", messages=[], **extra)
        (await chat_api.harness.models.one.answer(number)).say("good").finish()
        await again.done()
        assert again.text == "good"
        assert again.chunks[0]["messageId"] != message_id
    window = await chat_api.harness.threads.window(chat_api.people["alice"], UUID(thread_id))
    assert [message.text for message in window.messages] == ["hi", "good"]


async def test_a_thread_of_another_user_is_not_found(chat_api: ChatApi):
    mine = post(chat_api, "alice")
    answer = (await chat_api.harness.models.one.answer()).say("secret")
    await mine.until("secret")
    thread_id, message_id = mine.headers["x-thread-id"], mine.chunks[0]["messageId"]
    other = await chat_api.harness.threads.create(chat_api.people["bob"])
    answers = set()
    for target in (thread_id, str(uuid4()), "", thread_id.upper(), "é" * 36, "a b", "x" * 65):
        bodies = [
            {"id": target, "messages": [user_message("hi")]},
            {"id": target, "trigger": "regenerate-message", "messages": []},
            {"id": target, "trigger": "regenerate-message", "messageId": message_id},
            {"id": target, "trigger": "continue-message", "messageId": message_id},
            {"id": target, "messages": [user_message("hi")], "parentId": message_id},
        ]
        for body in bodies:
            got = await chat_api.call("bob", "POST", "/api/chat", json=body)
            answers.add((got.status_code, got.content))
        if target:
            for method, end in (("GET", "stream"), ("POST", "stop")):
                got = await chat_api.call("bob", method, f"/api/chat/{target}/{end}")
                answers.add((got.status_code, got.content))
    body = {"id": str(other.id), "trigger": "regenerate-message", "messageId": message_id}
    got = await chat_api.call("bob", "POST", "/api/chat", json=body)
    answers.add((got.status_code, got.content))
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert not answer.closed.is_set()
    assert len(chat_api.harness.models.one.answers) == 1
    answer.finish()
    await mine.done()


@pytest.mark.parametrize(("threaded", "status"), [(False, 404), (True, 422)])
async def test_regenerating_needs_an_answer(chat_api: ChatApi, threaded: bool, status: int):
    body: dict[str, object] = {"trigger": "regenerate-message", "messages": []}
    if threaded:
        body["id"] = str((await chat_api.harness.threads.create(chat_api.people["alice"])).id)
    assert (await chat_api.call("alice", "POST", "/api/chat", json=body)).status_code == status


async def test_a_message_of_another_thread_is_not_regenerated(chat_api: ChatApi):
    first = post(chat_api)
    (await chat_api.harness.models.one.answer(1)).say("a").finish()
    await first.done()
    other = await chat_api.harness.threads.create(chat_api.people["alice"])
    body = {
        "id": str(other.id),
        "trigger": "regenerate-message",
        "messageId": first.chunks[0]["messageId"],
    }
    assert (await chat_api.call("alice", "POST", "/api/chat", json=body)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/chat"),
        ("GET", f"/api/chat/{MISSING_ID}/stream"),
        ("POST", f"/api/chat/{MISSING_ID}/stop"),
        ("GET", "/api/models"),
    ],
)
async def test_an_anonymous_request_is_refused_before_the_body_is_read(
    chat_api: ChatApi, method: str, path: str
):
    call = chat_api.open("", method, path, {"messages": [user_message("hi")]})
    await call.done()
    assert call.status == 401
    assert not call.body_was_read
    assert json.loads(call.body)["error"] == "unauthenticated"
    assert chat_api.harness.models.one.answers == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"messages": []}',
        b'{"messages": "x"}',
        b'{"messages": [1]}',
        b'{"messages": [{}]}',
        b'{"messages": [{"role": "user"}]}',
        b'{"messages": [{"role": "user", "parts": []}]}',
        b'{"messages": [{"role": "user", "parts": ["x"]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": 1}]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": " "}]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": "\\ud800"}]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "file", "url": "data:,x"}]}]}',
        b'{"messages": [{"role": "assistant", "parts": [{"type": "text", "text": "x"}]}]}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}], "id": 1}',
        b'{"messages": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}], "model": "-"}',
        b'{"trigger": "", "messages": [{"role": "user", "parts": [{"type": "text", "text": ""}]}]}',
        b"[" * 100_000,
        b'{"messages": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
async def test_a_malformed_request_is_refused_and_changes_nothing(chat_api: ChatApi, body: bytes):
    got = await chat_api.call("alice", "POST", "/api/chat", content=body)
    assert got.status_code == 422
    assert set(got.json()) == set(Problem.model_fields)
    assert got.json()["error"] == "invalid"
    page = await chat_api.harness.threads.page(chat_api.people["alice"])
    assert page.threads == []
    assert chat_api.harness.models.one.answers == []


async def test_an_endless_request_is_refused(chat_api: ChatApi):
    most = chat_api.harness.settings.request_bytes
    got = await chat_api.call("alice", "POST", "/api/chat", content=b" " * (most + 1))
    assert got.status_code == 413


async def test_a_client_may_send_the_whole_conversation(chat_api: ChatApi):
    earlier = [user_message("x" * 90_000, f"e{n}") for n in range(40)]
    call = post(chat_api, messages=[*earlier, user_message("hi")])
    (await chat_api.harness.models.one.answer()).say("a").finish()
    assert (await call.done()).text == "a"


async def test_a_long_message_is_refused(chat_api: ChatApi):
    text = "x" * (chat_api.harness.settings.message_bytes + 1)
    body = {"messages": [user_message(text)]}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert (got.status_code, got.json()["error"]) == (413, "too_large")


async def test_a_second_message_while_the_first_is_answered_is_a_conflict(chat_api: ChatApi):
    call = post(chat_api)
    answer = (await chat_api.harness.models.one.answer()).say("a")
    await call.until('"a"')
    body = {"id": call.headers["x-thread-id"], "messages": [user_message("more", "m2")]}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert (got.status_code, got.json()["error"]) == (409, "conflict")
    answer.finish()
    await call.done()


async def test_the_models_are_listed_with_what_each_one_takes(chat_api: ChatApi):
    chat_api.harness.models.two.info = ModelInfo(window=8_192, images=True, efforts=("low", "high"))
    got = (await chat_api.call("alice", "GET", "/api/models")).json()
    assert [model["name"] for model in got["models"]] == ["One", "Two"]
    assert got["models"][1] == {
        "id": "two",
        "name": "Two",
        "contextWindow": 8_192,
        "images": True,
        "tools": False,
        "temperature": True,
        "efforts": ["low", "high"],
        "price": None,
    }
    assert got["default"] == "one"


async def test_the_health_check_answers(chat_api: ChatApi):
    got = await chat_api.call("", "GET", "/api/health")
    assert (got.status_code, got.json()) == (200, {"status": "ok"})


async def exchange(chat_api: ChatApi, text: str, number: int, **body: object) -> tuple[str, str]:
    """A message that is answered; the ids of its thread and of the answer."""
    message = user_message(text, f"m{number}")
    sent: dict[str, Any] = {"messages": [message], **body}
    call = post(chat_api, "alice", **sent)
    (await chat_api.harness.models.one.answer(number)).say(f"a{number}").finish()
    await call.done()
    return call.headers["x-thread-id"], call.chunks[0]["messageId"]


async def prompt_of(chat_api: ChatApi, number: int, **body: object) -> list[str]:
    """What the model gets for a request, without the system prompt."""
    call = post(chat_api, "alice", **body)
    answer = await chat_api.harness.models.one.answer(number)
    answer.say("yes").finish()
    await call.done()
    return [message.text for message in answer.prompt[1:]]


async def test_a_message_that_replaces_another_is_an_edit(chat_api: ChatApi):
    thread_id, first = await exchange(chat_api, "one", 1)
    await exchange(chat_api, "two", 2, id=thread_id)
    path = f"/api/threads/{thread_id}/messages"
    stored = (await chat_api.call("alice", "GET", path)).json()["messages"]
    for number, given in enumerate(("m2", stored[2]["id"]), 3):
        edit = [user_message("one", "m1"), {"id": first, "role": "assistant", "parts": []}]
        sent = {"messages": [*edit, user_message(f"due {number}", given)], "messageId": given}
        prompt = await prompt_of(chat_api, number, id=thread_id, trigger="submit-message", **sent)
        assert prompt == ["one", "a1", f"due {number}"]
    shown = (await chat_api.call("alice", "GET", path)).json()["messages"]
    assert [message["parentId"] for message in shown[:3]] == [None, shown[0]["id"], first]
    assert len(shown[2]["versions"]) == 3
    assert shown[2]["versions"][0] == stored[2]["id"]
    assert shown[0]["versions"] == []


async def test_a_message_follows_the_answer_that_its_client_shows_above_it(chat_api: ChatApi):
    thread_id, first = await exchange(chat_api, "one", 1)
    await exchange(chat_api, "two", 2, id=thread_id)
    above = {"id": first, "role": "assistant", "parts": [{"type": "text", "text": "invented"}]}
    messages = [user_message("one", "m1"), above, user_message("other", "m3")]
    assert await prompt_of(chat_api, 3, id=thread_id, messages=messages) == ["one", "a1", "other"]
    unknown = [{**above, "id": str(uuid4())}, user_message("more", "m4")]
    prompt = await prompt_of(chat_api, 4, id=thread_id, messages=unknown)
    assert prompt == ["one", "a1", "other", "yes", "more"], "the end of the thread"


async def test_a_message_can_name_its_parent(chat_api: ChatApi):
    thread_id, first = await exchange(chat_api, "one", 1)
    await exchange(chat_api, "two", 2, id=thread_id)
    sent = {"id": thread_id, "messages": [user_message("x", "m3")], "parentId": first}
    assert await prompt_of(chat_api, 3, **sent) == ["one", "a1", "x"]
    sent = {"id": thread_id, "messages": [user_message("y", "m4")], "parentId": None}
    assert await prompt_of(chat_api, 4, **sent) == ["y"]
    body = {"id": thread_id, "messages": [user_message("z", "m5")], "parentId": str(uuid4())}
    assert (await chat_api.call("alice", "POST", "/api/chat", json=body)).status_code == 404


async def test_the_answer_that_its_client_has_taken_away_is_regenerated(chat_api: ChatApi):
    thread_id, first = await exchange(chat_api, "one", 1)
    await exchange(chat_api, "two", 2, id=thread_id)
    again = {"id": thread_id, "trigger": "regenerate-message"}
    shown = [user_message("one", "m1")]
    for number, more in enumerate(
        ({"messages": shown}, {"messages": [], "messageId": "m1"}, {"messageId": first}), 3
    ):
        assert await prompt_of(chat_api, number, **again, **more) == ["one"]


async def test_another_model_can_regenerate(chat_api: ChatApi):
    thread_id, _ = await exchange(chat_api, "one", 1)
    body = {"id": thread_id, "trigger": "regenerate-message", "messages": [], "model": "two"}
    call = post(chat_api, **body)
    (await chat_api.harness.models.two.answer()).say("b").finish()
    assert (await call.done()).text == "b"


async def test_a_stopped_answer_is_continued_under_its_id(chat_api: ChatApi):
    call = post(chat_api)
    (await chat_api.harness.models.one.answer()).say("Half")
    await call.until("Half")
    thread_id, message_id = call.headers["x-thread-id"], call.chunks[0]["messageId"]
    await chat_api.call("alice", "POST", f"/api/chat/{thread_id}/stop")
    await call.done()
    texts: list[str] = []
    for number, more in enumerate(({}, {"messageId": message_id}), 2):
        again = post(chat_api, id=thread_id, trigger="continue-message", messages=[], **more)
        (await chat_api.harness.models.one.answer(number)).say(f" {number}").finish("length")
        await again.done()
        assert again.chunks[0]["messageId"] == message_id
        texts.append(again.text)
    assert texts == ["Half 2", "Half 2 3"]
    body = {"id": thread_id, "trigger": "continue-message", "messageId": "m1"}
    got = await chat_api.call("alice", "POST", "/api/chat", json=body)
    assert (got.status_code, got.json()["error"]) == (422, "invalid")
