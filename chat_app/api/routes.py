"""Every route, as one app."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from chat_app.api import (
    account,
    auth,
    authjs,
    chat,
    connections,
    email_flows,
    health,
    oauth,
    passkeys,
    step_up,
    threads,
    two_factor,
)
from chat_app.api.errors import CatchBugs, exception_handlers

routes = [
    *auth.routes,
    *authjs.routes,
    *email_flows.routes,
    *oauth.routes,
    *account.routes,
    *connections.routes,
    *two_factor.routes,
    *passkeys.routes,
    *step_up.routes,
    *chat.routes,
    *threads.routes,
    *health.routes,
]


def http_face() -> Starlette:
    """The routes, with errors answered as sentences."""
    return Starlette(
        routes=list(routes),
        exception_handlers=exception_handlers,
        middleware=[Middleware(CatchBugs)],
    )
