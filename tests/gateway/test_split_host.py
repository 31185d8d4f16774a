"""A page on one host and the server on another: served within one site, else refused."""

from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from testing.gateway_server import GatewayServer
from testing.socket_client import connect

APP, API = "https://app.chat.example", "https://api.chat.example"
SPLIT = {"app_url": API, "app_origins": (APP,)}
SAME_SITE = {"Origin": APP, "Sec-Fetch-Site": "same-site"}
CROSS_SITE = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}


async def ask(
    server: GatewayServer, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    return await server.client.request(
        method, path, headers={"Host": API.removeprefix("https://"), **headers}
    )


def who(server: GatewayServer) -> dict[str, str]:
    token, _ = server.sessions.issue()
    return {"Cookie": f"__Host-chat_session={token}"}


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_page_on_another_host_of_the_site_is_served(open_server: Any, method: str) -> None:
    async with open_server(**SPLIT) as server:
        preflight = {**SAME_SITE, "Access-Control-Request-Method": method}
        asked = await ask(server, "OPTIONS", "/api/threads", preflight)
        response = await ask(server, method, "/api/threads", {**SAME_SITE, **who(server)})
        assert (asked.status_code, response.status_code) == (204, 200)
        assert method in asked.headers["access-control-allow-methods"]
        for one in (asked, response):
            assert one.headers["access-control-allow-origin"] == APP
            assert one.headers["access-control-allow-credentials"] == "true"
            readable = one.headers["access-control-expose-headers"].split(", ")
            assert {"retry-after", "x-request-id", "x-thread-id"} <= set(readable)
            assert "Origin" in one.headers["vary"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_page_of_another_site_is_refused_with_a_reason(
    open_server: Any, method: str
) -> None:
    async with open_server(**SPLIT) as server:
        for path in ("/api/threads", "/api/auth/session"):
            response = await ask(server, method, path, CROSS_SITE)
            said = response.json()
            assert (response.status_code, said["error"]) == (403, "cross_site")
            assert "app.example.com and api.example.com" in said["message"]
            # The page may read it: it is a page of the operator's own.
            assert response.headers["access-control-allow-origin"] == APP
        assert server.app.scopes == []
        assert server.sessions.looked_up == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.chat.example",
        "https://chat.example",
        "http://app.chat.example",
        "https://app.chat.example:8443",
        "https://app.chat.example.evil.test",
        "null",
    ],
)
async def test_no_other_host_of_the_site_is_served(open_server: Any, origin: str) -> None:
    async with open_server(**SPLIT) as server:
        for method in ("GET", "POST", "OPTIONS"):
            headers = {"Origin": origin, "Sec-Fetch-Site": "same-site", **who(server)}
            response = await ask(server, method, "/api/threads", headers)
            assert response.status_code == 403
            assert "access-control-allow-origin" not in response.headers
        assert server.app.scopes == []


async def test_a_navigation_from_another_site_passes(open_server: Any) -> None:
    """A link in an email, or the redirect from an identity provider: no Origin, and a GET."""
    async with open_server(**SPLIT) as server:
        pending_connection = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (
            await ask(server, "GET", "/api/auth/callback/acme", pending_connection)
        ).status_code == 200


async def test_a_socket_opens_for_the_page_of_the_site_and_for_no_other(open_server: Any) -> None:
    async with open_server(**SPLIT) as server:
        token, session_id = server.sessions.issue()
        cookie = {"Cookie": f"__Host-chat_session={token}"}
        port = server.services.settings.port
        to = {"url": API.replace("https", "http"), "port": port}
        async with connect(**to, origin=APP, headers=cookie) as attacker:
            assert await attacker.receive() == "4hello"
        headers = dict(server.app.scopes[-1]["headers"])
        assert headers[b"authorization"] == str(session_id).encode()
        for origin, more in (
            ("https://evil.chat.example", {}),
            (APP, {"Sec-Fetch-Site": "cross-site"}),
        ):
            with pytest.raises(InvalidStatus):
                async with connect(**to, origin=origin, headers={**cookie, **more}):
                    pass
        assert len(server.app.scopes) == 1


OWN_PAGES = {"app_url": APP, "reflex_api_url": API}


@pytest.mark.parametrize("path", ["/", "/signin?callbackUrl=%2Fc", "/c/1", "/confirm"])
@pytest.mark.parametrize("has_session", [True, False])
async def test_a_page_is_found_where_the_pages_are(
    open_server: Any, path: str, has_session: bool
) -> None:
    async with open_server(**OWN_PAGES) as server:
        headers = who(server) if has_session else {}
        response = await ask(server, "GET", path, headers)
        assert (response.status_code, response.headers["location"]) == (303, APP + path)
        # Under the name of the pages it would lead to itself.
        wrong = {**headers, "Host": APP.removeprefix("https://")}
        assert (await server.client.get(path, headers=wrong)).status_code == 200
        assert len(server.app.scopes) == 1


async def test_what_is_no_page_is_not_sent_there(open_server: Any) -> None:
    async with open_server(**OWN_PAGES) as server:
        for path, status in (
            *(("/api/threads", 401), ("/api/auth/session", 200), ("/x.js", 200)),
            ("/api/docs", 200),
        ):
            assert (await ask(server, "GET", path, {})).status_code == status


async def test_our_own_pages_are_served_on_the_other_host_and_no_others(open_server: Any) -> None:
    async with open_server(**OWN_PAGES) as server:
        response = await ask(server, "POST", "/api/threads", {**SAME_SITE, **who(server)})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, APP)
        foreign = {**SAME_SITE, "Origin": "https://evil.chat.example", **who(server)}
        assert (await ask(server, "POST", "/api/threads", foreign)).status_code == 403
