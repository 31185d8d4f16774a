"""Random answers and random calls: each becomes messages that the protocol's own types accept."""

import json
from collections.abc import AsyncGenerator
from random import Random
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from mcp_types import CallToolResult, jsonrpc, methods

from chat_app.api.mcp_protocol import McpRequest, tool_messages
from chat_app.api.mcp_tools import Answer, answer_steps
from chat_app.api.wires.mcp import encoded
from chat_app.auth.principal import Principal
from chat_app.core.events import TextDelta, fold
from chat_app.core.parts import text_of
from chat_app.runs.follow import EndEvent, PartEvent
from testing.event_sequences import TEXTS, VALUES, ending, events, shown
from testing.mcp_clients import MODERN, modern, new_thread, open_http
from testing.provider_apis import ProviderServer
from testing.route_cases import tool_call

pytestmark = pytest.mark.asyncio(loop_scope="package")

SEQUENCES = 1_000
CALLS = 200
ANSWER = Answer.model_json_schema(mode="serialization")


async def followed(read: list[PartEvent], end: EndEvent) -> AsyncGenerator[PartEvent | EndEvent]:
    for event in read:
        yield event
    yield end


def messages_in(body: bytes) -> list[Any]:
    """The messages of a stream, as the protocol's types read them."""
    lines = body.decode().split("\n\n")[:-1]
    assert all(line.startswith("data: ") for line in lines)
    return [
        jsonrpc.jsonrpc_message_adapter.validate_json(line.removeprefix("data: "), by_name=False)
        for line in lines
    ]


async def test_random_event_sequences_become_valid_messages(server: ProviderServer) -> None:
    principal = Principal(uuid4(), uuid4())
    statuses = set[str]()
    for seed in range(SEQUENCES):
        random = Random(seed)
        log = events(random)
        read, end = shown(random, log), ending(random)
        version = random.choice(["2025-06-18", MODERN])
        token = random.choice(["t", 7])
        params = {"name": "ask", "_meta": {"progressToken": token}}
        request = McpRequest(seed, "tools/call", params, {"mcp-protocol-version": [version]})
        steps = answer_steps(principal, UUID(int=seed), uuid4(), followed(read, end))
        body = b"".join([encoded(each) async for each in tool_messages(request, steps) if each])
        *progress, last = messages_in(body)
        assert isinstance(last, jsonrpc.JSONRPCResponse)
        assert last.id == seed
        methods.validate_server_result("tools/call", version, last.result)
        for message in progress:
            assert isinstance(message, jsonrpc.JSONRPCNotification)
            assert message.params is not None
            methods.parse_server_notification(message.method, version, message.params)
            assert message.params["progressToken"] == token
        counts = [message.params["progress"] for message in progress]
        assert counts == sorted(set(counts))
        result = CallToolResult.model_validate(last.result)
        jsonschema.validate(result.structured_content, ANSWER)
        statuses.add(result.structured_content["status"])
        assert result.is_error == (end.status in ("failed", "interrupted"))
        assert result.structured_content["answer"] == text_of(fold(log).parts)
        texts = "".join(message.params.get("message", "") for message in progress)
        assert texts == "".join(one.text for one in log if isinstance(one, TextDelta))
    assert statuses == {"complete", "stopped", "failed", "interrupted"}


async def test_random_calls_are_answered_and_none_is_a_bug(server: ProviderServer) -> None:
    key = await server.key("mcp")
    thread_id = str(await new_thread(server, key, "hi"))
    ids = [thread_id, str(uuid4()), *TEXTS]
    values: list[Any] = [*ids, *VALUES, 1, 5, 50, 51, "a" * 300]
    names = ("query", "cursor", "limit", "thread_id", "question", "model", "other")
    schemas = dict[str, Any]()
    async with open_http(server, key.token) as http:
        listed = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        for tool in listed.json()["result"]["tools"]:
            schemas[tool["name"]] = tool["outputSchema"]
            jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
            jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
        errors, results = 0, dict.fromkeys(schemas, 0)
        for seed in range(CALLS):
            random = Random(seed)
            name = random.choice([*schemas])
            right: dict[str, Any] = {
                "search_threads": {"query": random.choice(["hi", "answer", *TEXTS])},
                "read_thread": {"thread_id": random.choice(ids[:2])},
                "ask": {"question": random.choice(["hi", *TEXTS]), "model": "fake:9x0"},
            }[name]
            for _ in range(random.choice([0, 0, 1, 2])):
                right[random.choice(names)] = random.choice(values)
            headers, body = {}, tool_call(name, **right)
            if random.random() < 0.5:
                headers, body = modern(body)
            response = await http.post(
                "/mcp",
                content=json.dumps(body, ensure_ascii=random.random() < 0.5),
                headers=headers,
            )
            assert response.status_code == 200, (seed, response.text)
            result = response.json()["result"]
            if result["isError"]:
                errors += 1
                assert result["content"][0]["text"].endswith("."), result
            else:
                results[name] += 1
                jsonschema.validate(result["structuredContent"], schemas[name])
    assert errors > 10
    assert min(results.values()) > 10
