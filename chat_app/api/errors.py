"""Error responses: problem details for programs, a plain page for a browser's navigation.

`CatchBugs` wraps a Starlette app's routes and handles bugs too. Starlette's own place for those
(`exception_handlers[Exception]`) raises them again, and the server would log their text.
"""

import html

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app import audit
from chat_app.api.families import family_of
from chat_app.auth.errors import FAILURES, TooManyAttempts, error_code_of
from chat_app.auth.keys.scopes import (
    ApiKeyNotAllowed,
    InsufficientScope,
    InvalidApiKey,
    InvalidCloudToken,
    SeveralCredentials,
)
from chat_app.core.errors import ChatError, NotFound
from chat_app.core.logging import log_security_event, log_unexpected_error
from chat_app.services import services

NO_STORE = {"Cache-Control": "private, no-cache, no-store"}
"""For every response that depends on the user."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{message}</title>
<h1>{message}</h1>
<p><a href="/">Back to the chats</a></p>
</html>
"""


class InternalError(ChatError):
    """A bug.

    Args:
        error_id: The short id under which it was logged.
    """

    code = "internal"
    status = 500

    def __init__(self, error_id: str) -> None:
        super().__init__(f"Something went wrong on the server (code {error_id}).")


class MethodNotAllowed(ChatError):
    """The path exists, but not for this method."""

    code = "method"
    status = 405

    def __init__(self) -> None:
        super().__init__("Method not allowed.")


def error_response(request: Request, error: ChatError) -> Response:
    """The response to a request that ended in an error."""
    if wants_page(request):
        page = _PAGE.format(message=html.escape(error.message))
        return HTMLResponse(page, error.status, {**NO_STORE, **error_headers(error)})
    return _described(request, error)


def _described(request: Request, error: ChatError) -> Response:
    headers = {**NO_STORE, **error_headers(error)}
    return family_of(request.scope).error_response(error, headers)


def error_headers(error: ChatError) -> dict[str, str]:
    """The headers that belong to an error, whoever responds with it."""
    if seconds := getattr(error, "retry_after", None):
        return {"Retry-After": str(seconds)}
    challenge = _challenge(error)
    return {"WWW-Authenticate": challenge} if challenge else {}


def _challenge(error: ChatError) -> str:
    """What the client is told of how to authenticate (RFC 6750 §3); empty for other errors.

    Every 401 needs a challenge (RFC 9110 §15.5.2). Browsers ignore this scheme, and an error is
    named only if the request had a key.
    """
    match error:
        case InvalidApiKey() | InvalidCloudToken():
            return 'Bearer error="invalid_token"'
        case InsufficientScope():
            return f'Bearer error="insufficient_scope", scope="{error.scope}"'
        case ApiKeyNotAllowed():
            return 'Bearer error="insufficient_scope"'  # no scope would do
        case SeveralCredentials():
            return 'Bearer error="invalid_request"'
        case _:
            return "Bearer" if error.status == 401 else ""


def log_failure(request: Request, error: ChatError) -> None:
    """Log an authentication that failed or was not tried, and count it for the audit log."""
    if not isinstance(error, (TooManyAttempts, *FAILURES)):
        return
    client = request.client.host if request.client else ""
    event = "locked_out" if isinstance(error, TooManyAttempts) else "sign_in_failed"
    code = error_code_of(error)
    log_security_event(event, error=code, path=request.url.path, client=client)
    live = services()
    live.failed_sign_ins.add(event, code, audit.Origin.of_client(client), live.clock())


def wants_page(request: Request) -> bool:
    """Whether the response is shown as a page: a browser navigates, or posts a form natively."""
    is_html = "text/html" in request.headers.get("accept", "")
    return is_html and not wants_url(request) and family_of(request.scope).takes_session


def wants_url(request: Request) -> bool:
    """Whether a script posted a form and follows the `url` of the response (Auth.js's header)."""
    return "x-auth-return-redirect" in request.headers


async def handle_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for `ChatError`, and for its own error: no such route or method.

    An unknown route or method is no page whatever the client accepts: users open pages only.
    """
    if isinstance(error, HTTPException):
        is_method = error.status_code == 405
        wrong = MethodNotAllowed() if is_method else NotFound()
        response = _described(request, wrong)
        response.headers.update(error.headers or {})
        return response
    if not isinstance(error, ChatError):
        raise error
    log_failure(request, error)
    return error_response(request, error)


exception_handlers = {ChatError: handle_error, HTTPException: handle_error}
"""For `Starlette(exception_handlers=…)`."""


class CatchBugs:
    """ASGI middleware: a bug becomes an error with a code, and only its place is logged.

    Args:
        app: The wrapped app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch_send)
        except ClientDisconnect:
            return
        except Exception as error:
            bug = InternalError(log_unexpected_error(error, f"a {scope['method']} route"))
            if started:
                raise bug from None
            await error_response(Request(scope), bug)(scope, receive, send)
