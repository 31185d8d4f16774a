"""Requests that no client of the APIs makes: each is refused with a sentence, none is a bug."""

import json
from typing import Any

import httpx
import pytest

from testing.provider_apis import ProviderServer

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
    async with httpx.AsyncClient(base_url=server.url) as client:
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


@pytest.mark.parametrize("streams", [False, True])
async def test_a_number_that_is_none_is_not_repeated(server: ProviderServer, streams: bool) -> None:
    asked = {**with_choice("/v1/responses", INFINITE), "stream": streams}
    response = await post(server, "/v1/responses", asked)
    assert response.status_code == 200
    assert "NaN" not in response.text
    assert '"more":null' in response.text
