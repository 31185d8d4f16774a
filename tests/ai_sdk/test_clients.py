"""The AI SDK's own clients, versions 5, 6 and 7, read our streams and our stored messages."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import pytest

from chat_app.api.wires.ai_sdk import (
    INTERRUPTED,
    VERSION_HEADER,
    MessageStreamEncoder,
    client_version,
    encode,
    ui_parts,
)
from chat_app.api.wires.ai_sdk_tools import ClientVersion
from chat_app.api.wires.sse import DONE
from chat_app.core.events import (
    Event,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
    fold,
)
from chat_app.core.parts import Part
from chat_app.llm.errors import Failure
from chat_app.runs.follow import EndEvent, PartEvent
from testing.ai_sdk_clients import LATEST, VERSIONS, Clients, Server
from testing.event_sequences import ending, events, shown

pytestmark = pytest.mark.asyncio(loop_scope="package")
each_version = pytest.mark.parametrize("version", VERSIONS)
# earlier ones append what they read again to what they have
each_latest_version = pytest.mark.parametrize("version", LATEST)
each_hint = pytest.mark.parametrize(
    ("version", "said"),
    [("5", "5"), ("5-strict", "5"), ("6", None), ("6-strict", None), ("7", None), ("7", "7")],
)
"""What a client says in the header `x-ai-sdk`."""

SEQUENCES = 1_000
MESSAGE_ID = UUID("00000000-0000-4000-8000-000000000001")


def parts_of(chat: Any) -> list[Any]:
    """The parts of the last message that a client has, without its step marks."""
    return [part for part in chat["messages"][-1]["parts"] if part["type"] != "step-start"]


def plain(parts: list[Any]) -> list[Any]:
    """Parts without what only a client or only a stored message has.

    An unanswered approval stays in a client when its call ends all the same.
    """
    left_out = {"text": {"state"}, "reasoning": {"id"}, "file": {"filename"}}
    return [
        {
            key: value
            for key, value in part.items()
            if key != "approval" or "approved" in value or not part["state"].startswith("output-")
            if key not in left_out.get(part["type"], {"rawInput"})
            if key != "input" or part["state"] != "input-streaming"
        }
        for part in parts
    ]


def as_hinted(part: Any) -> Any:
    """A part of a client that knows our hint that a text was reasoning."""
    if part["type"] != "text" or "providerMetadata" not in part:
        return part
    ours = dict(part["providerMetadata"]["chat-app"])
    assert ours.pop("reasoning")
    return {**part, "type": "reasoning", "providerMetadata": {"chat-app": ours}}


@each_version
async def test_reasoning_text_metadata_and_the_finish_reason(
    clients: Clients, server: Server, version: str
):
    options = await server.options()
    chat = await clients.open(version, **options)
    sending = asyncio.create_task(chat.send("hi"))
    answer = await server.next_answer()
    answer.send(ReasoningDelta("Let me "), ReasoningDelta("think."))
    thinking = await chat.seen("think.")
    assert [part["type"] for part in parts_of(thinking)] == ["reasoning"]
    assert parts_of(thinking)[0]["state"] == "streaming"
    assert thinking["status"] == "streaming"
    answer.send(TextDelta("Yes."), Usage(10, 20, 5, 4))
    answer.finish()
    done = await sending
    assert done["status"] == "ready"
    assert done["finish"]["finishReason"] == "stop"
    reasoning, text = parts_of(done)
    assert (reasoning["text"], reasoning["state"]) == ("Let me think.", "done")
    assert reasoning["providerMetadata"]["chat-app"]["seconds"] >= 0
    assert (text["type"], text["text"], text["state"]) == ("text", "Yes.", "done")
    known = done["messages"][-1]["metadata"]
    assert known["threadId"] == options["chatId"]
    assert known["model"] == known["modelId"] == "one"
    assert known["usage"] == {
        "inputTokens": 10,
        "outputTokens": 20,
        "totalTokens": 30,
        "reasoningTokens": 5,
        "cachedInputTokens": 4,
    }
    assert set(known["timings"]) == {"firstTokenMs", "totalMs"}
    stored = (await server.messages(options["chatId"]))[-1]
    assert stored["id"] == done["messages"][-1]["id"]
    assert plain(stored["parts"]) == plain(parts_of(done))
    assert {**stored["metadata"], "threadId": options["chatId"]} == known


@each_version
async def test_an_answer_at_the_limit_says_so(clients: Clients, server: Server, version: str):
    options = await server.options()
    chat = await clients.open(version, **options)
    sending = asyncio.create_task(chat.send("hi"))
    (await server.next_answer()).say("Half an").finish("length")
    done = await sending
    assert done["finish"]["finishReason"] == "length"
    assert done["messages"][-1]["metadata"]["finishReason"] == "length"
    stored = (await server.messages(options["chatId"]))[-1]
    assert stored["metadata"]["finishReason"] == "length"


@each_version
async def test_a_failed_answer_is_an_error_and_keeps_what_it_has(
    clients: Clients, server: Server, version: str
):
    chat = await clients.open(version, **await server.options())
    sending = asyncio.create_task(chat.send("hi"))
    answer = (await server.next_answer()).send(ReasoningDelta("Hm"), TextDelta("Half"))
    answer.fail(Failure.STALLED.error("One"))
    done = await sending
    assert done["status"] == "error"
    assert done["error"] == "One stopped responding in the middle of its answer."
    assert [part["text"] for part in parts_of(done)] == ["Hm", "Half"]
    assert {part["state"] for part in parts_of(done)} == {"done"}
    assert done["messages"][-1]["metadata"]["modelId"] == "one"


@each_version
async def test_a_stopped_answer_ends_without_an_error(
    clients: Clients, server: Server, version: str
):
    options = await server.options()
    chat = await clients.open(version, **options)
    sending = asyncio.create_task(chat.send("hi"))
    (await server.next_answer()).send(ReasoningDelta("Hm"))
    await chat.seen("Hm")
    await server.stop(options["chatId"])
    done = await sending
    assert (done["status"], done.get("error")) == ("ready", None)
    assert "finishReason" not in done["finish"]
    assert [(part["text"], part["state"]) for part in parts_of(done)] == [("Hm", "done")]
    assert done["messages"][-1]["metadata"]["modelId"] == "one"


@each_version
async def test_a_chat_that_makes_its_own_id_is_one_thread(
    clients: Clients, server: Server, version: str
):
    chat = await clients.open(version, **server.own_id)
    ids: list[str] = []
    for text in ("one", "two"):
        sending = asyncio.create_task(chat.send(text))
        (await server.next_answer()).say(f"To {text}.").finish()
        done = await sending
        assert (done["status"], done.get("error")) == ("ready", None)
        ids.append(done["messages"][-1]["metadata"]["threadId"])
    assert ids[0] == ids[1]
    thread = (await server.http.get(f"/api/threads/{ids[0]}")).json()
    assert thread["externalId"] == done["id"] != ids[0]
    stored = await server.messages(ids[0])
    assert [message["parts"][0]["text"] for message in stored] == [
        *("one", "To one.", "two", "To two."),
    ]
    assert await server.messages(done["id"]) == stored
    assert [message["id"] for message in stored[1::2]] == [
        message["id"] for message in done["messages"][1::2]
    ]


@each_latest_version
async def test_a_chat_that_makes_its_own_id_is_resumed_and_stopped(
    clients: Clients, server: Server, version: str
):
    chat = await clients.open(version, **server.own_id)
    assert (await chat.resume())["messages"] == [], "there is no such chat yet"
    sending = asyncio.create_task(chat.send("hi"))
    answer = (await server.next_answer()).say("one ")
    held = await chat.seen("one ")
    await chat.disconnect()
    await sending
    again = await clients.open(
        version, chatId=held["id"], messages=held["messages"], **server.own_id
    )
    resuming = asyncio.create_task(again.resume())
    await again.seen("one ")
    answer.say("two")
    await again.seen("two")
    await server.stop(held["id"])
    done = await resuming
    assert (done["status"], done.get("error")) == ("ready", None)
    assert [part["text"] for part in parts_of(done)] == ["one two"]
    assert [message["role"] for message in done["messages"]] == ["user", "assistant"]


@each_version
async def test_an_edited_message_is_another_version(clients: Clients, server: Server, version: str):
    options = await server.options()
    chat = await clients.open(version, **options)
    for text in ("one", "two"):
        sending = asyncio.create_task(chat.send(text))
        (await server.next_answer()).say(f"To {text}.").finish()
        done = await sending
    edited = done["messages"][2]["id"]
    editing = asyncio.create_task(chat.edit(edited, "three"))
    answer = await server.next_answer()
    assert [message.text for message in answer.prompt[1:]] == ["one", "To one.", "three"]
    answer.say("To three.").finish()
    done = await editing
    texts = [message["parts"][-1]["text"] for message in done["messages"]]
    assert texts == ["one", "To one.", "three", "To three."]
    stored = await server.messages(options["chatId"])
    assert [message["parts"][0]["text"] for message in stored] == texts
    assert [len(message["versions"]) for message in stored] == [0, 0, 2, 0]


@each_version
async def test_a_regenerated_answer_is_another_version(
    clients: Clients, server: Server, version: str
):
    options = await server.options()
    chat = await clients.open(version, **options)
    sending = asyncio.create_task(chat.send("hi"))
    (await server.next_answer()).say("one").finish()
    done = await sending
    first = done["messages"][-1]["id"]
    for given, text in ((None, "two"), (first, "three")):
        named = given and done["messages"][-1]["id"]
        asking = asyncio.create_task(chat.regenerate(named))
        answer = await server.next_answer()
        assert [message.text for message in answer.prompt[1:]] == ["hi"]
        answer.say(text).finish()
        done = await asking
        assert [message["role"] for message in done["messages"]] == ["user", "assistant"]
        assert parts_of(done)[0]["text"] == text
    stored = await server.messages(options["chatId"])
    assert len(stored[-1]["versions"]) == 3
    assert first in stored[-1]["versions"]
    assert stored[-1]["id"] == done["messages"][-1]["id"]


@each_latest_version
async def test_resuming_in_the_middle_of_reasoning_doubles_nothing(
    clients: Clients, server: Server, version: str
):
    options = await server.options()
    first = await clients.open(version, **options)
    sending = asyncio.create_task(first.send("hi"))
    answer = (await server.next_answer()).send(ReasoningDelta("one "))
    held = await first.seen("one ")
    await first.disconnect()
    await sending
    readers = {
        "the same chat": first,
        "a chat that has the part": await clients.open(
            version, messages=held["messages"], **options
        ),
        "a chat that has the question": await clients.open(
            version, messages=held["messages"][:1], **options
        ),
        "a chat that has nothing": await clients.open(version, **options),
    }
    resuming = [asyncio.create_task(chat.resume()) for chat in readers.values()]
    for chat in readers.values():
        await chat.streaming()  # two of them have the first word already
        await chat.seen("one ")
    answer.send(ReasoningDelta("two"), TextDelta("three"))
    answer.finish()
    for name, done in zip(readers, await asyncio.gather(*resuming), strict=True):
        assert done["status"] == "ready", name
        assert [(part["type"], part["text"]) for part in parts_of(done)] == [
            ("reasoning", "one two"),
            ("text", "three"),
        ], name
        roles = [message["role"] for message in done["messages"]]
        assert roles.count("assistant") == 1, name
        assert done["messages"][-1]["id"] == held["messages"][-1]["id"], name


@each_version
async def test_a_chat_without_a_running_answer_resumes_nothing(
    clients: Clients, server: Server, version: str
):
    chat = await clients.open(version, **await server.options())
    done = await chat.resume()
    assert (done["status"], done["messages"]) == ("ready", [])


@each_hint
async def test_a_call_waits_for_an_approval_that_does_not_come(
    clients: Clients, server: Server, version: str, said: str | None
):
    options = await server.options()
    hint = {} if said is None else {VERSION_HEADER: said}
    options["headers"] = {**options["headers"], **hint}
    chat = await clients.open(version, **options)
    sending = asyncio.create_task(chat.send("Clean up."))
    answer = await server.next_answer()
    answer.send(ToolCallDelta("c", "rm", '{"path": "/"}'), ToolApprovalRequest("c", "a"))
    waiting = await chat.seen("data-approval" if said == "5" else "approval-requested")
    assert waiting["status"] == "streaming"
    answer.send(ToolApprovalResponse("c", False, "I need it."), TextDelta("I leave it."))
    answer.finish()
    done = await sending
    assert (done["status"], done.get("error")) == ("ready", None)
    call, *others = parts_of(done)
    assert (call["state"], call["input"]) == (
        "output-error" if said == "5" else "output-denied",
        {"path": "/"},
    )
    assert others[-1]["text"] == "I leave it."
    if said is not None:
        told = others[0]["data"] if said == "5" else call["approval"]
        assert (told["approved"], told["reason"]) == (False, "I need it.")
    path = f"/api/threads/{options['chatId']}/messages"
    stored = (await server.http.get(path, headers=hint)).json()["messages"][-1]
    known = client_version(said)
    assert as_known_to(known, plain(stored["parts"])) == as_known_to(known, plain(parts_of(done)))


@each_version
async def test_stored_messages_are_valid_for_the_client(
    clients: Clients, server: Server, version: str
):
    log: list[Event] = [
        PartAdded({"type": "notice", "code": "cut_off", "params": {"model": "One"}}),
        ReasoningDelta("Hm"),
        *(ToolCallDelta("c1", "sum", "{}"), ToolCallEnd("c1"), ToolResult("c1", 3)),
        *(ToolCallDelta("c2", "sum", "{}"), ToolResult("c2", error="internal_error")),
        *(ToolCallDelta("c3", "sum", "{"), ToolCallEnd("c3"), ToolCallDelta("c4", "sum", "{")),
        *(ToolCallDelta("c5", "rm", "{}"), ToolApprovalRequest("c5", "a5")),
        *(ToolCallDelta("c6", "rm", "{}"), ToolApprovalRequest("c6", "a6")),
        *(ToolApprovalResponse("c6", True), ToolResult("c6", "done")),
        *(ToolCallDelta("c7", "rm", "{}"), ToolApprovalRequest("c7", "a7")),
        ToolApprovalResponse("c7", False, "I need it."),
        PartAdded({"type": "source", "id": "s", "url": "https://example.com/", "title": "A"}),
        PartAdded({"type": "file", "url": "/f", "media_type": "image/png", "name": "a.png"}),
        PartAdded({"type": "data", "name": "chart", "data": [1]}),
        TextDelta("Yes."),
    ]
    parts = ui_parts(fold(log).parts, 5 if version.startswith("5") else 6)
    message = {"id": "m", "role": "assistant", "metadata": {"modelId": "one"}, "parts": parts}
    (validated,) = await clients.call("validate", version=version, messages=[message])
    assert [part["type"] for part in validated["parts"]] == [part["type"] for part in parts]


@dataclass(frozen=True)
class RandomRun:
    """A random run, as a follower gets it."""

    shown: list[PartEvent]
    parts: list[Part]
    end: EndEvent

    def body(self, version: ClientVersion) -> str:
        """What our encoder makes of it."""
        encoder = MessageStreamEncoder(MESSAGE_ID, MESSAGE_ID, version)
        chunks = encoder.start()
        for event in self.shown:
            chunks += encoder.event(event)
        return (encode([*chunks, *encoder.end(self.end)]) + DONE).decode()


@pytest.fixture(scope="module")
def random_runs() -> list[RandomRun]:
    """The same runs for every version."""
    random = Random(9)
    logs = [events(random) for _ in range(SEQUENCES)]
    return [RandomRun(shown(random, log), fold(log).parts, ending(random)) for log in logs]


def as_known_to(version: ClientVersion, parts: list[Any]) -> list[Any]:
    """Parts of a client or of a stored message, where the one sees less of an approval."""
    if version == 5:  # data stands where it came, and not beside its call
        return sorted(parts, key=lambda part: part["id"] if part["type"] == "data-approval" else "")
    if version == 7:
        return parts
    shown = [{key: part[key] for key in part if key != "approval"} for part in parts]
    for part in shown:
        if part.get("state") == "approval-responded":
            part["state"] = "approval-requested"
    return shown


@each_hint
async def test_random_event_sequences_fold_to_the_same_parts(
    clients: Clients, random_runs: list[RandomRun], version: str, said: str | None
):
    known = client_version(said)
    bodies = [run.body(known) for run in random_runs]
    chats = await clients.call("read", version=version, bodies=bodies)
    for run, body, chat in zip(random_runs, bodies, chats, strict=True):
        if run.end.status in ("failed", "interrupted"):
            assert (chat["status"], chat["error"]) == ("error", run.end.error or INTERRUPTED)
        else:
            assert chat["status"] == "ready", f"{chat['error']}\n{body}"
        assert chat["read"] == chat["messages"][-1], body
        parts = list(map(as_hinted, parts_of(chat)))
        want = plain(ui_parts(run.parts, known))
        assert as_known_to(known, plain(parts)) == as_known_to(known, want), body
        for kind in ("text", "reasoning"):
            texts = [part["text"] for part in parts if part["type"] == kind]
            assert texts == [part["text"] for part in run.parts if part["type"] == kind], body
