"""Calls every HTTP route through the gateway, and says what a response tells."""

from collections.abc import Mapping
from typing import Any

import httpx

from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from chat_app.services import Services, services
from testing.canary_users import (
    CANARY,
    CREDENTIAL_HEADERS,
    CanaryUser,
    credential_headers,
    everything_in,
)
from testing.route_cases import CASES, code_of

COOKIE, *KEY_HEADERS = CREDENTIAL_HEADERS

Verdict = tuple[int, str | None]
"""The status of a response, and the code of an error."""


class Caller:
    """Calls the routes through the gateway, and looks for another user's canary in each response.

    Args:
        live: The services, which are installed.
        user: Whose ids are in the requests.
        headers: The credential; the user's session cookie when None.
        client_ip: Where the requests come from.
    """

    def __init__(
        self,
        live: Services,
        user: CanaryUser,
        headers: Mapping[str, str] | None = None,
        client_ip: str = "127.0.0.1",
    ) -> None:
        self.user = user
        self._hides = "" if user.email.startswith(CANARY) else CANARY
        home = live.settings.url
        if headers is None:
            headers = credential_headers(live, COOKIE, user.token)
        transport = httpx.ASGITransport(
            Gateway(http_app(), services=services), client=(client_ip, 50_000)
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=home,
            headers={"Origin": home, "X-Auth-Return-Redirect": "1", **headers},
        )

    async def call(self, method: str, path: str, **ids: str) -> httpx.Response:
        """Call a route.

        Args:
            method: Its method.
            path: Its path.
            ids: Ids in the place of the user's, by kind.
        """
        case = CASES[method, path]
        _, path, body = case.request(method, path, {**self.user.ids, **ids}, self.user.email)
        return await self.send(method, path, **body)

    async def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Send any request."""
        response = await self._http.request(method, path, **body)
        self._http.cookies.clear()
        if self._hides:
            assert self._hides not in everything_in(response), (method, path)
        return response


def verdict(response: httpx.Response) -> Verdict:
    is_json = response.headers.get("content-type", "").endswith("json")
    is_error = response.status_code >= 400 and is_json and "error" in response.json()
    return response.status_code, code_of(response) if is_error else None


def is_as_expected(expected: Verdict | int, response: httpx.Response) -> bool:
    return expected in (response.status_code, verdict(response))
