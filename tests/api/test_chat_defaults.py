"""`/api/account/chat-defaults`, and the options of a thread over `/api/threads/{id}`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

EFFORTS = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'"
DEFAULTS = "/api/account/chat-defaults"
UNSET = {"instructions": "", "temperature": None, "effort": None}


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    caps = {"chat_max_temperature": 1.5, "chat_max_effort": "high", "chat_instructions_chars": 50}
    async with chat_api_harness(database, **caps) as one:
        yield one


async def of_thread(chat_api: ChatApi, thread_id: str) -> dict[str, Any]:
    """The model and the options of a thread."""
    thread = (await chat_api.call("alice", "GET", f"/api/threads/{thread_id}")).json()
    return {name: thread[name] for name in ("model", *UNSET)}


async def test_a_new_chat_begins_with_its_users_defaults(chat_api: ChatApi) -> None:
    got = await chat_api.call("alice", "GET", DEFAULTS)
    assert got.json() == {"model": None, **UNSET}
    chosen = {"model": "two", "instructions": " Be brief.\n", "temperature": 0.2, "effort": "low"}
    changed = await chat_api.call("alice", "PATCH", DEFAULTS, json=chosen)
    assert (changed.status_code, changed.content) == (204, b"")
    kept = chosen | {"instructions": "Be brief."}
    assert (await chat_api.call("alice", "GET", DEFAULTS)).json() == kept
    assert (await chat_api.call("bob", "GET", DEFAULTS)).json() == {"model": None, **UNSET}

    empty = (await chat_api.call("alice", "POST", "/api/threads", json={})).json()
    assert {name: empty[name] for name in UNSET} == {name: kept[name] for name in UNSET}
    asked = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("Hi")]})
    answer = await chat_api.harness.models.one.answer()
    answer.say("Hello").finish()
    await asked.done()
    assert answer.prompt[0].text.endswith("\n\nBe brief.")
    assert answer.options.temperature == 0.2
    # what is chosen later changes no chat that is there
    await chat_api.call("alice", "PATCH", DEFAULTS, json={"temperature": 1})
    thread_id = asked.headers["x-thread-id"]
    assert await of_thread(chat_api, thread_id) == {**kept, "model": "one"}


async def test_a_form_sends_texts_and_its_empty_fields_leave_options_to_the_model(
    chat_api: ChatApi,
) -> None:
    form = {"instructions": "Be kind.", "temperature": "0.5", "effort": "high"}
    assert (await chat_api.call("alice", "PATCH", DEFAULTS, json=form)).status_code == 204
    stored = (await chat_api.call("alice", "GET", DEFAULTS)).json()
    assert stored == {"model": None, **form, "temperature": 0.5}
    form = {"instructions": "", "temperature": "", "effort": ""}
    assert (await chat_api.call("alice", "PATCH", DEFAULTS, json=form)).status_code == 204
    assert (await chat_api.call("alice", "GET", DEFAULTS)).json() == {"model": None, **UNSET}


async def test_the_options_of_a_thread_are_changed_one_by_one(chat_api: ChatApi) -> None:
    thread = (await chat_api.call("alice", "POST", "/api/threads", json={"title": "Mine"})).json()
    path = f"/api/threads/{thread['id']}"
    for change in ({"model": "two", "effort": "low"}, {"temperature": 1.5}, {"effort": None}):
        assert (await chat_api.call("alice", "PATCH", path, json=change)).status_code == 204
    assert await of_thread(chat_api, thread["id"]) == {
        "model": "two",
        "instructions": "",
        "temperature": 1.5,
        "effort": None,
    }
    listed = (await chat_api.call("alice", "GET", "/api/threads?limit=5")).json()["threads"]
    assert (listed[0]["title"], listed[0]["model"]) == ("Mine", "two")
    assert UNSET.keys().isdisjoint(listed[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 1.6}, "The temperature can be 0 to 1.5."),
        ({"temperature": "nan"}, "The temperature can be 0 to 1.5."),
        ({"temperature": "warm"}, "temperature is not valid here."),
        ({"effort": "max"}, "The thinking effort can be at most High."),
        ({"effort": "enormous"}, f"effort must be {EFFORTS}."),
        ({"instructions": "x" * 51}, "Instructions can have at most 50 characters."),
        ({"model": "three"}, "There is no model three. Choose another one."),
        ({"model": None}, "model is not valid here."),
        ({"top_p": 1}, "top_p is not known here."),
    ],
)
async def test_what_cannot_be_chosen_is_refused_and_changes_nothing(
    chat_api: ChatApi, change: dict[str, Any], said: str
) -> None:
    thread = (await chat_api.call("alice", "POST", "/api/threads", json={"title": "Mine"})).json()
    path = f"/api/threads/{thread['id']}"
    for route, body in ((DEFAULTS, change), (path, {"title": "Not kept", **change})):
        got = await chat_api.call("alice", "PATCH", route, json=body)
        assert (got.status_code, got.json()["message"]) == (422, said)
    assert (await chat_api.call("alice", "GET", path)).json() == thread
    assert (await chat_api.call("alice", "GET", DEFAULTS)).json() == {"model": None, **UNSET}
