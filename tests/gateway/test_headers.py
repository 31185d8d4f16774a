"""The headers of every response."""

import base64
import hashlib
import re
from pathlib import Path

import httpx
import pytest
from reflex.utils.precompressed_staticfiles import PrecompressedStaticFiles

from chat_app.gateway.headers import hashes_by_path, page_policy, script_hashes, static_page_policy
from testing.gateway_server import GatewayServer
from testing.socket_client import connect

EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


def source(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    (folder / "c").mkdir(parents=True)
    (folder / "index.html").write_text("<script>one()</script><script src='/a.js'></script>")
    page = "<script type='module'>two('<b>&amp;</b>');\r\n</script><p>three()</p><script></script>"
    (folder / "c" / "index.html").write_bytes(page.encode())
    (folder / "c" / "same.html").write_text("<SCRIPT async>one()</SCRIPT>")
    (folder / "a.js").write_text("<script>not a page</script>")
    return folder


def test_every_inline_script_of_a_page_is_named_by_its_hash(build: Path) -> None:
    one, two = (source("one()"),), {source("two('<b>&amp;</b>');\n"), source("")}
    found = hashes_by_path(build)
    assert set(found.pop("c")) == set(found.pop("c/index.html")) == two
    assert found == {"": one, "index.html": one, "c/same.html": one}


def test_the_page_policy_allows_our_own_origins_and_nothing_else(build: Path) -> None:
    policy = page_policy(["https://chat.example", "http://localhost:3000"], [source("one()")])
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["script-src"].startswith("'self' 'sha256-")
    assert "unsafe" not in rules["script-src"]
    assert rules["connect-src"].split() == [
        "'self'",
        "http://localhost:3000",
        "https://chat.example",
        "ws://localhost:3000",
        "wss://chat.example",
    ]
    assert rules["form-action"] == "'self' http://localhost:3000 https://chat.example"
    for name in ("object-src", "base-uri", "frame-ancestors", "frame-src"):
        assert rules[name] == "'none'"
    assert "*" not in policy
    assert "https:" not in policy.split()


def test_the_policy_in_a_page_of_another_host_allows_this_server_alone(build: Path) -> None:
    hashes = script_hashes(build / "c" / "index.html")
    policy = static_page_policy("https://api.example.com", hashes)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    in_header = page_policy(["https://api.example.com"], hashes)
    others = dict(rule.split(" ", 1) for rule in in_header.split("; "))
    assert rules["connect-src"] == "'self' https://api.example.com wss://api.example.com"
    assert rules.pop("img-src") == f"{others.pop('img-src')} https://api.example.com"
    del others["frame-ancestors"]  # which browsers ignore, and report, in a page
    assert rules == others


def test_a_form_may_lead_to_an_identity_provider_and_nowhere_else() -> None:
    policy = page_policy(["https://chat.example"], form_targets=["https://github.com"])
    assert "form-action 'self' https://chat.example https://github.com;" in policy
    assert policy.count("github.com") == 1


async def test_every_response_has_the_security_headers(open_server, build: Path) -> None:
    """Every kind of response that the gateway sends or passes."""
    async with open_server(build=build, request_bytes=10_000) as server:
        server.app.headers += [
            (b"Content-Security-Policy", b"default-src *"),
            (b"X-Frame-Options", b"ALLOWALL"),
            (b"access-control-allow-origin", b"*"),
            (b"vary", b"Origin"),
            (b"Vary", b"Accept-Encoding, origin"),
        ]
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token)}
        ours = {**who, "Origin": server.url}
        responses = [
            await server.client.get("/", headers=who),
            await server.client.head("/", headers=who),
            await server.client.get("/c/1"),
            await server.client.get("/signin"),
            await server.client.get("/assets/a-1.js"),
            await server.client.get("/ping"),
            await server.client.get("/_upload"),
            await server.client.get("/api/threads"),
            await server.client.get("/api/threads", headers=who),
            await server.client.get("/api/auth/session"),
            await server.client.post("/api/threads", headers=ours),
            await server.client.post("/api/threads", headers=who),
            await server.client.post("/", headers=ours),
            await server.client.post("/api/threads", headers=ours, content=b"x" * 10_001),
            await server.client.options(
                "/api/threads", headers={**ours, "Access-Control-Request-Method": "POST"}
            ),
            await server.client.get("/", headers={"Host": "evil.test"}),
        ]
        assert {response.status_code for response in responses} >= {
            200, 204, 303, 401, 403, 404, 405, 413, 421,
        }  # fmt: skip
        for response in responses:
            for name, value in EVERY_ANSWER.items():
                assert response.headers.get_list(name) == [value], (response.url, name)
            [policy] = response.headers.get_list("content-security-policy")
            assert "frame-ancestors 'none'" in policy
            assert "*" not in policy
            assert "clipboard-write=(self)" in response.headers["permissions-policy"]
            [vary] = response.headers.get_list("vary")
            assert vary.lower() in ("origin", "origin, accept-encoding")
            assert "strict-transport-security" not in response.headers
            assert response.headers.get("access-control-allow-origin") in (None, server.url)
        page, api = responses[0], responses[8]
        assert "ccept-" in page.headers["vary"]
        assert source("one()") in page.headers["content-security-policy"]
        assert api.headers["content-security-policy"].startswith("default-src 'none'")


INLINE = re.compile(r"<script>(.*?)</script>")


def size_of_headers(response: httpx.Response) -> int:
    return sum(len(name) + len(value) + len(": \r\n") for name, value in response.headers.raw)


@pytest.fixture
def many_pages(tmp_path: Path) -> Path:
    """A build with as many scripts in each page as ours has, of which one is its own."""
    folder = tmp_path / "client"
    shared = "".join(f"<script>shared{number}()</script>" for number in range(9))
    names = ["404.html", "index.html", "signin/index.html", "settings/index.html", "admin/a.html"]
    for name in [*names, *(f"more/{number}/index.html" for number in range(95))]:
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<html>{shared}<script>own('{name}')</script>")
    return folder


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "index.html"),
        ("/signin/", "signin/index.html"),
        ("/signin/index.html", "signin/index.html"),
        ("/settings/", "settings/index.html"),
        ("/more//94//", "more/94/index.html"),
        ("/c/1", "404.html"),
        ("/c/1/", "404.html"),
        ("/nothing", "404.html"),
        ("/nothing.txt", "404.html"),
        ("/admin/a.html", "404.html"),  # others than admins are not told that it exists
    ],
)
async def test_a_page_names_the_hashes_of_its_own_scripts_alone(
    open_server, many_pages: Path, path: str, shown: str
) -> None:
    app = PrecompressedStaticFiles(
        directory=many_pages, html=True, router=lambda path: path if path[:3] == "/c/" else None
    )
    async with open_server(app=app, build=many_pages) as server:
        token, _ = server.sessions.issue()
        who = {} if path.startswith("/signin") else {"Cookie": server.cookie(token)}
        page = await server.client.get(path, headers=who)
        assert page.text == (many_pages / shown).read_text()
        policy = page.headers["content-security-policy"]
        scripts = INLINE.findall(page.text)
        assert len(scripts) == 10
        assert sorted(re.findall("'sha256-[^']*'", policy)) == sorted(map(source, scripts))
        # nginx's buffer for the headers of a response is 4 kB, which others of a page share
        assert size_of_headers(page) < 2_500


async def test_a_page_without_scripts_names_no_hash(open_server, many_pages: Path) -> None:
    async with open_server(build=many_pages) as server:
        for path in ("/_upload", "/api/docs"):
            page = await server.client.get(path)
            assert page.headers["content-type"].startswith("text/html")
            assert "sha256-" not in page.headers["content-security-policy"]


async def test_a_file_of_a_page_carries_no_hashes_of_scripts(open_server, many_pages: Path) -> None:
    """A page loads many files."""

    async def respond(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        headers = [(b"content-type", b"text/javascript")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with open_server(build=many_pages) as server:
        page = await server.client.get("/signin")
        server.app.respond = respond
        file = await server.client.get("/assets/a-1.js")
    policies = [answer.headers["content-security-policy"] for answer in (page, file)]
    assert ["sha256-" in policy for policy in policies] == [True, False]
    ours = [re.sub(r" 'sha256-[^']*'", "", policy) for policy in policies]
    assert ours[0] == ours[1]


async def test_only_files_named_by_their_content_are_cached(server: GatewayServer) -> None:
    async def cached(path: str, status: int = 200) -> str:
        async def respond(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
            headers = [(b"content-type", b"text/plain"), (b"cache-control", b"public")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        server.app.respond = respond
        token, _ = server.sessions.issue()
        response = await server.client.get(path, headers={"Cookie": server.cookie(token)})
        [value] = response.headers.get_list("cache-control")
        return value

    assert await cached("/assets/app-1a2b.js") == "public, max-age=31536000, immutable"
    assert await cached("/fonts/text-1.woff2") == "public, max-age=31536000, immutable"
    assert await cached("/assets/gone-1a2b.js", 404) == "no-store"
    assert await cached("/favicon.ico") == "no-cache"
    for path in ("/", "/c/1", "/api/threads", "/api/auth/session", "/ping"):
        assert await cached(path) == "no-store"


async def test_over_https_responses_have_hsts(open_server) -> None:
    async with open_server(app_url="https://chat.example") as server:
        response = await server.client.get("/signin", headers={"Host": "chat.example"})
        assert response.status_code == 200
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        policy = response.headers["content-security-policy"]
        assert "wss://chat.example" in policy
        assert "localhost" not in policy
        token, _ = server.sessions.issue()
        for name, status in (("__Host-chat_session", 200), ("chat_session", 401)):
            cookie = {"Host": "chat.example", "Cookie": f"{name}={token}"}
            response = await server.client.get("/api/threads", headers=cookie)
            assert response.status_code == status
        assert {scope["scheme"] for scope in server.app.scopes} == {"https"}
        port = server.services.settings.port
        async with connect(
            "http://chat.example", origin="https://chat.example", port=port
        ) as attacker:
            assert await attacker.receive() == "4hello"
        assert server.app.scopes[-1]["scheme"] == "wss"
