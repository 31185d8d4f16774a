"""`/api/usage`, and what each API of models counts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_app.core.events import Usage
from testing.chat_api import ChatApi, chat_api_harness, user_message
from testing.database import DatabaseUnderTest

NOTHING = {
    "calls": 0,
    "failedCalls": 0,
    "unreportedCalls": 0,
    "inputTokens": 0,
    "outputTokens": 0,
    "cachedInputTokens": 0,
    "reasoningTokens": 0,
}


@pytest.fixture
async def chat_api(database: DatabaseUnderTest) -> AsyncIterator[ChatApi]:
    async with chat_api_harness(database) as one:
        yield one


async def usage(chat_api: ChatApi, who: str, query: str = "") -> dict[str, Any]:
    await chat_api.harness.runs.usage_settled()
    response = await chat_api.call(who, "GET", f"/api/usage{query}")
    assert response.status_code == 200
    return response.json()


async def test_a_user_reads_their_own_usage(chat_api: ChatApi) -> None:
    asked = chat_api.open("alice", "POST", "/api/chat", {"messages": [user_message("Hi")]})
    answer = await chat_api.harness.models.one.answer()
    answer.say("Hello").send(Usage(7, 3, 1, 2)).finish()
    await asked.done()
    counts = {
        "calls": 1,
        "failedCalls": 0,
        "unreportedCalls": 0,
        "inputTokens": 7,
        "outputTokens": 3,
        "cachedInputTokens": 2,
        "reasoningTokens": 1,
    }
    found = await usage(chat_api, "alice")
    assert found == {
        "since": "2025-12-03",
        "until": "2026-01-01",
        "total": counts,
        "days": [{**counts, "day": "2026-01-01"}],
        "models": [{**counts, "model": "one"}],
        "purposes": [{**counts, "purpose": "answer"}],
    }
    assert (await usage(chat_api, "alice", "?days=1"))["since"] == "2026-01-01"
    other = await usage(chat_api, "bob")
    assert (other["total"], other["days"], other["models"]) == (NOTHING, [], [])


@pytest.mark.parametrize("days", ["0", "367", "x", "-1"])
async def test_a_period_that_is_none_is_refused(chat_api: ChatApi, days: str) -> None:
    response = await chat_api.call("alice", "GET", f"/api/usage?days={days}")
    assert response.status_code == 422
