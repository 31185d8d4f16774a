"""Origin checks, as a table and through the real server."""

import pytest
from websockets.exceptions import InvalidStatus

from chat_app.gateway.origins import UNSAFE_METHODS, Origins, serialize_origin
from testing.gateway_server import GatewayServer
from testing.socket_client import connect

# Each form is made from the server's own port; the first two are the only ones that pass.
FORMS: dict[str, tuple[str, bool]] = {
    "exact": ("http://localhost:{port}", True),
    "host in capitals": ("http://LOCALHOST:{port}", True),
    "null": ("null", False),
    "empty": ("", False),
    "other port": ("http://localhost:1", False),
    "no port": ("http://localhost", False),
    "other scheme": ("https://localhost:{port}", False),
    "sub-domain": ("http://evil.localhost:{port}", False),
    "suffix": ("http://localhost:{port}.evil.test", False),
    "prefix": ("http://evillocalhost:{port}", False),
    "user part": ("http://localhost:{port}@evil.test", False),
    "our user part": ("http://user@localhost:{port}", False),
    "trailing dot": ("http://localhost.:{port}", False),
    "trailing slash": ("http://localhost:{port}/", False),
    "two in one": ("http://localhost:{port}, http://evil.test", False),
    "two by space": ("http://localhost:{port} http://evil.test", False),
    "address for name": ("http://127.0.0.1:{port}", False),
    "foreign": ("https://evil.test", False),
}


EXPECTED = {form: passes for form, (_, passes) in FORMS.items()}


def origin_of(form: str, server: GatewayServer) -> str:
    return FORMS[form][0].format(port=server.services.settings.port)


async def status_of(server: GatewayServer, origin: str) -> int:
    # The client library leaves an empty Origin out, so that one is sent as a raw header.
    raw = {} if origin else {"Origin": ""}
    try:
        async with connect(server.url, origin=origin or None, headers=raw) as attacker:
            await attacker.receive()
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_socket_opens_only_for_an_exact_origin(server: GatewayServer) -> None:
    statuses = {form: await status_of(server, origin_of(form, server)) for form in FORMS}
    assert statuses == {form: 101 if passes else 403 for form, passes in EXPECTED.items()}
    assert len(server.app.scopes) == sum(EXPECTED.values())


async def test_a_socket_without_an_origin_is_refused(server: GatewayServer) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(server.url, origin=None):
            pass
    assert server.app.scopes == []


async def test_a_socket_with_two_origins_is_refused(server: GatewayServer) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(server.url, headers={"Origin": server.url}):
            pass
    assert server.app.scopes == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_passes_only_with_an_exact_origin(
    server: GatewayServer, method: str
) -> None:
    token, _ = server.sessions.issue()
    verdicts: dict[str, bool] = {}
    for form in FORMS:
        headers = {"Origin": origin_of(form, server), "Cookie": server.cookie(token)}
        response = await server.client.request(method, "/api/threads", headers=headers)
        assert response.status_code in (200, 403)
        verdicts[form] = response.status_code == 200
        shared = [name for name in response.headers if name.startswith("access-control-allow")]
        assert bool(shared) == verdicts[form]
    assert verdicts == EXPECTED
    assert len(server.app.scopes) == sum(EXPECTED.values())


# What a browser or a program says about where a change comes from, and whether it may be made.
CHANGES: dict[str, tuple[dict[str, str], bool, bool]] = {
    # name: (headers, allowed with a cookie, allowed without)
    "ours": ({"Origin": "{url}"}, True, True),
    "ours, other tab's word": ({"Origin": "{url}", "Sec-Fetch-Site": "same-origin"}, True, True),
    "foreign form": ({"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}, False, False),
    "foreign form that hides": ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False, False),
    "no origin": ({}, False, True),
    "no origin, cross-site": ({"Sec-Fetch-Site": "cross-site"}, False, False),
    "no origin, same-site": ({"Sec-Fetch-Site": "same-site"}, False, False),
    "no origin, typed by hand": ({"Sec-Fetch-Site": "none"}, False, True),
    "plain text that is JSON": (
        {"Origin": "https://evil.test", "Content-Type": "text/plain"},
        False,
        False,
    ),
    "only a referer": ({"Referer": "{url}/"}, False, True),
}


@pytest.mark.parametrize("method", sorted(UNSAFE_METHODS))
async def test_an_unsafe_request_passes_only_from_our_own_pages(
    server: GatewayServer, method: str
) -> None:
    token, _ = server.sessions.issue()
    expected: dict[str, tuple[int, int]] = {}
    found: dict[str, tuple[int, int]] = {}
    for form, (headers, with_cookie, without) in CHANGES.items():
        sent = {name: value.format(url=server.url) for name, value in headers.items()}
        statuses = [
            (await server.client.request(method, "/api/auth/signout", headers=each)).status_code
            for each in ({**sent, "Cookie": server.cookie(token)}, sent)
        ]
        found[form] = statuses[0], statuses[1]
        expected[form] = 200 if with_cookie else 403, 200 if without else 403
    assert found == expected
    passed = sum(status == 200 for pair in expected.values() for status in pair)
    assert len(server.app.scopes) == passed


async def test_any_cookie_makes_the_origin_required(server: GatewayServer) -> None:
    response = await server.client.post("/api/auth/callback/x", headers={"Cookie": "a=b"})
    assert response.status_code == 403


async def test_a_navigation_without_an_origin_passes(server: GatewayServer) -> None:
    response = await server.client.get("/", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 200


async def test_nothing_can_be_changed_outside_the_api(server: GatewayServer) -> None:
    for path in ("/", "/c/1", "/assets/a.js", "/apix"):
        response = await server.client.post(path, headers={"Origin": server.url})
        assert response.status_code == 405
    response = await server.client.request("TRACE", "/api/threads", headers={"Origin": server.url})
    assert response.status_code == 405
    assert server.app.scopes == []


async def test_cors_allows_another_origin_of_ours_and_no_foreign_one(open_server) -> None:
    page = "http://localhost:5999"
    async with open_server(app_origins=(page,)) as server:
        server.app.headers += [
            (b"Access-Control-Allow-Origin", b"*"),
            (b"access-control-allow-credentials", b"true"),
        ]
        token, _ = server.sessions.issue()
        headers = {"Origin": page, "Cookie": server.cookie(token)}
        response = await server.client.get("/api/threads", headers=headers)
        assert response.headers.get_list("access-control-allow-origin") == [page]
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in response.headers["vary"]
        plain = await server.client.get("/ping", headers={"Origin": "https://evil.test"})
        assert plain.status_code == 200
        assert not [name for name in plain.headers if name.startswith("access-control")]


async def test_a_preflight_is_answered_by_the_gateway(open_server) -> None:
    page = "http://localhost:5999"
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    async with open_server(app_origins=(page,)) as server:
        response = await server.client.options("/api/chat", headers={"Origin": page, **asks})
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == page
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "POST" in response.headers["access-control-allow-methods"]
        assert "x" not in response.headers["access-control-allow-headers"].split(", ")
        foreign = {"Origin": "https://evil.test", **asks}
        response = await server.client.options("/api/chat", headers=foreign)
        assert response.status_code == 403
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert server.app.scopes == []


def test_an_origin_is_serialized_as_browsers_do() -> None:
    assert serialize_origin("https://Chat.example:443") == "https://chat.example"
    assert serialize_origin("http://[::1]:80") == "http://[::1]"
    assert serialize_origin("http://localhost:3000") == "http://localhost:3000"
    origins = Origins(["https://chat.example:443"])
    assert origins.scheme_for("Chat.example") == "https"
    assert origins.scheme_for(None) is None


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("https://chat.example", "chat.example:443", "https"),
        ("https://chat.example", "CHAT.example:443", "https"),
        ("https://[2001:db8::1]", "[2001:db8::1]:443", "https"),
        ("http://localhost", "localhost:80", "http"),
        ("https://chat.example", "chat.example:80", None),
        ("http://localhost", "localhost:443", None),
        ("http://localhost:443", "localhost:443", "http"),
        ("https://chat.example", "chat.example:0443", None),
        ("https://chat.example", "chat.example:", None),
        ("https://chat.example", "chat.example:443:443", None),
        ("https://chat.example:8443", "chat.example:443", None),
    ],
)
def test_a_host_with_the_default_port_is_the_host(
    origin: str, host: str, scheme: str | None
) -> None:
    assert Origins([origin]).scheme_for(host) == scheme


async def test_a_page_opens_under_its_name_with_the_default_port(open_server) -> None:
    async with open_server(app_url="https://chat.example") as server:
        for host, status in [
            ("chat.example:443", 200),
            ("chat.example", 200),
            ("chat.example:80", 421),
            ("chat.example:444", 421),
        ]:
            response = await server.client.get("/signin", headers={"Host": host})
            assert (host, response.status_code) == (host, status)


def test_a_host_with_both_schemes_is_https() -> None:
    assert Origins(["http://a.test", "https://a.test"]).scheme_for("a.test") == "https"
