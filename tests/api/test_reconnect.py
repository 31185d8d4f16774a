"""Reconnecting in the middle of a stream, with the `Last-Event-ID` that an `EventSource` sends."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_app.core.events import ReasoningDelta, TextDelta
from testing.chat_api import ChatApi, Exchange, chat_api_harness, user_message
from testing.database import DatabaseUnderTest
from testing.run_services import Answer

PATHS = ("/api/chat/{thread}/stream", "/api/chat/resume/{run}")
each_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


class Running:
    """An answer that is being written, and its readers."""

    def __init__(self, chat_api: ChatApi, answer: Answer, headers: dict[str, str]) -> None:
        self.answer = answer
        self.thread, self.run = headers["x-thread-id"], headers["x-resumable-stream-id"]
        self._chat_api = chat_api

    def path(self, path: str) -> str:
        return path.format(thread=self.thread, run=self.run)

    def read(self, path: str, last_id: str = "", who: str = "alice") -> Exchange:
        """Connect as an `EventSource` does."""
        headers = {"accept": "text/event-stream"}
        if last_id:
            headers["last_event_id"] = last_id
        return self._chat_api.open(who, "GET", self.path(path), **headers)


async def begin(chat_api: ChatApi, who: str = "alice") -> Running:
    one = chat_api.harness.models.one
    number = len(one.answers) + 1
    question = user_message("hi", f"m{number}")
    call = chat_api.open(who, "POST", "/api/chat", {"messages": [question]})
    answer = await one.answer(number)
    answer.send(ReasoningDelta("Let me see"))
    await call.until("Let me see")
    await call.leave()
    return Running(chat_api, answer, call.headers)


def events(body: bytes) -> list[tuple[str, Any]]:
    """The events that an `EventSource` dispatches of a body, each with the last `id`."""
    found, last_id = list[tuple[str, Any]](), ""
    for block in body.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        last_id = lines.get("id", last_id)
        if "data" in lines:
            data = lines["data"]
            found.append((last_id, data if data == "[DONE]" else json.loads(data)))
    return found


def text_of(chunks: list[Any], kind: str = "text") -> str:
    deltas = [chunk for chunk in chunks if chunk != "[DONE]" and chunk["type"] == f"{kind}-delta"]
    return "".join(chunk["delta"] for chunk in deltas)


@each_path
async def test_a_client_that_reconnects_gets_what_follows(chat_api: ChatApi, path: str):
    running = await begin(chat_api)
    first = running.read(path)
    running.answer.send(TextDelta("one "))
    await first.until("one ")
    running.answer.send(TextDelta("two "))
    await first.until("two ")
    await first.leave()
    running.answer.send(TextDelta("three"))
    second = running.read(path, events(first.body)[-1][0])
    await second.until("three")
    running.answer.finish()
    await second.done()
    whole = chat_api.open("alice", "GET", running.path(PATHS[1]))
    await whole.done()
    got = [chunk for body in (first.body, second.body) for _, chunk in events(body)]
    assert text_of(got) == text_of(whole.chunks) == "one two three"
    assert text_of(got, "reasoning") == "Let me see"
    kinds = [chunk if chunk == "[DONE]" else chunk["type"] for chunk in got]
    assert [kind for kind in kinds if not kind.endswith("-delta")] == [
        *("start", "start-step", "reasoning-start", "reasoning-end", "text-start", "text-end"),
        *("finish-step", "finish", "[DONE]"),
    ]


@each_path
async def test_a_client_that_was_away_at_the_end_gets_the_rest(chat_api: ChatApi, path: str):
    running = await begin(chat_api)
    first = running.read(path)
    running.answer.send(TextDelta("one "))
    await first.until("one ")
    await first.leave()
    watching = running.read(path)
    await watching.until("Let me see")
    running.answer.say("two").finish()
    await watching.done()
    for cut, (last_id, _) in enumerate(events(first.body), 1):
        second = await running.read(path, last_id).done()
        chunks = [chunk for _, chunk in [*events(first.body)[:cut], *events(second.body)]]
        assert (text_of(chunks, "reasoning"), text_of(chunks)) == ("Let me see", "one two")
        assert [chunk for chunk in chunks if chunk == "[DONE]" or chunk["type"] == "finish"] == [
            *(events(watching.body)[-2][1], "[DONE]"),
        ]


@each_path
async def test_a_client_that_has_everything_is_told_to_stop(chat_api: ChatApi, path: str):
    running = await begin(chat_api)
    first = running.read(path)
    await first.until("Let me see")
    running.answer.say("one").finish()
    await first.done()
    last_id, last = events(first.body)[-1]
    assert last == "[DONE]"
    second = await running.read(path, last_id).done()
    assert (second.status, second.body) == (204, b"")


@each_path
async def test_an_id_that_is_none_of_this_stream_is_as_none(chat_api: ChatApi, path: str):
    ids = list[str]()
    for who in ("bob", "alice"):
        other = await begin(chat_api, who)
        reader = other.read(PATHS[1], who=who)
        await reader.until("Let me see")
        await reader.leave()
        ids.append(events(reader.body)[-1][0])
    running = await begin(chat_api)
    for last_id in (*ids, "7", "garbage", "\x7f", "." * 5_000):
        reader = running.read(path, last_id)
        await reader.until("Let me see")
        await reader.leave()
        assert events(reader.body)[0][1]["type"] == "start", last_id


async def test_a_simple_client_reads_no_id_and_may_reconnect_all_the_same(chat_api: ChatApi):
    running = await begin(chat_api)
    first = chat_api.open("alice", "GET", running.path(PATHS[0]))
    await first.until("Let me see")
    await first.leave()
    assert [chunk["type"] for chunk in first.chunks][2:] == ["reasoning-start", "reasoning-delta"]
    running.answer.say("Yes.").finish()
    second = running.read(PATHS[0], first.body.decode().rstrip().rpartition("id: ")[2])
    await second.done()
    assert [chunk["type"] for _, chunk in events(second.body)[:-1]] == [
        *("reasoning-end", "text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
