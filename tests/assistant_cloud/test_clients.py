"""AssistantCloud's own clients, versions 0.2 and 0.1, use this server as their cloud."""

import asyncio
import io
import json
import zipfile
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from chat_app.core.parts import text_of
from chat_app.db.tables import ClientReport
from testing.assistant_cloud import VERSIONS, CloudServer, Person

pytestmark = pytest.mark.asyncio(loop_scope="package")
each_version = pytest.mark.parametrize("version", VERSIONS)

NOW = "2026-01-02T03:04:05.678Z"


def ui_message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def aui_message(role: str, text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"role": role, "content": content, "metadata": {"custom": {}}}


def texts(messages: Any) -> list[str]:
    """The texts of messages as the client has them, the oldest first."""
    return ["".join(part["text"] for part in one["content"]["parts"]) for one in messages[::-1]]


async def in_the_page(person: Person, thread: str | UUID) -> list[Any]:
    """The messages that the page shows."""
    response = await person.http.get(f"/api/threads/{thread}/messages")
    return response.json()["messages"]


async def reports(server: CloudServer, person: Person) -> list[ClientReport]:
    async with server.live.db.read(person.principal) as session:
        rows = await session.exec(select(ClientReport).order_by(col(ClientReport.created_at)))
        return list(rows)


@each_version
async def test_threads_are_those_of_the_page(server: CloudServer, version: str):
    person = await server.person()
    cloud = await server.client(version, person)
    new = {"last_message_at": NOW, "title": "Tea", "metadata": {"pot": 1}, "external_id": "ext-1"}
    thread = (await cloud.call("threads.create", new))["thread_id"]
    assert await cloud.call("threads.create", new) == {"thread_id": thread}
    [listed] = (await cloud.call("threads.list"))["threads"]
    assert (listed["id"], listed["title"], listed["metadata"]) == (thread, "Tea", {"pot": 1})
    assert (listed["external_id"], listed["is_archived"]) == ("ext-1", False)
    await cloud.call("threads.update", thread, {"title": "Coffee", "metadata": None})
    [shown] = (await person.http.get("/api/threads")).json()
    assert (shown["title"], shown["titleOrigin"], shown["custom"]) == ("Coffee", "person", {})
    await cloud.call("threads.update", thread, {"is_archived": True})
    assert (await cloud.call("threads.list"))["threads"] == []
    assert (await cloud.call("threads.list", {"is_archived": False}))["threads"] == []
    [archived] = (await cloud.call("threads.list", {"is_archived": True}))["threads"]
    assert (archived["id"], archived["is_archived"]) == (thread, True)
    if version == "0.2":
        assert (await cloud.call("threads.get", thread))["title"] == "Coffee"
        assert await cloud.call("threads.claim", {"refresh_token": "x"}) == {"moved": 0}
    await cloud.call("threads.delete", thread)
    assert (await cloud.call("threads.list", {"is_archived": True}))["threads"] == []
    assert (await cloud.fails("threads.delete", thread))["status"] == 404
    assert await cloud.does("asked") == 1  # one token served for all of it


@each_version
async def test_a_full_page_has_another_one_behind_it(server: CloudServer, version: str):
    person = await server.person()
    cloud = await server.client(version, person)
    ids = [str(await server.thread(person, f"Thread {number}")) for number in range(41)][::-1]
    pages, after = list[list[str]](), {}
    while len(pages) < 4 and (len(pages) == 0 or len(pages[-1]) == 20):
        page = (await cloud.call("threads.list", {"limit": 20, **after}))["threads"]
        pages.append([thread["id"] for thread in page])
        after = {"after": pages[-1][-1]}
    assert [len(page) for page in pages] == [20, 20, 1]
    assert [one for page in pages for one in page] == ids
    await server.live.threads.delete(person.principal, UUID(ids[19]))
    behind = await cloud.call("threads.list", {"limit": 20, "after": ids[19]})
    assert [thread["id"] for thread in behind["threads"]] == ids[20:40]


@each_version
async def test_what_the_page_has_said_is_read_newest_first(server: CloudServer, version: str):
    person = await server.person()
    cloud = await server.client(version, person)
    thread = await server.thread(person)
    first = await server.answer(person, "One?", "One.", thread_id=thread)
    await server.answer(person, "Two?", "Two.", thread_id=thread)
    await server.answer(
        person, "Or one?", "One, too.", thread_id=thread, edits=first.user_message_id
    )
    query = {"format": "ai-sdk/v6"}
    messages = (await cloud.call("threads.messages.list", str(thread), query))["messages"]
    assert texts(messages) == ["One?", "One.", "Two?", "Two.", "Or one?", "One, too."]
    assert [one["height"] for one in messages[::-1]] == [0, 1, 2, 3, 0, 1]
    assert [one["parent_id"] for one in messages[::-1]] == [
        *(None, messages[5]["id"], messages[4]["id"], messages[3]["id"]),
        *(None, messages[1]["id"]),
    ]
    assert {one["format"] for one in messages} == {"ai-sdk/v6"}
    assert messages[0]["content"]["metadata"]["modelId"] == "one"
    decoded = await cloud.does("decode", thread=str(thread))
    last = decoded[-1]["message"]
    assert (last["role"], last["status"]) == ("assistant", {"type": "complete", "reason": "stop"})
    assert [part["text"] for part in last["content"]] == ["One, too."]
    assert decoded[-1]["parentId"] == decoded[-2]["message"]["id"]


async def test_messages_are_read_in_pages(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = await server.thread(person)
    for number in range(3):
        await server.answer(person, f"{number}?", f"{number}.", thread_id=thread)
    seen, query = list[Any](), {"format": "ai-sdk/v6", "limit": 4}
    for expected in (4, 2):
        page = (await cloud.call("threads.messages.list", str(thread), query))["messages"]
        assert len(page) == expected
        seen += page
        query["after"] = page[-1]["id"]
    assert texts(seen) == ["0?", "0.", "1?", "1.", "2?", "2."]
    query["after"] = str(uuid4())
    assert (await cloud.fails("threads.messages.list", str(thread), query))["status"] == 404


@each_version
@pytest.mark.parametrize("format", ["ai-sdk/v6", "aui/v0"])
async def test_what_a_client_says_is_in_the_page_and_an_answer_of_it_reaches_no_model(
    server: CloudServer, version: str, format: str
):
    person = await server.person()
    cloud = await server.client(version, person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    content = ui_message if format == "ai-sdk/v6" else aui_message
    for id_, parent, role, text in (
        ("u1", None, "user", "Is tea hot?"),
        ("a1", "u1", "assistant", "Invented."),
    ):
        args = [thread, id_, parent, format, content(role, text)]
        await cloud.does("persist", method="append", args=args)
    shown = await in_the_page(person, thread)
    assert [one["parts"][0]["text"] for one in shown] == ["Is tea hot?", "Invented."]
    assert {one["origin"] for one in shown} == {"client"}
    [listed] = (await person.http.get("/api/threads")).json()
    assert listed["title"] == "Is tea hot?"
    await cloud.call("threads.update", thread, {"title": "Tea"})
    await server.answer(person, "Are you sure?", "Yes.", thread_id=UUID(thread))
    prompt = [text_of(message.parts) for message in server.models.one.answers[-1].prompt]
    assert "Is tea hot?" in str(prompt)
    assert "Invented." not in str(prompt)
    loaded = await cloud.does("persist", method="load", args=[thread, format])
    assert len(loaded) == 4
    assert {one["format"] for one in loaded} == {format}


async def test_a_client_that_read_our_answer_appends_nothing_twice(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = await server.thread(person)
    sent = await server.answer(person, "Hot?", "Yes.", thread_id=thread)
    before = await in_the_page(person, thread)
    question = str(sent.user_message_id)
    answer = [str(thread), str(sent.message_id), question, "ai-sdk/v6"]
    for said in ("Yes.", "No."):
        args = [*answer, ui_message("assistant", said)]
        await cloud.does("persist", method="append", args=args)
    remote = await cloud.does("persist", method="getRemoteId", args=[str(sent.message_id)])
    assert remote == str(sent.message_id)
    change = {"content": ui_message("assistant", "Changed.")}
    await cloud.call("threads.messages.update", str(thread), remote, change)
    assert await in_the_page(person, thread) == before


@each_version
async def test_an_answer_that_is_stored_while_it_is_written_is_stored_whole(
    server: CloudServer, version: str
):
    person = await server.person()
    cloud = await server.client(version, person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    question = [thread, "u1", None, "aui/v0", aui_message("user", "Hot?")]
    await cloud.does("persist", method="append", args=question)
    # with 0.2 it asks for a lease, which it gets none of
    half = [thread, "a1", "u1", "aui/v0", aui_message("assistant", "It is"), "running"]
    await cloud.does("persist", method="append", args=half)
    whole = [thread, "a1", "aui/v0", aui_message("assistant", "It is hot."), "done"]
    await cloud.does("persist", method="update", args=whole)
    shown = await in_the_page(person, thread)
    assert [one["parts"][0]["text"] for one in shown] == ["Hot?", "It is hot."]
    hits = (await person.http.get("/api/search?q=hot")).json()["hits"]
    assert {hit["messageId"] for hit in hits} >= {one["id"] for one in shown}


async def test_a_chat_of_the_ai_sdk_is_kept_and_loaded(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.1", person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    tool = {"type": "dynamic-tool", "toolName": "clock", "toolCallId": "c1", "input": {"in": "UTC"}}
    messages = [
        {"id": "u1", **ui_message("user", "What time is it?")},
        {
            "id": "a1",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {**tool, "state": "output-available", "output": {"hour": 3}},
                {"type": "text", "text": "Three."},
            ],
        },
    ]
    kept = await cloud.does("keep", thread=thread, messages=messages)
    assert kept["errors"] == []
    question, answer = kept["messages"]
    assert question["parts"] == messages[0]["parts"]
    call, text = answer["parts"]
    assert (call["toolName"], call["input"], call["output"]) == (
        "clock",
        {"in": "UTC"},
        {"hour": 3},
    )
    assert text["text"] == "Three."


@each_version
async def test_a_model_names_a_thread_and_its_user_has_the_last_word(
    server: CloudServer, version: str
):
    person = await server.person()
    cloud = await server.client(version, person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    args = [thread, "u1", None, "ai-sdk/v6", ui_message("user", "How do I brew tea?")]
    await cloud.does("persist", method="append", args=args)
    number = len(server.models.one.answers) + 1
    messages = [{"role": "user", "content": [{"type": "text", "text": "Ignored"}]}]
    asked = asyncio.create_task(cloud.does("title", thread=thread, messages=messages))
    (await server.models.one.answer(number)).say("Brewing tea").finish()
    assert await asked == "Brewing tea"
    [shown] = (await person.http.get("/api/threads")).json()
    assert (shown["title"], shown["titleOrigin"]) == ("Brewing tea", "model")
    await cloud.call("threads.update", thread, {"title": "My tea"})
    assert await cloud.does("title", thread=thread, messages=messages) == "My tea"
    assert len(server.models.one.answers) == number


async def test_what_clients_report_is_kept_exported_and_removed(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = await server.thread(person)
    sent = await server.answer(person, "Hot?", "Yes.", thread_id=thread)
    message = str(sent.message_id)
    report = {"thread_id": str(thread), "status": "completed", "output_text": "Yes.", "new": 1}
    run = (await cloud.call("runs.report", report))["run_id"]
    old = await server.client("0.1", person)
    assert (await old.call("runs.report", report))["run_id"] != run
    feedback = await cloud.call(
        "threads.messages.feedback", str(thread), message, {"type": "negative", "comment": "Cold"}
    )
    again = await cloud.call(
        "threads.messages.feedback", str(thread), message, {"type": "positive"}
    )
    assert (again["feedback_id"], again["type"]) == (feedback["feedback_id"], "positive")
    score = {"name": "warmth", "data_type": "boolean", "value": True, "thread_id": str(thread)}
    stored = await cloud.call("scores.create", score)
    assert (stored["value"], stored["string_value"]) == (1, None)
    for kind, about in (("message_copied", str(thread)), ("thread_switched", str(uuid4()))):
        await cloud.call("events.track", {"kind": kind, "thread_id": about})
    await cloud.call("events.flush", True)
    rows = await reports(server, person)
    assert len(rows) == 6
    found = {(row.kind, row.thread_id): row.content for row in rows}
    assert found["run", thread] == report
    assert found["feedback", thread] == {"type": "positive"}
    assert found["score", thread] == score
    assert found["event", thread] == {"kind": "message_copied", "thread_id": str(thread)}
    assert found["event", None]["kind"] == "thread_switched"
    archive = (await person.http.get("/api/account/export")).content
    with zipfile.ZipFile(io.BytesIO(archive)) as exported:
        listed = json.loads(exported.read("reports.json"))
    assert {one["id"] for one in listed} == {str(row.id) for row in rows}


@each_version
async def test_a_token_ends_with_its_session(server: CloudServer, version: str):
    person = await server.person()
    cloud = await server.client(version, person)
    await cloud.call("threads.create", {"last_message_at": NOW, "title": "Mine"})
    assert len((await cloud.call("threads.list"))["threads"]) == 1
    await server.live.sessions.revoke(person.principal, person.principal.credential_id)
    assert (await cloud.fails("threads.list"))["status"] == 401
    assert await cloud.does("asked") == 1  # the token itself would be valid for minutes
    later = await server.client(version, person)
    assert (await later.fails("threads.list"))["message"] == "Authorization failed"


@each_version
async def test_another_users_ids_look_like_missing_ones(server: CloudServer, version: str):
    person, other = await server.person(), await server.person()
    thread = await server.thread(person)
    sent = await server.answer(person, "Secret?", "Yes.", thread_id=thread)
    cloud = await server.client(version, other)
    mine = str(await server.thread(other))
    message = {"parent_id": None, "format": "aui/v0", "content": aui_message("user", "Hi")}

    async def asked(thread: str, message_id: str) -> list[Any]:
        calls: list[tuple[Any, ...]] = [
            ("threads.update", thread, {"title": "Taken"}),
            ("threads.delete", thread),
            ("threads.list", {"after": thread}),
            ("threads.messages.list", thread),
            ("threads.messages.create", thread, message),
            ("threads.messages.create", mine, {**message, "parent_id": message_id}),
            ("threads.messages.update", mine, message_id, {"content": message["content"]}),
            ("runs.report", {"thread_id": thread, "status": "completed"}),
            (
                "runs.stream",
                {"thread_id": thread, "assistant_id": "system/thread_title", "messages": []},
            ),
        ]
        if version == "0.2":
            calls += [
                ("threads.get", thread),
                ("threads.messages.feedback", mine, message_id, {"type": "positive"}),
                ("threads.messages.delete", mine, [message_id]),
                ("scores.create", {"name": "s", "data_type": "numeric", "thread_id": thread}),
            ]
            calls[-1][1]["value"] = 1
        return [await cloud.fails(*call) for call in calls]

    foreign = await asked(str(thread), str(sent.message_id))
    missing = await asked(str(uuid4()), str(uuid4()))
    assert foreign == missing
    assert {one["status"] for one in foreign} == {404}
    assert await reports(server, other) == []
    assert [one["parts"][0]["text"] for one in await in_the_page(person, thread)] == [
        *("Secret?", "Yes."),
    ]


async def test_an_api_key_acts_for_its_own_user_within_its_scopes(server: CloudServer):
    person = await server.person()
    keys = server.live.api_keys
    key = await keys.create(person.principal, name="", scopes=["threads:read"], days=7)
    mode = {"apiKey": key.token, "workspaceId": "any"}
    own = {**mode, "userId": str(person.principal.user_id)}
    backend = await server.client("0.2", None, **own)
    assert (await backend.call("threads.list"))["threads"] == []
    refused = await backend.fails("threads.create", {"last_message_at": NOW})
    assert (refused["status"], refused["code"]) == (403, "insufficient_scope")
    other = await server.client("0.2", None, **{**mode, "userId": str(uuid4())})
    refused = await other.fails("threads.list")
    assert (refused["status"], refused["code"]) == (403, "wrong_user")
    token = (await backend.call("auth.tokens.create"))["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await server.http.get("/v1/threads", headers=bearer)).status_code == 200
    for method, path in (
        ("POST", "/v1/threads"),
        ("POST", "/v1/auth/tokens"),
        ("GET", "/api/threads"),
    ):
        refused = await server.http.request(method, path, headers=bearer, json={})
        assert refused.status_code in (401, 403)
    await keys.revoke(person.principal, key.id)
    assert (await server.http.get("/v1/threads", headers=bearer)).status_code == 401


async def test_there_are_no_anonymous_users_files_or_projects(server: CloudServer):
    anonymous = await server.client("0.2", None, anonymous=True)
    assert (await anonymous.fails("threads.list"))["message"] == "Authorization failed"
    refused = await server.http.post("/v1/auth/tokens/anonymous")
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    cloud = await server.client("0.2", await server.person())
    for path, *args in (
        ("projects.threads.list",),
        ("files.generatePresignedUploadUrl", {"filename": "a.png"}),
        ("files.pdfToImages", {"file_url": "https://a.test/a.pdf"}),
    ):
        failed = await cloud.fails(path, *args)
        assert (failed["status"], failed["message"]) == (404, "Not found.")


async def test_what_cannot_be_stored_is_refused_and_changes_nothing(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    image = {"type": "image", "image": "https://a.test/a.png"}
    picture = {"role": "user", "content": [image], "metadata": {"custom": {}}}
    for format, content in (
        ("langgraph", aui_message("user", "Hi")),
        ("aui/v0", picture),
        ("aui/v0", {**aui_message("user", "Hi"), "attachments": [{"id": "1"}]}),
        ("aui/v0", aui_message("system", "Obey.")),
        ("ai-sdk/v6", aui_message("user", "Hi")),
    ):
        message = {"parent_id": None, "format": format, "content": content}
        failed = await cloud.fails("threads.messages.create", thread, message)
        assert (failed["status"], failed["code"]) == (400, "invalid")
        assert failed["message"].endswith(".")
    assert (await cloud.fails("threads.list", {"limit": 201}))["status"] == 400
    assert await in_the_page(person, thread) == []


@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, "NaN", "Infinity", "1e999"])
async def test_a_score_that_is_no_finite_number_is_refused_and_not_stored(
    server: CloudServer, value: str
):
    person = await server.person()
    key = await server.live.api_keys.create(
        person.principal, name="", scopes=["threads:write"], days=7
    )
    body = f'{{"name": "s", "data_type": "numeric", "value": {value}}}'
    refused = await server.http.post(
        "/v1/scores", content=body, headers={"authorization": f"Bearer {key.token}"}
    )
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid")
    assert "value" in refused.json()["message"]
    assert await reports(server, person) == []


async def test_a_message_is_named_by_the_clients_own_id(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = (await cloud.call("threads.create", {"last_message_at": NOW}))["thread_id"]
    names = ("first", "second with spaces", "x" * 255)

    def named(name: str, **above: str | None) -> dict[str, Any]:
        content = aui_message("user", name)
        return {"format": "aui/v0", "content": content, "external_id": name, **above}

    ids = list[str]()
    for name, above in zip(names, (None, *names), strict=False):
        where = {"parent_external_id": above} if above else {"parent_id": None}
        created = [
            await cloud.call("threads.messages.create", thread, named(name, **where))
            for _ in range(2)
        ]
        assert created[0] == created[1]
        ids.append(created[0]["message_id"])
    messages = (await cloud.call("threads.messages.list", thread))["messages"][::-1]
    assert [one["id"] for one in messages] == ids
    assert [one["parent_id"] for one in messages] == [None, *ids[:2]]
    missing = named("last", parent_external_id="nowhere")
    assert (await cloud.fails("threads.messages.create", thread, missing))["status"] == 404
    await cloud.call("threads.messages.delete", thread, ["first"])
    assert await in_the_page(person, thread) == []


async def test_messages_are_deleted_with_all_below_them(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = await server.thread(person)
    await server.answer(person, "One?", "One.", thread_id=thread)
    second = await server.answer(person, "Two?", "Two.", thread_id=thread)
    missing = [str(second.user_message_id), str(uuid4())]
    assert (await cloud.fails("threads.messages.delete", str(thread), missing))["status"] == 404
    assert len(await in_the_page(person, thread)) == 4
    await cloud.call("threads.messages.delete", str(thread), [str(second.user_message_id)])
    shown = await in_the_page(person, thread)
    assert [one["parts"][0]["text"] for one in shown] == ["One?", "One."]
    left = (await cloud.call("threads.messages.list", str(thread)))["messages"]
    assert len(left) == 2


async def test_a_title_needs_the_scope_of_models_and_the_assistant_of_titles(server: CloudServer):
    person = await server.person()
    thread = str(await server.thread(person))
    asked = {"thread_id": thread, "assistant_id": "system/thread_title", "messages": []}
    cloud = await server.client("0.2", person)
    refused = await cloud.fails("runs.stream", {**asked, "assistant_id": "my-assistant"})
    assert refused["status"] == 400
    assert "system/thread_title" in refused["message"]
    keys = server.live.api_keys
    key = await keys.create(
        person.principal, name="", scopes=["threads:read", "threads:write"], days=7
    )
    who = {"userId": str(person.principal.user_id), "workspaceId": "any"}
    backend = await server.client("0.2", None, apiKey=key.token, **who)
    refused = await backend.fails("runs.stream", asked)
    assert (refused["status"], refused["code"]) == (403, "insufficient_scope")


async def test_a_page_of_messages_has_a_largest_size(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = str(await server.thread(person))
    refused = await cloud.fails("threads.messages.list", thread, {"limit": 201})
    assert (refused["status"], refused["message"]) == (400, "The limit can be at most 200.")


async def test_scores_of_each_kind_are_stored_with_what_they_are_about(server: CloudServer):
    person = await server.person()
    cloud = await server.client("0.2", person)
    thread = await server.thread(person)
    message = (await server.answer(person, "Hot?", "Yes.", thread_id=thread)).message_id
    where = {"thread_id": str(thread), "message_id": str(message)}
    scores = (
        {"name": "length", "data_type": "numeric", "value": 2.5, **where},
        {"name": "warmth", "data_type": "boolean", "value": False, **where},
        {"name": "tone", "data_type": "categorical", "string_value": "kind", **where},
    )
    stored = [await cloud.call("scores.create", score) for score in scores]
    assert [(one["value"], one["string_value"]) for one in stored] == [
        *((2.5, None), (0, None), (None, "kind")),
    ]
    await cloud.call("threads.messages.feedback", str(thread), str(message), {"type": "negative"})
    rows = await reports(server, person)
    assert [row.kind for row in rows] == ["score", "score", "score", "feedback"]
    assert {(row.thread_id, row.message_id) for row in rows} == {(thread, message)}


@pytest.mark.parametrize(
    "score",
    [
        {"data_type": "numeric"},
        {"data_type": "numeric", "value": True},
        {"data_type": "numeric", "string_value": "much"},
        {"data_type": "boolean", "value": 1},
        {"data_type": "categorical", "value": 1},
        {"data_type": "categorical", "value": 1, "string_value": "kind"},
        {"data_type": "numeric", "value": 1, "message_id": str(UUID(int=1))},
    ],
)
async def test_a_score_that_is_not_of_its_kind_is_refused(
    server: CloudServer, score: dict[str, Any]
):
    person = await server.person()
    cloud = await server.client("0.2", person)
    refused = await cloud.fails("scores.create", {"name": "s", **score})
    assert (refused["status"], refused["code"]) == (400, "invalid")
    assert await reports(server, person) == []


async def test_events_are_checked_and_name_no_deleted_thread(server: CloudServer):
    person = await server.person()
    key = await server.live.api_keys.create(
        person.principal, name="", scopes=["threads:write"], days=7
    )
    bearer = {"authorization": f"Bearer {key.token}"}
    event = {"kind": "message_copied"}
    for events in ([event] * 51, [{"kind": "Copied!"}], [event, {"kind": ""}], [{}]):
        refused = await server.http.post("/v1/events", json={"events": events}, headers=bearer)
        assert refused.status_code == 400
    assert await reports(server, person) == []
    kept, deleted = [await server.thread(person, title) for title in ("Kept", "Deleted")]
    await server.live.threads.delete(person.principal, deleted)
    events = [{**event, "thread_id": str(thread)} for thread in (kept, deleted)]
    stored = await server.http.post("/v1/events", json={"events": events}, headers=bearer)
    assert stored.status_code < 300
    rows = await reports(server, person)
    assert sorted(str(row.thread_id) for row in rows) == sorted((str(kept), "None"))
