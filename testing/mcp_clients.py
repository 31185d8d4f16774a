"""Clients of the Model Context Protocol: its own Python client, and plain requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from testing.provider_apis import Key, ProviderServer
from testing.route_cases import tool_call
from testing.run_services import PATIENCE

Mode = Literal["legacy", "auto"]
MODES: tuple[Mode, ...] = ("legacy", "auto")
"""How a client begins: with a handshake, as before version 2026-07-28, or without one."""
MODERN = "2026-07-28"


class Seen:
    """What a client is told of the progress of a call."""

    def __init__(self) -> None:
        self.counts: list[float] = []
        self.text = ""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        self.counts.append(progress)
        self.text += message or ""


async def structured(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured result of a tool, which has not failed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


@asynccontextmanager
async def open_client(url: str, token: str, mode: Mode = "auto") -> AsyncIterator[Client]:
    """A client with a key, connected.

    Args:
        url: The origin of the server.
        token: The key.
        mode: How it begins.
    """
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@asynccontextmanager
async def open_http(server: ProviderServer, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A plain client with a key, if one is given."""
    headers = {"x-api-key": token} if token else {}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE) as http:
        yield http


def request(method: str, id_: Any = 1, **params: Any) -> dict[str, Any]:
    """A request of JSON-RPC."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def modern(body: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body of a request of the version without a handshake."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {**body["params"], "_meta": meta}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": body["method"]}
    if body["method"] == "tools/call":
        headers["mcp-name"] = body["params"]["name"]
    return headers, {**body, "params": params}


async def called(http: httpx.AsyncClient, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a tool, as JSON."""
    response = await http.post("/mcp", json=tool_call(tool, **arguments))
    assert response.status_code == 200, response.text
    return response.json()["result"]


async def texts_of(server: ProviderServer, key: Key, thread_id: str) -> list[str]:
    """The messages of a thread."""
    window = await server.live.threads.window(key.owner, UUID(thread_id))
    return [message.text for message in window.messages]


async def new_thread(server: ProviderServer, key: Key, *questions: str) -> UUID:
    """A thread with these questions, and their answers."""
    thread_id: UUID | None = None
    for question in questions:
        sent = await server.live.runs.send(
            key.owner,
            text=question,
            client_id=uuid4().hex,
            thread_id=thread_id,
            model="fake:40x0",
        )
        async for _ in server.live.runs.follow(key.owner, sent.run_id):
            pass
        thread_id = sent.thread_id
    assert thread_id is not None
    return thread_id
