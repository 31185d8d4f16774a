"""`/mcp` over plain HTTP: what clients send that no library does, and the exact responses."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mcp_types import methods
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from chat_app.api.wires.mcp import mcp_error_event
from chat_app.core.errors import RateLimited
from testing.auth_services import issue_session
from testing.mcp_clients import (
    MODERN,
    called,
    modern,
    new_thread,
    open_http,
    request,
    texts_of,
)
from testing.provider_apis import ProviderServer
from testing.route_cases import tool_call

pytestmark = pytest.mark.asyncio(loop_scope="package")

LIST = request("tools/list")
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "a", "version": "1"},
}
SENTENCES = {-32601: "Method not found.", -32602: ("Invalid value for ", "Tool not found.")}
BOTH = {"accept": "application/json, text/event-stream"}


async def test_a_stream_that_breaks_off_ends_with_the_response_to_its_request() -> None:
    body = mcp_error_event(RateLimited("Slow down.", 5), id_=7).decode()
    found = json.loads(body.removeprefix("data: "))
    assert (found["id"], found["error"]["message"]) == (7, "Slow down.")
    assert found["error"]["data"] == {"code": "rate_limited"}


def error_of(response: httpx.Response) -> tuple[int, int, Any]:
    """The status, the code and the id of an error."""
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert set(body) == {"jsonrpc", "id", "error"}
    assert body["error"]["message"].endswith(".")
    return response.status_code, body["error"]["code"], body["id"]


async def test_a_handshake_agrees_on_a_version_and_keeps_no_session(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    async with open_http(server, key.token) as http:
        for asked, agreed in (
            *((version, version) for version in KNOWN_PROTOCOL_VERSIONS[:-1]),
            *((MODERN, "2025-11-25"), ("1999-01-01", "2025-11-25")),
        ):
            hello = request("initialize", "a", **{**HELLO, "protocolVersion": asked})
            response = await http.post("/mcp", json=hello, headers=BOTH)
            result = response.json()["result"]
            assert result["protocolVersion"] == agreed
            assert set(result["capabilities"]) == {"tools"}
            assert "mcp-session-id" not in response.headers
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        response = await http.post("/mcp", json=initialized)
        assert (response.status_code, response.content) == (202, b"")
        for told in ({"result": {}}, {"error": {"code": -32601, "message": "no"}}):
            response = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 7, **told})
            assert (response.status_code, response.content) == (202, b"")
        response = await http.post("/mcp", json={"id": 7, "result": {}})
        assert response.status_code == 400
        response = await http.post("/mcp", json=request("ping"), headers={"mcp-session-id": "x"})
        assert response.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("version", KNOWN_PROTOCOL_VERSIONS)
async def test_each_version_is_spoken_as_its_schema_says(
    server: ProviderServer, version: str
) -> None:
    key = await server.key("mcp")
    thread_id = str(await new_thread(server, key, "hi"))
    asked = [
        ("tools/list", LIST),
        ("tools/call", tool_call("read_thread", thread_id=thread_id)),
        ("tools/call", tool_call("read_thread", thread_id="x")),
    ]
    asked.append(("server/discover" if version == MODERN else "ping", {}))
    async with open_http(server, key.token) as http:
        for method, body in asked:
            body = body or request(method)
            headers = {"mcp-protocol-version": version}
            if version == MODERN:
                headers, body = modern(body)
            response = await http.post("/mcp", json=body, headers=headers)
            assert response.status_code == 200, response.text
            result = response.json()["result"]
            methods.validate_server_result(method, version, result)
            assert methods.serialize_server_result(method, version, result) == result


async def test_a_version_that_is_unknown_or_given_twice_is_400(server: ProviderServer) -> None:
    key = await server.key("mcp")
    async with open_http(server, key.token) as http:
        for versions in (["2025-01-01"], [""], ["2025-06-18", "2025-06-18"], ["a" * 300]):
            headers = [("mcp-protocol-version", version) for version in versions]
            response = await http.post("/mcp", json=LIST, headers=headers)
            assert error_of(response) == (400, -32022, 1)
            assert response.json()["error"]["message"] == "This MCP version is not supported."
            assert response.json()["error"]["data"]["supported"] == list(KNOWN_PROTOCOL_VERSIONS)


async def test_without_a_handshake_the_headers_say_what_the_body_does(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    headers, body = modern(tool_call("search_threads", query="a"))
    async with open_http(server, key.token) as http:
        assert (await http.post("/mcp", json=body, headers=headers)).status_code == 200
        for name, value in (
            ("mcp-method", "tools/list"),
            ("mcp-name", "ask"),
            ("mcp-method", None),
            ("mcp-name", None),
        ):
            changed = {**headers, name: value}
            sent = {key: value for key, value in changed.items() if value is not None}
            response = await http.post("/mcp", json=body, headers=sent)
            assert error_of(response) == (400, -32020, 1)
            said = response.json()["error"]["message"]
            assert said == f"The {name} header doesn't match the request."
        for params in (
            {},
            {"_meta": {}},
            {"_meta": 1},
            {
                "_meta": body["params"]["_meta"]
                | {"io.modelcontextprotocol/protocolVersion": "2025-06-18"}
            },
        ):
            changed = {**body, "params": {"name": "ask", "arguments": {}, **params}}
            response = await http.post("/mcp", json=changed, headers={**headers, "mcp-name": "ask"})
            status, code, _ = error_of(response)
            assert (status, code) in {(400, -32602), (400, -32020)}
        for method in ("initialize", "ping", "prompts/list", "nothing"):
            headers, body = modern(request(method, **HELLO))
            response = await http.post("/mcp", json=body, headers=headers)
            assert error_of(response) == (404, -32601, 1)


async def test_what_is_no_message_is_refused_with_a_sentence(server: ProviderServer) -> None:
    key = await server.key("mcp")
    bodies: tuple[tuple[str, tuple[int, int, Any]], ...] = (
        ("", (400, -32600, None)),
        ("{", (400, -32700, None)),
        ("\xff", (400, -32700, None)),
        ('{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', (400, -32700, None)),
        ("[" * 100_00, (400, -32700, None)),
        ("null", (400, -32600, None)),
        (json.dumps([LIST, LIST]), (400, -32600, None)),
        (json.dumps({**LIST, "id": None}), (400, -32600, None)),
        (json.dumps({**LIST, "id": True}), (400, -32600, None)),
        (json.dumps({**LIST, "id": 1.5}), (400, -32600, None)),
        (json.dumps({**LIST, "id": [1]}), (400, -32600, None)),
        (json.dumps({**LIST, "jsonrpc": "1.0"}), (400, -32600, None)),
        (json.dumps({**LIST, "params": [1]}), (400, -32600, None)),
        (json.dumps({**LIST, "method": "a" * 201}), (400, -32600, None)),
        (json.dumps({**LIST, "method": "nothing"}), (200, -32601, 1)),
        (json.dumps({**LIST, "method": "prompts/list"}), (200, -32601, 1)),
        (json.dumps({**LIST, "method": "tools/call"}), (200, -32602, 1)),
        (json.dumps({**LIST, "params": {"_meta": 1}}), (200, -32602, 1)),
        (json.dumps(request("tools/call", name=1)), (200, -32602, 1)),
        (json.dumps(request("tools/call", name="ask", arguments=[])), (200, -32602, 1)),
        (json.dumps(tool_call("nothing")), (200, -32602, 1)),
        (json.dumps(request("initialize")), (200, -32602, 1)),
        (json.dumps({**LIST, "more": "a" * 20_000}), (413, -32600, None)),
    )
    async with open_http(server, key.token) as http:
        for body, wanted in bodies:
            response = await http.post("/mcp", content=body.encode("latin-1"))
            assert error_of(response) == wanted, body[:100]
            if sentence := SENTENCES.get(wanted[1]):
                assert response.json()["error"]["message"].startswith(sentence)
        for id_ in (None, True, 1.5, [1]):
            response = await http.post("/mcp", json={**LIST, "id": id_})
            assert response.json()["error"]["message"] == "id is not valid here."
        # what a server must echo as it is, and fields of later versions
        for id_ in ("", "a\u2028", 0, -1, 2**70, "1" * 5_000):
            response = await http.post("/mcp", json={**LIST, "id": id_, "later": {}})
            assert response.json()["id"] == id_
            assert "result" in response.json()


async def test_nothing_but_post_is_taken(server: ProviderServer) -> None:
    key = await server.key("mcp")
    async with open_http(server, key.token) as http:
        for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD"):
            response = await http.request(method, "/mcp", headers={"accept": "text/event-stream"})
            assert response.status_code == 405
            assert response.headers["allow"] == "POST"
        assert error_of(await http.get("/mcp")) == (405, -32600, None)
        assert error_of(await http.post("/mcp/x", json=LIST)) == (404, -32600, None)


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The messages of a stream."""
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in response.text.split("\n\n") if line and not line.startswith(":")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_response_is_json_or_a_stream_as_the_client_accepts(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    ask = tool_call("ask", question="echo: Yes.", model="fake:9x0")
    with_token = {**ask, "params": {**ask["params"], "_meta": {"progressToken": "t"}}}
    async with open_http(server, key.token) as http:
        for accept in ("application/json", "*/*", "text/html"):
            response = await http.post("/mcp", json=with_token, headers={"accept": accept})
            assert response.headers["content-type"] == "application/json"
            assert response.json()["result"]["structuredContent"]["answer"] == "Yes."
        for body in (LIST, tool_call("search_threads", query="a")):
            response = await http.post("/mcp", json=body, headers=BOTH)
            assert response.headers["content-type"] == "application/json"
        [last] = events_of(await http.post("/mcp", json=ask, headers=BOTH))
        assert last["result"]["structuredContent"]["answer"] == "Yes."
        *progress, last = events_of(await http.post("/mcp", json=with_token, headers=BOTH))
        assert last["result"]["structuredContent"]["answer"] == "Yes."
        assert {message["method"] for message in progress} == {"notifications/progress"}
        assert {message["params"]["progressToken"] for message in progress} == {"t"}
        refused = {**ask, "params": {**ask["params"], "arguments": {"question": ""}}}
        response = await http.post("/mcp", json=refused, headers=BOTH)
        assert response.headers["content-type"] == "application/json"  # nothing takes a while
        assert response.json()["result"]["isError"] is True


async def test_a_foreign_page_is_refused_and_a_cookie_is_not_read(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    ours = server.live.settings.url
    async with open_http(server, key.token) as http:
        for origin in ("https://evil.test", "null", "http://localhost", f"{ours}.evil.test"):
            response = await http.post("/mcp", json=LIST, headers={"origin": origin})
            assert error_of(response) == (403, -32600, None)
            assert response.json()["error"]["data"] == {"code": "origin"}
        response = await http.post("/mcp", json=LIST, headers={"origin": ours})
        assert response.status_code == 200
        # other families take a key from anywhere
        response = await http.get("/api/threads", headers={"origin": "https://evil.test"})
        assert response.json()["code"] == "insufficient_scope"
        response = await http.post("/mcp", json=LIST, headers={"host": "evil.test"})
        assert error_of(response) == (421, -32600, None)
    issued = await issue_session(server.live, key.owner.user_id, user_agent="test")
    async with open_http(server) as http:
        cookie = {"cookie": f"chat_session={issued.token}", "origin": ours}
        assert (await http.get("/api/threads", headers=cookie)).status_code == 200
        response = await http.post("/mcp", json=LIST, headers=cookie)
        assert error_of(response) == (401, -32600, None)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_a_foreign_thread_looks_like_a_missing_one_to_the_byte(
    server: ProviderServer,
) -> None:
    ada, eve = await server.key("mcp"), await server.key("mcp")
    theirs = await new_thread(server, ada, "Our secret otter")
    mine = await new_thread(server, eve, "Mine")
    window = await server.live.threads.window(ada.owner, theirs)
    deleted = await new_thread(server, eve, "Gone")
    await server.live.threads.delete(eve.owner, deleted)
    missing = [str(uuid4()), str(deleted), "not an id", "", "0" * 300, str(theirs).upper()]
    async with open_http(server, eve.token) as http:
        for tool, more in (("read_thread", {}), ("ask", {"question": "hi"})):
            bodies = [
                (await http.post("/mcp", json=tool_call(tool, thread_id=id_, **more))).content
                for id_ in (str(theirs), *missing)
            ]
            assert len(set(bodies)) == 1
        cursors = [
            await called(http, "read_thread", thread_id=str(mine), cursor=cursor)
            for cursor in (str(window.messages[0].id), *missing[:3])
        ]
        assert cursors == [cursors[0]] * 4
        assert cursors[0]["isError"] is True
        found = await called(http, "search_threads", query="otter")
        assert found["structuredContent"] == {"hits": [], "next_cursor": None}
    assert len(await texts_of(server, ada, str(theirs))) == 2
