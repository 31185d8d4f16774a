"""Every HTTP route as one Starlette app, and the health checks for whatever starts and watches it.

What no route serves below the prefixes of the API is a JSON 404 or 405.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Router
from starlette.types import Scope

from chat_app.api import (
    account,
    auth,
    chat,
    chat_defaults,
    email_flows,
    oauth,
    passkeys,
    step_up,
    threads,
    two_factor,
)
from chat_app.api.errors import CatchBugs, exception_handlers
from chat_app.api.responses import json_response
from chat_app.api.routing import Routes
from chat_app.core.errors import Unavailable
from chat_app.gateway.paths import WELL_KNOWN_PREFIX, is_api, is_under
from chat_app.services import NotReady, services

health_routes = Routes()

_NOT_READY: dict[NotReady, str] = {
    "draining": "The server is stopping.",
    "database": "The database does not answer.",
    "revision": "The database has the revision of another version of the program.",
}


@health_routes.public("GET", "/api/health", "/healthz")
async def health(_request: Request) -> dict[str, str]:
    """Liveness: the process answers, whatever its database does."""
    return {"status": "ok"}


@health_routes.public("GET", "/readyz")
async def ready(_request: Request) -> Response | dict[str, str]:
    """Readiness: the server is not stopping, and its database answers with the right revision."""
    reason = await services().readiness.check()
    if reason is None:
        return {"status": "ok", "writes": services().db.writes}
    body = {"error": Unavailable.code, "reason": reason, "message": _NOT_READY[reason]}
    return json_response(body, Unavailable.status)


routes = [
    *chat.routes,  # the first ones are found soonest
    *threads.routes,
    *auth.routes,
    *email_flows.routes,
    *oauth.routes,
    *account.routes,
    *chat_defaults.routes,
    *two_factor.routes,
    *passkeys.routes,
    *step_up.routes,
    *health_routes,
]


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
        routes=[*health_routes, _ApiRoutes("", app=Router(routes, redirect_slashes=False))],
        exception_handlers=exception_handlers,
        middleware=[Middleware(CatchBugs)],
    )
