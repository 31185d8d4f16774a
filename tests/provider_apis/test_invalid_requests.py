"""Requests that no client of the APIs makes: each is refused with a sentence, none is a bug."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import Message

from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from chat_app.services import services
from testing.provider_apis import ProviderServer
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
INFINITE = {"type": "function", "name": "f", "function": {"name": "f"}, "more": float("nan")}


def with_image(path: str, url: str) -> dict[str, Any]:
    """A request with the address of an image."""
    if path == "/v1/responses":
        part = {"type": "input_image", "image_url": url}
        return {"input": [{"role": "user", "content": [part]}]}
    part = {"type": "image_url", "image_url": {"url": url}}
    if path == "/v1/messages":
        part = {"type": "image", "source": {"type": "url", "url": url}}
    return {"messages": [{"role": "user", "content": [part]}]}


def with_choice(path: str, choice: Any) -> dict[str, Any]:
    """A request with a tool, and a choice of it."""
    if path == "/v1/responses":
        tool = {"type": "function", "name": "f"}
        return {"input": "hi", "tools": [tool], "tool_choice": choice}
    function = {"type": "function", "function": {"name": "f"}}
    tool = {"name": "f", "input_schema": {}} if path == "/v1/messages" else function
    more = {"tools": [tool], "tool_choice": choice}
    return {"messages": [{"role": "user", "content": "hi"}], **more}


async def post(server: ProviderServer, path: str, body: dict[str, Any]) -> httpx.Response:
    key = await server.key("chat")
    whole = {"model": "fake:1x0", **({"max_tokens": 9} if path == "/v1/messages" else {}), **body}
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        return await client.post(
            path, content=json.dumps(whole), headers={"authorization": f"Bearer {key.token}"}
        )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "url", ["https://[", "https://a\u2100b/cat.png", "https://", "https:///cat.png", "https://a:x"]
)
async def test_an_address_that_is_none_is_refused(
    server: ProviderServer, path: str, url: str
) -> None:
    refused = await post(server, path, with_image(path, url))
    assert refused.status_code == 400
    assert "https: URL of an image" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("data", ["", "AAA", "AA=A", "A-_A", "AAA AAAA", "AAAA\n", "====", "é"])
async def test_an_image_that_is_no_base64_is_refused_and_not_left_out(
    server: ProviderServer, path: str, data: str
) -> None:
    refused = await post(server, path, with_image(path, f"data:image/png;base64,{data}"))
    assert refused.status_code == 400
    assert "in Base64" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", [[], {}, None, 7, ["f"]], ids=str)
async def test_a_choice_of_something_that_is_no_tool_is_refused(
    server: ProviderServer, path: str, name: Any
) -> None:
    choice = {"type": "tool" if path == "/v1/messages" else "function", "name": name}
    refused = await post(server, path, with_choice(path, {**choice, "function": {"name": name}}))
    assert refused.status_code == 400
    assert "tool_choice" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_a_choice_of_a_tool_that_is_no_function_is_refused(
    server: ProviderServer, path: str
) -> None:
    choice = {"type": "web_search", "name": "f", "function": {"name": "f"}}
    refused = await post(server, path, with_choice(path, choice))
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "tool_choice"


@pytest.mark.parametrize("streams", [False, True])
async def test_a_number_that_is_none_is_not_repeated(server: ProviderServer, streams: bool) -> None:
    asked = {**with_choice("/v1/responses", INFINITE), "stream": streams}
    response = await post(server, "/v1/responses", asked)
    assert response.status_code == 200
    assert "NaN" not in response.text
    assert '"more":null' in response.text


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_that_fails_before_its_first_token_leaves_nothing_behind(
    server: ProviderServer, path: str
) -> None:
    key = await server.key("chat")
    asked = {**with_image(path, ""), "model": "fake:429", "max_tokens": 9, "stream": True}
    if path == "/v1/responses":
        asked = {"model": "fake:429", "input": "hi", "stream": True}
    else:
        asked["messages"] = [{"role": "user", "content": "hi"}]
    body = json.dumps(asked).encode()
    received: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []
    reads, ended = 0, asyncio.Event()

    async def receive() -> Message:
        nonlocal reads
        if received:
            return received.pop()
        reads += 1
        try:
            await asyncio.Event().wait()  # the client stays
        finally:
            reads -= 1
            if not reads:
                ended.set()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {
        "host": server.url.removeprefix("http://"),
        "authorization": f"Bearer {key.token}",
        "content-type": "application/json",
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    await Gateway(http_app(), services=services)(scope, receive, send)
    assert sent[0]["status"] == 429
    async with asyncio.timeout(PATIENCE):
        await ended.wait()
