"""The HTTP gateway: refusals, redirects, limits, and what the app behind it gets."""

import contextlib
import html
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.types import Receive, Scope, Send

from chat_app.api.problems import Problem
from chat_app.core.errors import DatabaseBusy, DatabaseFull
from chat_app.gateway.paths import RouteKind, route_kind
from chat_app.gateway.request_context import relative_target
from chat_app.gateway.responses import unknown_host_page
from testing.gateway_server import GatewayServer, RecordingApp
from testing.route_cases import code_of

PUBLIC_API = ("/api/auth/session", "/api/auth/callback/credentials")
SESSIONS_ONLY = ("/api/account", "/api/account/password", "/api/admin/audit", "/api/cloud/token")
PRIVATE_API = (
    *("/api", "/api/", "/api/threads", "/api/chat", "/api/auth", "/api/authx/session"),
    *SESSIONS_ONLY,
)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "index.html").write_text("<script>1</script>")
    return folder


@pytest.mark.parametrize("cookie", [None, "chat_session=x", "chat_session=", "chat_session", ";=;"])
async def test_an_anonymous_api_request_is_401_and_runs_nothing(
    server: GatewayServer, cookie: str | None
) -> None:
    headers = {"Origin": server.url} | ({"Cookie": cookie} if cookie else {})
    for path in PRIVATE_API:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            response = await server.client.request(method, path, headers=headers)
            assert response.status_code == 401
            told = response.json()
            assert told["error"] == "unauthenticated"
            takes_keys = path not in SESSIONS_ONLY
            sentence = "Sign in, or send an API key." if takes_keys else "Sign in first."
            assert told["message"] == sentence
    assert server.app.scopes == []


async def test_the_body_of_an_anonymous_request_is_not_read(server: GatewayServer) -> None:
    received: list[str] = []

    async def receive() -> dict[str, object]:
        received.append("read")
        return {"type": "http.request", "body": b"{}", "more_body": True}

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/chat",
        "headers": [
            (b"host", server.url.removeprefix("http://").encode()),
            (b"content-length", b"100"),
        ],
        "client": ("127.0.0.1", 1),
    }
    await server.gateway(scope, receive, send)  # pyright: ignore[reportArgumentType]
    assert sent[0]["status"] == 401
    assert received == []


@pytest.mark.parametrize("path", PUBLIC_API)
async def test_the_routes_for_signing_in_need_no_session(server: GatewayServer, path: str) -> None:
    response = await server.client.get(path)
    assert response.status_code == 200
    assert server.app.scopes[0]["principal"] is None
    assert server.app.scopes[0]["session"] is None


REFLEX_S_OWN = (
    "/_upload",
    "/_upload/",
    "/_upload/file.png",
    "/%5fupload",
    "/_all_routes",
    "/auth-codespace",
    "/_event",
    "/_event/?EIO=4&transport=polling&token=12345678",
    "/_anything",
)


async def test_reflex_s_own_endpoints_are_closed(server: GatewayServer) -> None:
    token, _ = server.sessions.issue()
    headers = {
        "Origin": server.url,
        "Cookie": server.cookie(token),
        "reflex-client-token": "12345678",
        "reflex-event-handler": "state.upload",
    }
    for path in REFLEX_S_OWN:
        for method in ("GET", "POST"):
            response = await server.client.request(method, path, headers=headers)
            assert response.status_code == 404, path
            assert "Page not found" in response.text
            assert 'href="/"' in response.text
    assert server.app.scopes == []


async def test_the_scope_has_the_principal_and_not_the_session_cookie(
    server: GatewayServer,
) -> None:
    token, session_id = server.sessions.issue()
    headers = {
        "Cookie": f"a=b; {server.cookie(token)}; chat_csrf=c; chat_known=k",
        "Authorization": "Basic forged",
    }
    for path in ("/api/threads", "/", "/assets/a.js", "/ping", "/api/auth/session"):
        await server.client.get(path, headers=headers)
    api, page, asset, probe, auth = server.app.scopes
    for scope in (api, page, auth):
        assert scope["principal"].credential_id == session_id
        assert scope["session"].principal is scope["principal"]
        assert scope["session_token"] == token
    for scope in server.app.scopes:
        assert token not in str(scope["headers"])
        assert b"authorization" not in dict(scope["headers"])
    for scope in (page, asset, probe):
        assert b"cookie" not in dict(scope["headers"])
    assert dict(api["headers"])[b"cookie"] == b"chat_known=k"
    assert dict(auth["headers"])[b"cookie"] == b"a=b; chat_csrf=c; chat_known=k"
    assert asset["principal"] is None


async def test_an_asset_resolves_no_session(server: GatewayServer) -> None:
    await server.client.get("/assets/a.js", headers={"Cookie": server.cookie("x" * 43)})
    assert server.sessions.looked_up == []


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "localhost",
        "localhost:1",
        "127.0.0.1:{port}",
        "localhost.:{port}",
        "user@localhost:{port}",
        "evil.test#localhost:{port}",
    ],
)
async def test_an_unknown_host_gets_a_page_that_names_the_setting(
    server: GatewayServer, host: str
) -> None:
    host = host.format(port=server.services.settings.port)
    page = await server.client.get("/", headers={"Host": host})
    assert page.status_code == 421
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "APP_URL" in page.text
    assert "APP_ORIGINS" in page.text
    program = await server.client.get("/api/threads", headers={"Host": host})
    assert program.status_code == 421
    assert "APP_URL" in program.json()["message"]
    assert server.app.scopes == []


def test_the_page_for_an_unknown_host_shows_it_as_text() -> None:
    page = unknown_host_page(
        "<script>alert('1')</script>{url}" + "x" * 10_000, "http://localhost:1"
    )
    assert b"&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;{url}" in page
    assert b"<script" not in page
    assert len(page) < 3_000
    assert b"[::1]:80" in unknown_host_page("[::1]:80", "http://localhost:1")
    assert b"without a host" in unknown_host_page("", "http://localhost:1")
    assert b"[" in unknown_host_page("[", "http://localhost:1")


async def test_only_loopback_is_shown_the_url_of_the_app(server: GatewayServer) -> None:
    port = server.services.settings.port
    near = await server.client.get("/", headers={"Host": f"127.0.0.1:{port}"})
    assert f'<a href="{server.url}">' in near.text
    far = await server.client.get("/", headers={"Host": "10.0.0.1"})
    assert server.url not in far.text


@pytest.mark.parametrize("path", ["/ping", "/_health", "/healthz", "/readyz"])
async def test_a_probe_is_answered_under_any_host(server: GatewayServer, path: str) -> None:
    response = await server.client.get(path, headers={"Host": "10.0.0.1"})
    assert response.status_code == 200
    assert (await server.client.post(path, headers={"Host": "10.0.0.1"})).status_code == 421


async def test_an_anonymous_page_request_is_redirected_to_sign_in_and_back(
    open_server, build: Path
) -> None:
    async with open_server(build=build) as server:
        response = await server.client.get("/c/42?x=1&y=%20")
        assert response.status_code == 303
        location = urlsplit(response.headers["location"])
        assert (location.scheme, location.netloc, location.path) == ("", "", "/signin")
        assert parse_qs(location.query) == {"callbackUrl": ["/c/42?x=1&y=%20"]}
        assert (await server.client.get("/")).headers["location"] == "/signin"
        assert (await server.client.head("/")).status_code == 303
        for page in ("/signin", "/signup", "/signin/", "/signin/index.html", "/assets/a.js"):
            assert (await server.client.get(page)).status_code == 200
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token)}
        assert (await server.client.get("/c/42", headers=who)).status_code == 200
        for page in ("/signin", "/signup/"):
            response = await server.client.get(page, headers=who)
            assert (response.status_code, response.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.test/x",
        "///evil.test",
        "/\\evil.test",
        "/%0d%0aSet-Cookie:a=b",
        "/a\x7fb",
        "/" + "a" * 2000,
    ],
)
def test_the_target_after_sign_in_is_never_another_site(path: str) -> None:
    target = relative_target({"path": path, "raw_path": path.encode(), "query_string": b""})
    assert target == "/" or target.startswith("/%0d%0a")
    assert urlsplit(target).netloc == ""


async def test_pages_that_are_served_elsewhere_need_no_session(server: GatewayServer) -> None:
    assert (await server.client.get("/c/42")).status_code == 200


async def test_a_body_over_the_limit_is_refused_before_anything_runs(open_server) -> None:
    async with open_server(request_bytes=10_000) as server:
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token), "Origin": server.url}
        response = await server.client.post("/api/chat", headers=who, content=b"x" * 10_001)
        assert response.status_code == 413
        assert response.json()["error"] == "too_large"
        assert server.app.scopes == []
        response = await server.client.post("/api/chat", headers=who, content=b"x" * 10_000)
        assert response.status_code == 200


async def test_a_body_without_a_length_is_cut_at_the_limit(open_server) -> None:
    taken = 0

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal taken
        while (message := await receive()).get("more_body"):
            taken += len(message["body"])

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 10_000

    async with open_server(app=RecordingApp(respond=respond), request_bytes=50_000) as server:
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token), "Origin": server.url}
        # The server may hang up on a client that is still talking.
        with contextlib.suppress(httpx.TransportError):
            response = await server.client.post("/api/chat", headers=who, content=endless())
            assert response.status_code == 413
        assert server.gateway.connections.refused["too_large"] == 1
        assert taken <= 50_000


async def test_a_failed_session_lookup_is_503(server: GatewayServer) -> None:
    unexplained = OperationalError("select", {}, Exception())
    for broken in (DatabaseBusy(), DatabaseFull(), unexplained, OSError("gone")):
        server.sessions.broken = broken
        for path in ("/api/threads", "/", "/signin"):
            response = await server.client.get(path, headers={"Cookie": "chat_session=x"})
            assert response.status_code == 503
            assert "Try again" in response.text
            assert "select" not in response.text
    assert server.app.scopes == []


async def test_a_failed_session_lookup_is_a_page_for_browsers_and_json_for_programs(
    server: GatewayServer,
) -> None:
    server.sessions.broken = DatabaseBusy()
    who = {"Cookie": "chat_session=x"}
    page = await server.client.get("/", headers=who)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    program = await server.client.get("/api/threads", headers=who)
    assert program.json()["error"] == "unavailable"
    assert program.json()["message"] in html.unescape(page.text)


async def test_the_client_ip_is_the_peer_s_unless_proxies_are_trusted(open_server) -> None:
    said = {"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}
    async with open_server() as server:
        await server.client.get("/ping", headers=said)
        assert server.app.scopes[0]["client"][0] == "127.0.0.1"
    async with open_server(trusted_proxy_hops=1) as server:
        await server.client.get("/ping", headers=said)
        assert server.app.scopes[0]["client"][0] == "2.2.2.2"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", RouteKind.PAGE),
        ("/c/0b9f", RouteKind.PAGE),
        ("/c/0b9f.html", RouteKind.PAGE),
        ("/api", RouteKind.API),
        ("/api/auth", RouteKind.API),
        ("/API/threads", RouteKind.PAGE),
        ("//api/threads", RouteKind.PAGE),
        ("/api/auth/../threads", RouteKind.CLOSED),
        ("/./api/threads", RouteKind.CLOSED),
        ("/api/auth/..", RouteKind.CLOSED),
        ("/signin.html", RouteKind.PUBLIC_PAGE),
        ("/signin/x", RouteKind.PAGE),
        ("/admin", RouteKind.ADMIN_PAGE),
        ("/admin.html", RouteKind.ADMIN_PAGE),
        ("//admin///people/index.html", RouteKind.ADMIN_PAGE),
        ("/administration", RouteKind.PAGE),
        ("/setup", RouteKind.NO_PAGE),
        ("//setup.html", RouteKind.NO_PAGE),
        ("/setup/x", RouteKind.PAGE),
        ("/signin/link/", RouteKind.PUBLIC_PAGE),
        ("/reset", RouteKind.PUBLIC_PAGE),
        ("/reset/new/index.html", RouteKind.OPEN_PAGE),
        ("/confirm", RouteKind.OPEN_PAGE),
        ("/confirm/x", RouteKind.PAGE),
        ("/favicon.ico", RouteKind.ASSET),
        ("/ping/", RouteKind.PAGE),
        ("/v1", RouteKind.API),
        ("/v1/models/gpt-4.1", RouteKind.API),
        ("/mcp/server.json", RouteKind.API),
        ("/scim/v2/Users/a.b", RouteKind.API),
        ("/v1beta/models.js", RouteKind.ASSET),
        ("/v1/../x", RouteKind.CLOSED),
        ("/.well-known", RouteKind.WELL_KNOWN),
        ("/.well-known/openid-configuration.json", RouteKind.WELL_KNOWN),
        ("/healthz", RouteKind.PROBE),
        ("/readyz", RouteKind.PROBE),
        ("/healthz/x.js", RouteKind.CLOSED),
        ("/metrics", RouteKind.CLOSED),
        ("/metrics/x.js", RouteKind.CLOSED),
    ],
)
def test_a_path_has_one_route_kind(path: str, route: RouteKind) -> None:
    assert route_kind(path) is route


async def test_only_an_installation_on_its_own_machine_has_a_setup_page(open_server) -> None:
    async def asked(server: GatewayServer, **headers: str) -> str:
        """The path that the app behind the gateway was asked for."""
        await server.client.get("/setup", headers=headers)
        return server.app.scopes[-1]["path"]

    async with open_server() as server:
        assert await asked(server) == "/setup"
    # the URL of the installation counts, not who asks
    said = {"Host": "chat.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "::1"}
    async with open_server(app_url="https://chat.example", trusted_proxy_hops=1) as server:
        assert await asked(server, **said) == "/-", "as a path without a page"


API_PATHS = ("/api/x.js", "/v1", "/v1/models/gpt-4.1", "/mcp", "/mcp/x.js", "/scim/v2/Users")


@pytest.mark.parametrize("path", API_PATHS)
async def test_an_api_path_requires_a_credential_even_with_a_dot(
    server: GatewayServer, path: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused = await server.client.request(method, path, headers={"Accept": "text/html"})
        assert (refused.status_code, code_of(refused)) == (401, "unauthenticated")
    trace = await server.client.request("TRACE", path)
    assert (trace.status_code, code_of(trace)) == (405, "method")
    foreign = await server.client.get(path, headers={"Host": "evil.test"})
    assert (foreign.status_code, code_of(foreign)) == (421, "host")
    assert server.app.scopes == []
    token, key_id = server.keys.issue("chat")
    assert (await server.client.post(path, headers={"x-api-key": token})).status_code == 200
    assert server.app.scopes[0]["principal"].credential_id == key_id


async def test_public_metadata_needs_no_session_and_cannot_be_changed(
    server: GatewayServer,
) -> None:
    path = "/.well-known/oauth-authorization-server"
    server.app.headers = [(b"content-type", b"application/json")]
    response = await server.client.get(path, headers={"Cookie": "chat_session=x"})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert server.sessions.looked_up == []
    refused = await server.client.post(path, headers={"Origin": server.url})
    assert (refused.status_code, refused.json()["error"]) == (405, "method")


async def test_metrics_and_unknown_probes_are_not_found(server: GatewayServer) -> None:
    for path in ("/metrics", "/metrics/x.js", "/healthz/x", "/readyz/"):
        for method in ("GET", "POST"):
            response = await server.client.request(method, path)
            assert (response.status_code, response.json()["error"]) == (404, "not_found"), path
    assert server.app.scopes == []


async def test_an_error_has_the_form_of_every_api_error(server: GatewayServer) -> None:
    response = await server.client.get("/api/threads")
    assert set(json.loads(response.text)) == set(Problem.model_fields)
    assert server.gateway.connections.refused["unauthenticated"] == 1


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("/settings/profile", "/settings/account"),
        ("/settings/password/", "/settings/security#change-password"),
        ("/settings/two-factor", "/settings/security#two-factor"),
        ("/settings/passkeys", "/settings/security#passkeys"),
        (
            "/settings/connections?error=AccountTaken",
            "/settings/security?error=AccountTaken#connections",
        ),
        ("/settings/sessions", "/settings/security#sessions"),
    ],
)
async def test_the_address_of_a_page_that_was_merged_leads_to_its_section(
    open_server, build: Path, asked: str, found: str
) -> None:
    async with open_server(build=build) as server:
        token, _ = server.sessions.issue()
        response = await server.client.get(asked, headers={"Cookie": server.cookie(token)})
        assert (response.status_code, response.headers["location"]) == (303, found)
        anonymous = urlsplit((await server.client.get(asked)).headers["location"])
        assert parse_qs(anonymous.query) == {"callbackUrl": [asked]}
