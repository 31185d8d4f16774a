"""`/api/threads`."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from chat_app.api.problems import Problem
from chat_app.api.threads import MAX_BYTES, timestamp
from testing.chat_api import ChatApi, chat_api_harness
from testing.database import DatabaseUnderTest

MISSING_ID = "00000000-0000-4000-8000-000000000000"

JS_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


async def create(chat_api: ChatApi, who: str = "alice", **body: object) -> str:
    got = await chat_api.call(who, "POST", "/api/threads", json=body)
    assert got.status_code == 201
    return got.json()["id"]


async def test_a_thread_is_created_fetched_renamed_and_deleted(chat_api: ChatApi):
    thread_id = await create(chat_api, title="Mine")
    got = await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")
    thread = got.json()
    assert got.headers["cache-control"] == "private, no-cache, no-store"
    assert (thread["id"], thread["title"], thread["titleOrigin"], thread["running"]) == (
        thread_id,
        "Mine",
        "person",
        False,
    )
    assert JS_TIME.fullmatch(thread["createdAt"])
    assert JS_TIME.fullmatch(thread["updatedAt"])
    renamed = await chat_api.call(
        "alice", "PATCH", f"/api/threads/{thread_id}", json={"title": " N "}
    )
    assert (renamed.status_code, renamed.content) == (204, b"")
    listed = (await chat_api.call("alice", "GET", "/api/threads")).json()
    assert [(row["id"], row["title"]) for row in listed["threads"]] == [(thread_id, "N")]
    assert listed["nextCursor"] is None
    deleted = await chat_api.call("alice", "DELETE", f"/api/threads/{thread_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await chat_api.call("alice", "GET", "/api/threads")).json()["threads"] == []
    assert (await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")).status_code == 404


async def test_a_thread_can_be_created_without_a_body(chat_api: ChatApi):
    got = await chat_api.call("alice", "POST", "/api/threads")
    assert got.status_code == 201
    assert got.json()["title"] == ""


async def test_pages_follow_the_cursor(chat_api: ChatApi):
    made = [await create(chat_api, title=f"t{n}") for n in range(7)]
    await create(chat_api, "bob", title="other")
    seen, after = [], ""
    while True:
        path = "/api/threads?limit=3" + (f"&after={after}" if after else "")
        page = (await chat_api.call("alice", "GET", path)).json()
        seen += [row["id"] for row in page["threads"]]
        if page["nextCursor"] is None:
            break
        after = page["nextCursor"]
    assert seen == made[::-1]


async def test_titles_are_searched(chat_api: ChatApi):
    await create(chat_api, title="Rain in Rome")
    await create(chat_api, title="Sun")
    await create(chat_api, "bob", title="Rain")
    got = await chat_api.call("alice", "GET", "/api/threads", params={"search": "rain"})
    assert [row["title"] for row in got.json()["threads"]] == ["Rain in Rome"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "limit=1e2",
        "limit=%D9%A1",
        "after=x",
        "after=%00",
        "search=" + "x" * 201,
    ],
)
async def test_an_invalid_query_is_refused(chat_api: ChatApi, query: str):
    got = await chat_api.call("alice", "GET", f"/api/threads?{query}")
    assert got.status_code == 422
    assert set(got.json()) == set(Problem.model_fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'{"title": 1}',
        b'{"title": null}',
        b'{"head": 1}',
        b'{"title": ""}',
        b'{"title": "\\n"}',
        b'{"title": "\\udc00"}',
        b'{"title": "' + b"x" * 201 + b'"}',
        b'{"title": "x", "userId": "y"}',
        b'{"title": "x", "owner_id": "y"}',
        b'{"title": "x", "id": "y"}',
        b'{"status": "archived"}',
    ],
)
async def test_a_change_takes_a_title_or_a_head_and_nothing_else(chat_api: ChatApi, body: bytes):
    thread_id = await create(chat_api, title="Mine")
    got = await chat_api.call("alice", "PATCH", f"/api/threads/{thread_id}", content=body)
    assert got.status_code == 422
    assert (await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")).json()[
        "title"
    ] == "Mine"


@pytest.mark.parametrize("body", [b'{"id": "x"}', b'{"owner_id": "x"}', b'{"title": 1}', b"["])
async def test_a_new_thread_takes_a_title_and_nothing_else(chat_api: ChatApi, body: bytes):
    got = await chat_api.call("alice", "POST", "/api/threads", content=body)
    assert got.status_code == 422
    assert (await chat_api.call("alice", "GET", "/api/threads")).json()["threads"] == []


async def test_an_endless_body_is_refused(chat_api: ChatApi):
    got = await chat_api.call("alice", "POST", "/api/threads", content=b" " * (MAX_BYTES + 1))
    assert got.status_code == 413


async def test_messages_come_in_windows(chat_api: ChatApi):
    alice = chat_api.people["alice"]
    sent = await chat_api.harness.runs.send(alice, text="hi", client_id="c1")
    path = f"/api/threads/{sent.thread_id}/messages"
    running = (await chat_api.call("alice", "GET", path)).json()
    assert running["run"] == {"id": str(sent.run_id), "messageId": str(sent.message_id)}
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await chat_api.harness.read(alice, sent.run_id)
    whole = (await chat_api.call("alice", "GET", path)).json()
    question, answer = whole["messages"]
    assert (whole["hasOlder"], whole["run"]) == (False, None)
    assert (question["role"], question["parentId"], question["parts"]) == (
        "user",
        None,
        [{"type": "text", "text": "hi"}],
    )
    assert (answer["parentId"], answer["status"], answer["model"]) == (
        question["id"],
        "complete",
        "one",
    )
    assert JS_TIME.fullmatch(answer["createdAt"])
    last = (await chat_api.call("alice", "GET", f"{path}?limit=1")).json()
    assert ([m["id"] for m in last["messages"]], last["hasOlder"]) == ([answer["id"]], True)
    older = (await chat_api.call("alice", "GET", f"{path}?before={answer['id']}")).json()
    assert [m["id"] for m in older["messages"]] == [question["id"]]


async def test_a_branch_is_chosen_and_deleted(chat_api: ChatApi):
    alice, runs = chat_api.people["alice"], chat_api.harness.runs
    sent = await runs.send(alice, text="one", client_id="c1")
    await runs.stop(alice, sent.run_id)
    again = await runs.retry(alice, sent.message_id)
    await runs.stop(alice, again.run_id)
    path = f"/api/threads/{sent.thread_id}"

    async def last() -> dict[str, Any]:
        return (await chat_api.call("alice", "GET", f"{path}/messages")).json()["messages"][-1]

    versions = [str(sent.message_id), str(again.message_id)]
    assert ((await last())["id"], (await last())["versions"]) == (versions[1], versions)
    body = {"head": versions[0]}
    got = await chat_api.call("alice", "PATCH", path, json=body)
    assert (got.status_code, got.content, (await last())["id"]) == (204, b"", versions[0])
    got = await chat_api.call("alice", "DELETE", f"{path}/messages/{versions[0]}")
    assert (got.status_code, got.content) == (204, b"")
    assert ((await last())["id"], (await last())["versions"]) == (versions[1], [])
    missing = [
        await chat_api.call("alice", "PATCH", path, json=body),
        await chat_api.call("alice", "DELETE", f"{path}/messages/{versions[0]}"),
        await chat_api.call("alice", "DELETE", f"{path}/messages/{uuid4()}"),
        await chat_api.call("bob", "DELETE", f"{path}/messages/{versions[1]}"),
        await chat_api.call("bob", "PATCH", path, json={"head": versions[1]}),
    ]
    assert {(got.status_code, got.content) for got in missing} == {(404, missing[0].content)}


async def test_a_thread_of_another_user_is_not_found(chat_api: ChatApi):
    alice = chat_api.people["alice"]
    sent = await chat_api.harness.runs.send(alice, text="hi", client_id="c1")
    deleted = await create(chat_api, "bob")
    await chat_api.call("bob", "DELETE", f"/api/threads/{deleted}")
    own = await create(chat_api, "bob")
    responses = set()
    ids = [
        str(sent.thread_id),
        str(uuid4()),
        deleted,
        "nonsense",
        sent.thread_id.hex,
        "%00",
        "%D9%A1",
    ]
    for target in ids:
        for method, end, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "stolen"}),
            ("DELETE", "", None),
            ("GET", "/messages", None),
            ("GET", f"/messages?before={sent.message_id}", None),
        ):
            got = await chat_api.call("bob", method, f"/api/threads/{target}{end}", json=body)
            responses.add((got.status_code, got.content))
    for before in (sent.message_id, uuid4(), "nonsense"):
        got = await chat_api.call("bob", "GET", f"/api/threads/{own}/messages?before={before}")
        responses.add((got.status_code, got.content))
    assert len(responses) == 1
    assert responses.pop()[0] == 404
    assert (await chat_api.harness.threads.get(alice, sent.thread_id)).title == "hi"
    assert (await chat_api.call("bob", "GET", "/api/threads")).json()["threads"][0]["id"] == own


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/threads"),
        ("POST", "/api/threads"),
        ("GET", f"/api/threads/{MISSING_ID}"),
        ("PATCH", f"/api/threads/{MISSING_ID}"),
        ("DELETE", f"/api/threads/{MISSING_ID}"),
        ("GET", f"/api/threads/{MISSING_ID}/messages"),
    ],
)
async def test_an_anonymous_request_is_refused_before_the_body_is_read(
    chat_api: ChatApi, method: str, path: str
):
    call = chat_api.open("", method, path, {"title": "x"})
    await call.done()
    assert call.status == 401
    assert not call.body_was_read


def test_a_timestamp_is_what_javascript_writes():
    time = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(time) == "2026-01-02T01:04:05.999Z"
    assert timestamp(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"
