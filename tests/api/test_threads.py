"""`/api/threads`."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from chat_app.api import threads
from chat_app.api.problems import Problem
from chat_app.api.responses import timestamp
from chat_app.api.threads import MAX_BYTES
from chat_app.auth.principal import Scope
from chat_app.llm.errors import Failure
from chat_app.threads.external import MAX_CUSTOM_BYTES
from testing.chat_api import ChatApi, chat_api_harness, user_message
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
    listed = (await chat_api.call("alice", "GET", "/api/threads?limit=50")).json()
    assert [(row["id"], row["title"]) for row in listed["threads"]] == [(thread_id, "N")]
    assert listed["nextCursor"] is None
    assert (await chat_api.call("alice", "GET", "/api/threads")).json() == listed["threads"]
    deleted = await chat_api.call("alice", "DELETE", f"/api/threads/{thread_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await chat_api.call("alice", "GET", "/api/threads")).json() == []
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
    assert [row["title"] for row in got.json()] == ["Rain in Rome"]


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
        "status=deleted",
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
        b'{"status": "deleted"}',
        b'{"status": null}',
        b'{"title": "x", "externalId": "y"}',
        b'{"title": "x", "localId": "y"}',
        b'{"title": "x", "deletedAt": null}',
        b'{"custom": []}',
        b'{"custom": "x"}',
        b'{"head": "x", "status": "archived"}',
    ],
)
async def test_a_change_takes_what_it_knows_and_nothing_else(chat_api: ChatApi, body: bytes):
    thread_id = await create(chat_api, title="Mine")
    got = await chat_api.call("alice", "PATCH", f"/api/threads/{thread_id}", content=body)
    assert got.status_code == 422
    assert (await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")).json()[
        "title"
    ] == "Mine"


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "x"}',
        b'{"owner_id": "x"}',
        b'{"userId": "x"}',
        b'{"externalId": "x"}',
        b'{"status": "archived"}',
        b'{"title": 1}',
        b'{"localId": 1}',
        b'{"localId": ""}',
        b'{"custom": []}',
        b'{"localId": "a b"}',
        b'{"localId": "' + b"x" * 65 + b'"}',
        b"[",
    ],
)
async def test_a_new_thread_takes_a_title_and_nothing_else(chat_api: ChatApi, body: bytes):
    got = await chat_api.call("alice", "POST", "/api/threads", content=body)
    assert got.status_code == 422
    assert (await chat_api.call("alice", "GET", "/api/threads")).json() == []


async def test_an_endless_body_is_refused(chat_api: ChatApi):
    got = await chat_api.call("alice", "POST", "/api/threads", content=b" " * (MAX_BYTES + 1))
    assert got.status_code == 413


async def test_a_thread_is_created_once_for_each_local_id(chat_api: ChatApi):
    body = {"localId": "__LOCALID_x1", "title": "Mine"}
    made = await asyncio.gather(
        *(chat_api.call("alice", "POST", "/api/threads", json=body) for _ in range(5))
    )
    assert {got.status_code for got in made} == {201}
    (thread_id,) = {got.json()["id"] for got in made}
    again = await create(chat_api, localId="__LOCALID_x1", title="Other")
    assert again == thread_id
    (listed,) = (await chat_api.call("alice", "GET", "/api/threads")).json()
    assert (listed["title"], listed["externalId"]) == ("Mine", "__LOCALID_x1")
    assert await create(chat_api, "bob", localId="__LOCALID_x1") != thread_id
    by_name = await chat_api.call("alice", "GET", "/api/threads/__LOCALID_x1")
    assert by_name.json()["id"] == thread_id
    await chat_api.call("alice", "DELETE", f"/api/threads/{thread_id}")
    assert await create(chat_api, localId="__LOCALID_x1") != thread_id


async def test_an_archived_thread_is_only_in_the_archive(chat_api: ChatApi):
    kept, archived = await create(chat_api, title="Kept"), await create(chat_api, title="Old")
    path = f"/api/threads/{archived}"
    before = (await chat_api.call("alice", "GET", path)).json()

    async def ids(query: str) -> list[str]:
        got = await chat_api.call("alice", "GET", f"/api/threads?{query}")
        return [row["id"] for row in got.json()]

    got = await chat_api.call("alice", "PATCH", path, json={"status": "archived"})
    assert got.status_code == 204
    after = (await chat_api.call("alice", "GET", path)).json()
    assert after == {**before, "status": "archived"}, "it is no activity"
    assert await ids("") == await ids("status=regular") == [kept]
    assert await ids("status=archived") == [archived]
    assert await ids("status=all") == [archived, kept]
    assert await ids("status=all&search=old") == await ids("status=archived&search=old")
    assert await ids("search=old") == []
    page = (await chat_api.call("alice", "GET", "/api/threads?status=archived&limit=1")).json()
    assert ([row["id"] for row in page["threads"]], page["nextCursor"]) == ([archived], None)
    await chat_api.call("alice", "PATCH", path, json={"status": "regular"})
    assert await ids("") == [archived, kept]


async def test_a_new_message_brings_a_thread_back_from_the_archive(chat_api: ChatApi):
    thread_id = await create(chat_api)
    path = f"/api/threads/{thread_id}"
    await chat_api.call("alice", "PATCH", path, json={"status": "archived"})
    body = {"id": thread_id, "messages": [user_message("hi")]}
    call = chat_api.open("alice", "POST", "/api/chat", body)
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await call.done()
    assert (await chat_api.call("alice", "GET", path)).json()["status"] == "regular"


async def test_programs_keep_values_with_a_thread(chat_api: ChatApi):
    thread_id = await create(chat_api)
    path = f"/api/threads/{thread_id}"

    async def custom() -> Any:
        return (await chat_api.call("alice", "GET", path)).json()["custom"]

    assert await custom() == {}
    value = {"colour": "red", "nested": [{"a": None}], "\N{CAT}": 1.5}
    for given, kept in (({"custom": value}, value), ({"title": "T"}, value), ({"custom": {}}, {})):
        assert (await chat_api.call("alice", "PATCH", path, json=given)).status_code == 204
        assert await custom() == kept
    largest = {"a": "x" * (MAX_CUSTOM_BYTES - len('{"a": ""}'))}
    got = await chat_api.call("alice", "PATCH", path, json={"custom": largest})
    assert got.status_code == 204
    too_large = {"custom": {**largest, "b": 1}, "title": "Not this"}
    got = await chat_api.call("alice", "PATCH", path, json=too_large)
    assert (got.status_code, got.json()["error"]) == (413, "too_large")
    assert (await chat_api.call("alice", "GET", path)).json()["title"] == "T"
    await chat_api.call("alice", "PATCH", path, json={"custom": None})
    assert await custom() == {}


async def test_a_new_thread_has_what_its_program_keeps(chat_api: ChatApi):
    value = {"colour": "red", "nested": [{"a": None}]}
    got = await chat_api.call("alice", "POST", "/api/threads", json={"custom": value})
    assert (got.status_code, got.json()["custom"]) == (201, value)
    body = {"localId": "c1", "custom": value}
    thread_id = await create(chat_api, **body)
    assert await create(chat_api, **{**body, "custom": {"other": 1}}) == thread_id
    got = await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")
    assert got.json()["custom"] == value
    assert (await chat_api.call("alice", "POST", "/api/threads", json={"custom": None})).json()[
        "custom"
    ] == {}
    too_large = {"custom": {"a": "x" * MAX_CUSTOM_BYTES}, "localId": "c2"}
    got = await chat_api.call("alice", "POST", "/api/threads", json=too_large)
    assert (got.status_code, got.json()["error"]) == (413, "too_large")
    assert (await chat_api.call("alice", "GET", "/api/threads/c2")).status_code == 404


async def test_the_bare_list_names_the_page_that_follows(
    chat_api: ChatApi, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(threads, "MAX_PAGE_SIZE", 2)
    made = [await create(chat_api, title=f"Rain {number}") for number in range(3)]
    got = await chat_api.call("alice", "GET", "/api/threads?search=rain")
    assert [row["id"] for row in got.json()] == made[:0:-1]
    following = got.links["next"]["url"]
    rest = (await chat_api.call("alice", "GET", following)).json()
    assert ([row["id"] for row in rest["threads"]], rest["nextCursor"]) == (made[:1], None)
    whole = await chat_api.call("alice", "GET", "/api/threads?search=rain+0")
    assert "link" not in whole.headers


async def test_what_a_program_has_is_not_sent_again(chat_api: ChatApi):
    alice = chat_api.people["alice"]
    sent = await chat_api.harness.runs.send(alice, text="hi", client_id="c1")
    path = f"/api/threads/{sent.thread_id}"
    tree = f"{path}/messages?format=ai-sdk/v6"
    paths = ("/api/threads", "/api/threads?limit=9", path, f"{path}/messages", tree)
    known: dict[str, str] = {}

    async def changed() -> list[str]:
        found: list[str] = []
        for one in paths:
            tag = known.get(one, '"none"')
            got = await chat_api.call("alice", "GET", one, headers={"If-None-Match": tag})
            known[one] = got.headers["etag"]
            if got.status_code == 304:
                assert (got.content, got.headers["etag"]) == (b"", tag)
                assert got.headers["cache-control"] == "private, no-cache, no-store"
            else:
                found.append(one)
        return found

    assert await changed() == list(paths)
    assert await changed() == []
    (await chat_api.harness.models.one.answer()).say("a").finish()
    await chat_api.harness.read(alice, sent.run_id)
    assert await changed() == list(paths)
    await chat_api.call("alice", "PATCH", path, json={"title": "T"})
    assert await changed() == list(paths[:3])
    await chat_api.call("alice", "DELETE", f"{path}/messages/{sent.message_id}")
    assert await changed() == list(paths[3:])
    several = f'"x", {known[tree].removeprefix("W/")}'
    got = await chat_api.call("alice", "GET", tree, headers={"If-None-Match": several})
    assert got.status_code == 304
    stolen = await chat_api.call("bob", "GET", tree, headers={"If-None-Match": known[tree]})
    assert stolen.status_code == 404


@pytest.fixture
async def titled(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database, chat_titles=True) as one:
        yield one


async def test_a_model_names_a_thread_that_its_user_has_not_named(titled: ChatApi):
    alice, one, runs = titled.people["alice"], titled.harness.models.one, titled.harness.runs
    sent = await runs.send(alice, text="rain in rome", client_id="c1")
    (await one.answer(1)).say("a").finish()
    await titled.harness.read(alice, sent.run_id)
    (await one.answer(2)).say("I'm sorry, I can't.").finish()
    await runs.titles_settled()
    path = f"/api/threads/{sent.thread_id}"
    body = {"messages": [{"role": "user", "content": "another text"}]}

    async def name() -> Any:
        got = await titled.call("alice", "POST", f"{path}/title", json=body)
        assert got.status_code == 200
        return got.json()

    asked = asyncio.create_task(name())
    answer = await one.answer(3)
    assert "rain in rome" in answer.prompt[-1].text
    assert "another text" not in answer.prompt[-1].text
    answer.fail(Failure.STALLED.error("One"))
    assert await asked == {"title": "rain in rome"}, "it keeps its first words"
    asked = asyncio.create_task(name())
    (await one.answer(4)).say("Roman Rain").finish()
    assert await asked == {"title": "Roman Rain"}
    assert await name() == {"title": "Roman Rain"}, "a model is asked once"
    await titled.call("alice", "PATCH", path, json={"title": "Mine"})
    assert await name() == {"title": "Mine"}
    empty = await create(titled)
    got = await titled.call("alice", "POST", f"/api/threads/{empty}/title")
    assert got.json() == {"title": ""}
    assert len(one.answers) == 4


async def test_a_key_that_may_only_change_chats_calls_no_model(titled: ChatApi):
    alice = titled.people["alice"]
    titled.people["writer"] = replace(alice, scopes=frozenset[Scope]({"threads:write"}))
    titled.people["chatter"] = replace(alice, scopes=frozenset[Scope]({"chat"}))
    thread_id = await create(titled, "writer", title="Mine")
    for route in ("title", "compact"):
        path = f"/api/threads/{thread_id}/{route}"
        got = await titled.call("writer", "POST", path)
        assert (got.status_code, got.json()["error"]) == (403, "insufficient_scope")
    got = await titled.call("chatter", "POST", f"/api/threads/{thread_id}/title")
    assert (got.status_code, got.json()) == (200, {"title": "Mine"})


async def test_a_title_that_its_user_gives_meanwhile_stays(titled: ChatApi):
    alice, one, runs = titled.people["alice"], titled.harness.models.one, titled.harness.runs
    sent = await runs.send(alice, text="rain in rome", client_id="c1")
    (await one.answer(1)).say("a").finish()
    await titled.harness.read(alice, sent.run_id)
    (await one.answer(2)).say("I'm sorry, I can't.").finish()
    await runs.titles_settled()
    path = f"/api/threads/{sent.thread_id}"
    asked = asyncio.create_task(titled.call("alice", "POST", f"{path}/title"))
    answer = await one.answer(3)
    await titled.call("alice", "PATCH", path, json={"title": "Mine"})
    answer.say("Roman Rain").finish()
    assert (await asked).json() == {"title": "Mine"}


async def test_no_model_names_a_thread_where_that_is_switched_off(chat_api: ChatApi):
    alice, one = chat_api.people["alice"], chat_api.harness.models.one
    sent = await chat_api.harness.runs.send(alice, text="rain in rome", client_id="c1")
    (await one.answer()).say("a").finish()
    await chat_api.harness.read(alice, sent.run_id)
    got = await chat_api.call("alice", "POST", f"/api/threads/{sent.thread_id}/title")
    assert got.json() == {"title": "rain in rome"}
    assert len(one.answers) == 1


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
    assert (await chat_api.call("bob", "GET", "/api/threads")).json()[0]["id"] == own


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
