"""AG-UI's own client reads our streams: what it makes of them, and what the server makes of it."""

import asyncio
import json
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from ag_ui.core import PROTOCOL_VERSION

from chat_app.api.wires.ag_ui import VERSION, AgUiEncoder, AgUiEvent, encode
from chat_app.api.wires.ai_sdk import INTERRUPTED
from chat_app.api.wires.ai_sdk_tools import DENIED
from chat_app.core.errors import message_of
from chat_app.core.events import (
    PartAdded,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
    fold,
)
from chat_app.core.parts import Part, ToolCallPart
from chat_app.llm.errors import Failure
from chat_app.runs.follow import EndEvent
from testing.ag_ui_clients import check_events, open_agent
from testing.ai_sdk_clients import Clients, Server
from testing.event_sequences import ending, events, shown

pytestmark = pytest.mark.asyncio(loop_scope="package")

SEQUENCES = 1_000
SEQUENCES_BEFORE = 200
MESSAGE_ID = UUID("00000000-0000-4000-8000-000000000001")


def said(text: str) -> dict[str, str]:
    return {"id": str(uuid4()), "content": text}


def told(messages: list[Any]) -> list[tuple[str, Any]]:
    """The role and the content of each message; the calls of one that has some."""
    return [
        (message["role"], message.get("toolCalls") or message.get("content"))
        for message in messages
    ]


async def test_reasoning_text_usage_and_the_outcome(clients: Clients, server: Server):
    thread_id = (await server.options())["chatId"]
    agent = await open_agent(clients, server, thread_id)
    running = asyncio.create_task(agent.run(said("hi")))
    answer = await server.next_answer()
    answer.send(ReasoningDelta("Let me "), ReasoningDelta("think."))
    assert told((await agent.seen("think."))["messages"])[1] == ("reasoning", "Let me think.")
    answer.send(TextDelta("Yes."), Usage(10, 20, 5, 4)).finish()
    done = await running
    assert told(done["messages"]) == [
        *(("user", "hi"), ("reasoning", "Let me think."), ("assistant", "Yes.")),
    ]
    assert done["end"]["outcome"] == {"type": "success"}
    assert done["end"]["threadId"] == thread_id
    assert done["end"]["usage"] == [
        {
            "model": "one",
            "inputTokens": 10,
            "outputTokens": 20,
            "totalTokens": 30,
            "reasoningTokens": 5,
            "cachedInputTokens": 4,
        }
    ]
    assert done["end"]["metadata"]["chat-app"]["finishReason"] == "stop"
    ours = done["started"]["metadata"]["chat-app"]
    stored = await server.messages(thread_id)
    assert ours["threadId"] == thread_id
    assert ours["messageId"] == done["messages"][-1]["id"] == stored[-1]["id"]
    assert [part["text"] for part in stored[-1]["parts"]] == ["Let me think.", "Yes."]


async def test_a_conversation_goes_on_below_what_the_client_shows(clients: Clients, server: Server):
    thread_id = (await server.options())["chatId"]
    agent = await open_agent(clients, server, thread_id)
    shown_then: list[Any] = []
    for question in ("one", "two"):
        running = asyncio.create_task(agent.run(said(question)))
        answer = await server.next_answer()
        answer.say(f"To {question}.").finish()
        shown_then.append((await running)["messages"])
    assert [message.text for message in answer.prompt[1:]] == ["one", "To one.", "two"]
    other = await open_agent(clients, server, thread_id, initialMessages=shown_then[0])
    running = asyncio.create_task(other.run(said("three")))
    answer = await server.next_answer()
    assert [message.text for message in answer.prompt[1:]] == ["one", "To one.", "three"]
    answer.finish()
    await running


async def test_a_client_reads_tool_calls_with_their_results(clients: Clients, server: Server):
    agent = await open_agent(clients, server, (await server.options())["chatId"])
    running = asyncio.create_task(agent.run(said("sum")))
    answer = (await server.next_answer()).say("Let me see.")
    answer.send(ToolCallDelta("c1", "sum", '{"a":'), ToolCallDelta("c1", "sum", "1}"))
    answer.send(ToolCallEnd("c1"), ToolResult("c1", {"b": 2}))
    answer.send(ToolCallDelta("c2", "sum", ""), ToolResult("c2", error="internal_error"))
    answer.send(PartAdded({"type": "data", "name": "chart", "data": [1]}))
    answer.say("Two.").finish()
    done = await running
    _, first, call, result, second, failed, last = done["messages"]
    assert (first["content"], last["content"]) == ("Let me see.", "Two.")
    assert call["toolCalls"][0]["function"] == {"name": "sum", "arguments": '{"a":1}'}
    assert (result["role"], json.loads(result["content"])) == ("tool", {"b": 2})
    assert result["toolCallId"] == call["toolCalls"][0]["id"]
    assert second["toolCalls"][0]["function"] == {"name": "sum", "arguments": ""}
    assert failed["content"] == message_of("internal_error", {})
    assert done["custom"] == [["data", {"name": "chart", "data": [1]}]]


async def test_a_failed_answer_is_an_error_with_its_sentence(clients: Clients, server: Server):
    agent = await open_agent(clients, server, (await server.options())["chatId"])
    running = asyncio.create_task(agent.run(said("hi")))
    (await server.next_answer()).say("Half").fail(Failure.STALLED.error("One"))
    done = await running
    assert done["end"]["message"] == "One stopped responding in the middle of its answer."
    assert done["end"]["code"] == "failed"
    assert told(done["messages"])[1:] == [("assistant", "Half")]


async def test_a_client_that_comes_back_has_nothing_twice(clients: Clients, server: Server):
    thread_id = (await server.options())["chatId"]
    agent = await open_agent(clients, server, thread_id)
    running = asyncio.create_task(agent.run(said("hi")))
    answer = (await server.next_answer()).say("first ")
    answer.send(ReasoningDelta("Hm"), ToolCallDelta("c", "sum", "{"), TextDelta("one "))
    await agent.seen("one ")
    await agent.disconnect()
    await running
    back = asyncio.create_task(agent.run())
    empty = await open_agent(clients, server, thread_id)
    second = asyncio.create_task(empty.run())
    await empty.seen("one ")
    answer.say("two")
    await agent.seen("one two")
    answer.send(ToolCallDelta("c", "sum", "}")).finish()
    done, other = await back, await second
    assert done["end"]["outcome"] == other["end"]["outcome"] == {"type": "success"}
    assert told(done["messages"])[0] == ("user", "hi")
    assert done["messages"][1:] == other["messages"]
    assert [message["content"] for message in other["messages"] if "content" in message] == [
        *("first ", "Hm", "one two"),
    ]
    assert [call["toolCalls"][0]["function"] for call in other["messages"] if "toolCalls" in call]
    stored = (await server.messages(thread_id))[-1]
    assert stored["status"] == "complete"


async def test_a_message_that_was_sent_before_is_not_answered_twice(
    clients: Clients, server: Server
):
    chat_id = f"chat-{uuid4().hex}"
    message = said("hi")
    agent = await open_agent(clients, server, chat_id)
    running = asyncio.create_task(agent.run(message))
    (await server.next_answer()).say("Yes.").finish()
    done = await running
    again = await open_agent(clients, server, chat_id)
    assert (await again.run(message))["messages"] == done["messages"]
    assert len(server.models.one.answers) == server.answers
    thread_id = done["started"]["metadata"]["chat-app"]["threadId"]
    thread = (await server.http.get(f"/api/threads/{thread_id}")).json()
    assert thread["externalId"] == chat_id


async def test_the_client_chooses_the_model(clients: Clients, server: Server):
    agent = await open_agent(clients, server, (await server.options())["chatId"])
    asked = len(server.models.two.answers)
    running = asyncio.create_task(agent.run(said("hi"), model="two"))
    (await server.models.two.answer(asked + 1)).say("Two.").finish()
    done = await running
    assert done["end"]["metadata"]["chat-app"]["model"] == "two"


async def test_one_run_is_started_followed_and_stopped_on_two_wires(
    clients: Clients, ai_sdk: Clients, server: Server
):
    options = await server.options()
    chat = await ai_sdk.open("7", **options)
    sending = asyncio.create_task(chat.send("hi"))
    answer = (await server.next_answer()).send(ReasoningDelta("Hm"), TextDelta("one "))
    await chat.seen("one ")
    agent = await open_agent(clients, server, options["chatId"])
    following = asyncio.create_task(agent.run())
    await agent.seen("one ")
    answer.say("two")
    await agent.seen("two")
    await server.stop(options["chatId"])
    followed, sent = await following, await sending
    assert followed["end"]["outcome"] == {"type": "cancelled"}
    assert sent["status"] == "ready"
    await answer.closed.wait()
    (stored,) = [one for one in await server.messages(options["chatId"]) if one["role"] != "user"]
    expected = [("reasoning", "Hm"), ("text", "one two")]
    assert stored["status"] == "stopped"
    assert [(part["type"], part["text"]) for part in stored["parts"]] == expected
    assert [
        (part["type"], part["text"])
        for part in sent["messages"][-1]["parts"]
        if part["type"] != "step-start"
    ] == expected
    assert told(followed["messages"]) == [("reasoning", "Hm"), ("assistant", "one two")]
    assert followed["messages"][-1]["id"] == sent["messages"][-1]["id"] == stored["id"]


@dataclass(frozen=True)
class EncodedRun:
    """A random run and what our encoder makes of it, for a client of a version."""

    events: list[AgUiEvent]
    parts: list[Part]
    end: EndEvent

    @property
    def body(self) -> str:
        return encode(self.events).decode()


def _encoded_runs(count: int, *, knows_cancelled: bool) -> list[EncodedRun]:
    random = Random(9)
    return [_encoded_run(random, knows_cancelled) for _ in range(count)]


def _encoded_run(random: Random, knows_cancelled: bool) -> EncodedRun:
    log, end = events(random), ending(random)
    ids = {"thread_id": "t", "run_id": "r", "server_ids": {"threadId": "u"}}
    encoder = AgUiEncoder(MESSAGE_ID, **ids, knows_cancelled=knows_cancelled)
    sent = encoder.start()
    for event in shown(random, log):
        sent += encoder.event(event)
    return EncodedRun(sent + encoder.end(end), fold(log).parts, end)


def _expected(parts: list[Part]) -> list[tuple[str, Any]]:
    """What a client has of the parts, which a stream can show of them."""
    found: list[tuple[str, Any]] = []
    for part in parts:
        if part["type"] == "text":
            found.append(("assistant", part["text"]))
        elif part["type"] == "reasoning":
            found.append(("reasoning", part["text"]))
        elif part["type"] == "tool-call":
            found += _expected_call(part)
    return found


def _expected_call(part: ToolCallPart) -> list[tuple[str, Any]]:
    call = [("call", (part["name"], part["arguments"]))]
    if part["state"] == "failed":
        return [*call, ("tool", message_of(part.get("error", ""), {}))]
    if part["state"] == "denied":
        return [*call, ("tool", DENIED)]
    return [*call, ("tool", part.get("result"))] if part["state"] == "done" else call


def _seen(messages: list[Any]) -> list[tuple[str, Any]]:
    return list(map(_seen_message, messages))


def _seen_message(message: Any) -> tuple[str, Any]:
    if "toolCalls" in message:
        function = message["toolCalls"][0]["function"]
        return "call", (function["name"], function["arguments"])
    hint = message.get("metadata", {}).get("chat-app", {})
    return "reasoning" if hint.get("reasoning") else message["role"], message["content"]


async def test_random_event_sequences_become_the_same_messages(clients: Clients):
    runs = _encoded_runs(SEQUENCES, knows_cancelled=True)
    await clients.call("warnings")
    views = await clients.call("read", version="now", bodies=[run.body for run in runs])
    for run, view in zip(runs, views, strict=True):
        if run.end.status in ("failed", "interrupted"):
            assert view["end"]["message"] == (run.end.error or INTERRUPTED)
        else:
            stopped = run.end.status == "stopped"
            assert view["end"]["outcome"] == {"type": "cancelled" if stopped else "success"}
        seen, expected = _seen(view["messages"]), _expected(run.parts)
        for (role, content), (wanted_role, wanted) in zip(seen, expected, strict=True):
            assert role == wanted_role, run.body
            if role == "tool" and not isinstance(wanted, str):
                content = json.loads(content)
            assert content == wanted, run.body
    assert await clients.call("warnings") == []
    assert VERSION == PROTOCOL_VERSION
    check_events(event for run in runs for event in run.events)


async def test_a_client_from_before_version_1_reads_random_event_sequences(clients: Clients):
    runs = _encoded_runs(SEQUENCES_BEFORE, knows_cancelled=False)
    views = await clients.call("read", version="before", bodies=[run.body for run in runs])
    for run, view in zip(runs, views, strict=True):
        failed = run.end.status in ("failed", "interrupted")
        assert view["end"]["type"] == ("RUN_ERROR" if failed else "RUN_FINISHED"), run.body
        roles = ("assistant", "reasoning")
        seen = [text for role, text in _seen(view["messages"]) if role in roles]
        assert seen == [text for role, text in _expected(run.parts) if role in roles], run.body
