"""The API's routes behind a gateway of ten lines, and a browser that keeps its cookies."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app import services
from chat_app.api import account, auth
from chat_app.api.errors import CatchBugs, exception_handlers
from chat_app.api.requests import current_principal, fresh
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.gateway import cookies
from chat_app.gateway.paths import route_kind
from testing.auth_services import AuthHarness, auth_harness
from testing.database import DatabaseUnderTest
from testing.pictures import png

JSON = {"X-Auth-Return-Redirect": "1"}


class FakeGateway:
    """Does what the gateway does for these routes: resolves the session, and removes cookies."""

    def __init__(self, app: ASGIApp, harness: AuthHarness) -> None:
        self.app, self.harness = app, harness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self.harness.settings
        pairs = cookies.parse(scope["headers"])
        token = cookies.first(pairs, settings, cookies.SESSION)
        found = await self.harness.sessions.resolve(token) if token else None
        who = {"principal": found.principal if found else None, "session": found}
        rest = cookies.passed_on(route_kind(scope["path"]), pairs, settings).encode()
        headers = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
        scope = {**scope, **who, "session_token": token, "headers": [*headers, (b"cookie", rest)]}
        await self.app(scope, receive, send)


def browser(
    harness: AuthHarness,
    address: str = "192.0.2.7",
    *,
    routes: Sequence[BaseRoute] = auth.routes,
    **headers: str,
) -> httpx.AsyncClient:
    """A browser of its own."""
    app = Starlette(
        routes=routes, exception_handlers=exception_handlers, middleware=[Middleware(CatchBugs)]
    )
    transport = httpx.ASGITransport(FakeGateway(app, harness), client=(address, 50_000))
    home = harness.settings.url
    return httpx.AsyncClient(
        transport=transport, base_url=home, headers={"Origin": home, **headers}
    )


@contextlib.asynccontextmanager
async def auth_api_harness(database: DatabaseUnderTest, **given: Any) -> AsyncIterator[AuthHarness]:
    """A harness whose parts are the services of the process."""
    async with auth_harness(database, **given) as harness:
        services.install(cast(services.Services, harness))
        try:
            yield harness
        finally:
            services.install(None)


def error_of(answer: httpx.Response) -> dict[str, str]:
    """The query of the URL that a refusal points to."""
    return dict(httpx.URL(answer.json()["url"]).params)


@contextlib.contextmanager
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The whole log, also when another test has set the program's own logger up."""
    ours = logging.getLogger("chat_app")
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.DEBUG):
        if caplog.handler not in ours.handlers:  # pytest's own way to a logger that keeps to itself
            patch.setattr(ours, "propagate", True)
        yield caplog


@fresh
async def sensitive(request: Request, principal: Principal) -> Response:
    """Something that asks for a fresh proof."""
    return Response(str(principal == current_principal(request)))


ROUTES = [*account.routes, Route("/api/sensitive", sensitive, methods=["POST"])]


async def signed_in(
    harness: AuthHarness, user_id: UUID, issued: IssuedSession | None = None, **given: Any
) -> httpx.AsyncClient:
    """A browser in which a person has signed in."""
    issued = issued or await harness.sign_in(user_id, **given)
    name = cookies.full_name(harness.settings, cookies.SESSION)
    return browser(harness, routes=ROUTES, Cookie=f"{name}={issued.token}")


PNG = png()
