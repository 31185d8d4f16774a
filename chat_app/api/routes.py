"""Every HTTP route as one Starlette app, their description, and the health checks.

What no route serves below the prefixes of the API is a JSON 404 or 405.
"""

from functools import cache
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from chat_app.api import (
    account,
    ag_ui,
    anthropic_messages,
    api_keys,
    assistant_cloud,
    audit,
    auth,
    chat,
    chat_completions,
    chat_defaults,
    client_reports,
    cloud_tokens,
    compaction,
    email_flows,
    mcp,
    messages,
    model_responses,
    oauth,
    organisations,
    passkeys,
    provider_models,
    setup,
    step_up,
    threads,
    two_factor,
    usage,
)
from chat_app.api.docs_page import docs_page, problem_kinds
from chat_app.api.errors import CatchBugs, exception_handlers
from chat_app.api.families import is_under
from chat_app.api.openapi import document
from chat_app.api.responses import ResponseModel, json_response
from chat_app.api.routing import ApiRoute, Routes
from chat_app.core.errors import Unavailable
from chat_app.gateway import cookies
from chat_app.gateway.paths import (
    API_DESCRIPTION,
    API_DOCS,
    WELL_KNOWN_PREFIX,
    is_api,
)
from chat_app.services import NotReady, services

health_routes = Routes()

_NOT_READY: dict[NotReady, str] = {
    "draining": "The server is stopping.",
    "database": "The database does not answer.",
    "revision": "The database has the revision of another version of the program.",
}


class Liveness(ResponseModel):
    """The process answers."""

    status: Literal["ok"]


@health_routes.public("GET", "/api/health", "/healthz", response=Liveness)
async def health(_request: Request) -> Liveness:
    """Liveness: the process answers, whatever its database does."""
    return Liveness(status="ok")


@health_routes.public("GET", "/readyz")
async def ready(_request: Request) -> Response | dict[str, str]:
    """Readiness: the server is not stopping, and its database answers with the right revision."""
    reason = await services().readiness.check()
    if reason is None:
        return {"status": "ok", "writes": services().db.writes}
    body = {"error": Unavailable.code, "reason": reason, "message": _NOT_READY[reason]}
    return json_response(body, Unavailable.status)


description_routes = Routes()


@description_routes.public("GET", API_DESCRIPTION, response=dict[str, Any])
async def describe(_request: Request) -> dict[str, Any]:
    """This description of the API, as an OpenAPI document."""
    return _document(cookies.full_name(services().settings, cookies.SESSION))


@description_routes.public("GET", API_DOCS, media_type="text/html")
async def docs(_request: Request) -> Response:
    """This description of the API, as a page."""
    return HTMLResponse(_page(cookies.full_name(services().settings, cookies.SESSION)))


@cache
def _document(session_cookie: str) -> dict[str, Any]:
    return document(routes, session_cookie=session_cookie)


@cache
def _page(session_cookie: str) -> str:
    return docs_page(_document(session_cookie), problem_kinds())


routes: list[ApiRoute] = [
    *chat.routes,  # the first ones are found soonest
    *ag_ui.routes,
    *threads.routes,
    *messages.routes,
    *compaction.routes,
    *chat_completions.routes,
    *model_responses.routes,
    *anthropic_messages.routes,
    *provider_models.routes,
    *mcp.routes,
    *auth.routes,
    *email_flows.routes,
    *oauth.routes,
    *account.routes,
    *audit.routes,
    *organisations.routes,
    *chat_defaults.routes,
    *usage.routes,
    *two_factor.routes,
    *passkeys.routes,
    *api_keys.routes,
    *step_up.routes,
    *setup.routes,
    *cloud_tokens.routes,
    *assistant_cloud.routes,
    *client_reports.routes,
    *description_routes,
    *health_routes,
]


class _ApiRouter(Router):
    """Refuses an unknown method with all that the path has, in whatever routes they are."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            await super().app(scope, receive, send)
        except HTTPException as error:
            if error.status_code == 405:
                error.headers = {"Allow": ", ".join(sorted(self._methods(scope)))}
            raise

    def _methods(self, scope: Scope) -> set[str]:
        matching = [
            route
            for route in self.routes
            if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE
        ]
        return {method for route in matching for method in route.methods or ()}


class _ApiRoutes(Mount):
    """Every path below the prefixes of the API, with a route or without."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match by the prefixes alone, and leave the path to the router inside."""
        if is_api(scope["path"]) or is_under(scope["path"], WELL_KNOWN_PREFIX):
            return Match.FULL, {"endpoint": self.app}
        return Match.NONE, {}


def http_app() -> Starlette:
    """The routes, with errors as JSON or as pages."""
    return Starlette(
        routes=[*health_routes, _ApiRoutes("", app=_ApiRouter(routes, redirect_slashes=False))],
        exception_handlers=exception_handlers,
        middleware=[Middleware(CatchBugs)],
    )
