"""Random answers in the formats of AssistantCloud, read by its clients."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat_app.api.assistant_cloud import CloudMessage
from chat_app.api.wires.assistant_cloud import (
    client_id_of,
    content_of,
    newest_first,
    read_content,
)
from chat_app.core.clock import utc_now
from chat_app.core.errors import InvalidInput
from chat_app.core.events import fold
from chat_app.core.parts import Part
from chat_app.core.text import is_client_id, repair_surrogates
from chat_app.runs.follow import RunMetrics
from chat_app.threads.views import MessageView
from testing.assistant_cloud import CloudServer
from testing.event_sequences import ending, events

pytestmark = pytest.mark.asyncio(loop_scope="package")

ANSWERS = 1_000
AUI, AI_SDK = "aui/v0", "ai-sdk/v6"


def answers() -> list[tuple[MessageView, RunMetrics]]:
    random = Random(14)
    return [answer(random) for _ in range(ANSWERS)]


def answer(random: Random) -> tuple[MessageView, RunMetrics]:
    """What is stored of a random run, and what the run took."""
    parts, end = fold(events(random)).parts, ending(random)
    view = MessageView(
        id=uuid4(),
        parent_id=None,
        role="assistant",
        text="",
        parts=parts,
        status=end.status,
        finish_reason=end.reason,
        error=end.error,
        model="alpha",
        created_at=utc_now(),
        run_id=None,
    )
    return view, end.metrics


def listed(format: Any, view: MessageView, metrics: RunMetrics) -> Any:
    """A message as the route lists it."""
    return CloudMessage(
        id=view.id,
        parent_id=view.parent_id,
        height=0,
        created_at=view.created_at,
        updated_at=view.created_at,
        format=format,
        content=content_of(format, view, metrics),
    ).model_dump(mode="json")


def said(parts: list[Part]) -> list[tuple[str, str]]:
    """The texts and the reasoning; empty ones are none."""
    return [
        (part["type"], repair_surrogates(part["text"]))
        for part in parts
        if (part["type"] == "text" or part["type"] == "reasoning") and part["text"]
    ]


def is_blank(part: Part) -> bool:
    """Whether a part is a text of which JavaScript's `trim` leaves nothing."""
    if part["type"] != "text" and part["type"] != "reasoning":
        return False
    return not part["text"].strip("\ufeff \r\n\N{LINE SEPARATOR}")


async def test_random_answers_are_read_and_stored_again_in_assistant_uis_format(
    server: CloudServer,
):
    given = answers()
    messages = [listed(AUI, *one) for one in given]
    found = await server.clients.call("decodeAll", messages=messages)
    stored_again = 0
    for (view, _), one in zip(given, found, strict=True):
        content = one["message"]["content"]
        # the client leaves out blank texts, and a part that it cannot read
        shown = [part for part in view.parts if not is_blank(part)]
        assert len(content) == len(shown), shown
        assert said(content) == said(shown)
        kinds = {"complete": {"complete", "incomplete"}}.get(view.status, {"incomplete"})
        assert one["message"]["status"]["type"] in kinds
        if any(part["type"] == "file" for part in view.parts):
            continue
        stored_again += 1
        again = read_content(AUI, one["encoded"])
        assert (again.role, said(again.parts)) == ("assistant", said(shown))
        calls = [part for part in view.parts if part["type"] == "tool-call"]
        assert [part.get("call_id") for part in again.parts if part["type"] == "tool-call"] == [
            call["call_id"] for call in calls
        ]
    assert stored_again > ANSWERS / 2


async def test_random_answers_are_valid_messages_of_the_ai_sdk_and_are_stored_again(
    server: CloudServer,
):
    given = [one for one in answers() if one[0].parts]
    messages = [
        {"id": str(view.id), **listed(AI_SDK, view, metrics)["content"]} for view, metrics in given
    ]
    for (view, _), one in zip(
        given, await server.clients.call("validateAll", messages=messages), strict=True
    ):
        assert UUID(one["id"]) == view.id
        assert said(one["parts"]) == said(view.parts)
        if any(part["type"] == "file" for part in view.parts):
            continue
        again = read_content(AI_SDK, {key: one[key] for key in ("role", "metadata", "parts")})
        assert (again.role, said(again.parts)) == ("assistant", said(view.parts))


@pytest.mark.parametrize(
    ("url", "kind"),
    [("https://a.test/a.png", "image"), ("data:image/png;base64,AA==", "image"), ("/f/1", "file")],
)
async def test_an_image_reaches_the_client_wherever_it_is(server: CloudServer, url: str, kind: str):
    view, metrics = answer(Random(1))
    image: Part = {"type": "file", "url": url, "media_type": "image/png", "name": "a.png"}
    message = listed(AUI, replace(view, parts=[image]), metrics)
    [found] = await server.clients.call("decodeAll", messages=[message])
    [part] = found["message"]["content"]
    assert (part["type"], part["filename"], part.get("image", part.get("data"))) == (
        *(kind, "a.png"),
        url,
    )


async def test_of_messages_of_one_moment_each_comes_before_the_one_above_it():
    ids = [UUID(int=number) for number in (3, 1, 2)]
    first, _ = answer(Random(1))
    messages = [
        replace(first, id=id_, parent_id=above)
        for id_, above in zip(ids, [None, *ids], strict=False)
    ]
    assert [one.id for one in newest_first(messages)] == list(reversed(ids))


async def test_a_message_with_attachments_is_refused():
    content = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    assert read_content(AUI, {**content, "attachments": []}).parts
    with pytest.raises(InvalidInput, match="attachments"):
        read_content(AUI, {**content, "attachments": [{"type": "image"}]})


async def test_each_ending_has_its_status_and_an_appended_answer_claims_no_model():
    view, metrics = answer(Random(2))

    def content(**more: Any) -> Any:
        return content_of(AUI, replace(view, status="complete", error="", **more), metrics)

    reasons = ("stop", "length", "size", "content-filter", "tool-calls")
    assert [tuple(content(finish_reason=reason)["status"].values()) for reason in reasons] == [
        ("complete", "stop"),
        ("incomplete", "length"),
        ("incomplete", "length"),
        ("incomplete", "content-filter"),
        ("complete", "unknown"),
    ]
    assert content(finish_reason="stop")["metadata"]["custom"]["modelId"] == "alpha"
    assert content(finish_reason="stop", origin="client")["metadata"]["custom"] == {}


async def test_a_name_that_can_be_no_client_id_is_hashed():
    assert client_id_of("my-message_1") == "my-message_1"
    long, other = client_id_of("x" * 200), client_id_of("x" * 201)
    assert long != other
    assert is_client_id(long)
    assert client_id_of("é") != client_id_of("e")
    assert is_client_id(client_id_of("a b"))


def read_parts(*content: dict[str, Any]) -> list[Part]:
    return read_content(AUI, {"role": "assistant", "content": list(content)}).parts


async def test_the_parts_of_assistant_uis_format_are_those_of_a_message():
    call = {"type": "tool-call", "toolCallId": "c1", "toolName": "add"}
    stored: Part = {
        "type": "tool-call",
        "call_id": "c1",
        "name": "add",
        "arguments": "{}",
        "state": "called",
    }
    denied = {"id": "a1", "approved": False, "reason": "No."}
    source = {"type": "source", "sourceType": "url", "id": "s1", "url": "https://a.test/"}
    assert read_parts(
        {"type": "reasoning", "unstable_summary": "Hm."},
        {"type": "reasoning", "text": "Well.", "unstable_summary": "Hm."},
        {**call, "argsText": '{"a": 1', "args": {}},
        {**call, "args": {"a": float("nan"), "b": "é"}},
        {**call, "result": {"sum": 2}},
        {**call, "result": "It broke.", "isError": True},
        {**call, "approval": denied},
        {**call, "approval": {**denied, "approved": True}},
        {**call, "approval": {"id": "a1"}},
        source,
        {**source, "title": "A"},
        {"type": "data", "name": "chart", "data": [1]},
    ) == [
        {"type": "reasoning", "text": "Hm."},
        {"type": "reasoning", "text": "Well."},
        {**stored, "arguments": '{"a": 1'},
        {**stored, "arguments": '{"a": null, "b": "é"}'},
        {**stored, "state": "done", "result": {"sum": 2}},
        {**stored, "state": "failed", "error": "internal_error"},
        {**stored, "state": "denied", "approval": denied},
        stored,
        stored,
        {"type": "source", "id": "s1", "url": "https://a.test/", "title": ""},
        {"type": "source", "id": "s1", "url": "https://a.test/", "title": "A"},
        {"type": "data", "name": "chart", "data": [1]},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "source", "sourceType": "document", "id": "s1", "url": "https://a.test/"},
        {"type": "source", "sourceType": "url", "id": "s1", "url": "javascript:alert(1)"},
        {"type": "tool-call", "toolCallId": "", "toolName": "add"},
        {"type": "tool-call", "toolCallId": "c1", "toolName": "add", "argsText": 1},
        {"type": "data", "name": "No Name", "data": 1},
        {"type": "audio", "audio": {}},
        {"text": "no type"},
    ],
)
async def test_a_part_that_cannot_be_stored_is_refused(part: dict[str, Any]):
    with pytest.raises(InvalidInput):
        read_parts(part)
