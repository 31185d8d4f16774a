"""Each way to ask a model counts one call, with the tokens that its provider reports."""

from typing import Any

import httpx
import pytest

from chat_app.core.clock import utc_now
from chat_app.usage.queries import Period, own_usage
from testing.provider_apis import Key, ProviderServer
from testing.route_cases import agent_input, question
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

TEXT = "What is the weather like in Rome?"
MODEL = "fake:4x0"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": TEXT}]}
RESPONSE = {"model": MODEL, "input": TEXT}
MESSAGE = {**CHAT, "max_tokens": 50}

WIRES: dict[str, tuple[str, Any, str]] = {
    "chat completions": ("/v1/chat/completions", CHAT, "api"),
    "chat completions, streamed": ("/v1/chat/completions", {**CHAT, "stream": True}, "api"),
    "chat completions, stored": ("/v1/chat/completions", {**CHAT, "store": True}, "answer"),
    "responses": ("/v1/responses", RESPONSE, "api"),
    "responses, streamed": ("/v1/responses", {**RESPONSE, "stream": True}, "api"),
    "messages": ("/v1/messages", MESSAGE, "api"),
    "messages, streamed": ("/v1/messages", {**MESSAGE, "stream": True}, "api"),
    "AI SDK": ("/api/chat", {"messages": [question(TEXT)], "model": MODEL}, "answer"),
    "AG-UI": ("/api/ag-ui", agent_input("mine-1", TEXT), "answer"),
}


async def used(server: ProviderServer, key: Key) -> dict[str, tuple[int, int, int, bool, bool]]:
    """By purpose: calls, those that failed, those without tokens, and whether there are tokens."""
    await server.live.runs.usage_settled()
    found = await own_usage(server.live.db, key.owner, Period.last(2, utc_now()))
    return {
        row.key: (
            *(row.sums.calls, row.sums.failed_calls, row.sums.unreported_calls),
            *(row.sums.input_tokens > 0, row.sums.output_tokens > 0),
        )
        for row in found.by["purpose"]
    }


async def post(server: ProviderServer, key: Key, path: str, body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("wire", WIRES)
async def test_each_wire_counts_a_call_once(server: ProviderServer, wire: str) -> None:
    path, body, purpose = WIRES[wire]
    key = await server.key("chat", "threads:write", "threads:read")
    assert (await post(server, key, path, body)).status_code == 200
    assert await used(server, key) == {purpose: (1, 0, 0, True, True)}
    headers = {"Authorization": f"Bearer {key.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE) as client:
        total = (await client.get("/api/usage")).json()["total"]
    assert total["calls"] == 1


async def test_a_call_that_fails_is_counted_for_its_model_and_for_the_alternative(
    server: ProviderServer,
) -> None:
    key = await server.key("chat")
    body = {**CHAT, "model": "fake:429:8x0"}
    assert (await post(server, key, "/v1/chat/completions", body)).status_code == 200
    assert await used(server, key) == {"api": (2, 1, 1, True, True)}
