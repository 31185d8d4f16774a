"""The HTTP gateway: refuses a request, redirects it, or passes it on with its session resolved."""

import asyncio
from contextlib import ExitStack
from urllib.parse import quote
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth.sessions.models import ResolvedSession
from chat_app.core.errors import TooLarge
from chat_app.gateway import cookies
from chat_app.gateway.connections import SESSION_ENDED, ConnectionRegistry, PendingConnection
from chat_app.gateway.headers import SecurityHeaders, content_type, cors, preflight, without
from chat_app.gateway.origins import UNSAFE_METHODS
from chat_app.gateway.paths import RouteKind, is_api, is_for_programs
from chat_app.gateway.ports import LOOKUP_ERRORS, GatewayServices
from chat_app.gateway.request_context import RequestContext, header_values
from chat_app.gateway.responses import (
    CROSS_SITE,
    FOREIGN_ORIGIN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_HOST,
    GatewayError,
    respond,
    respond_error,
    respond_page,
)
from chat_app.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_SECRET_HEADERS = frozenset({b"cookie", b"authorization"})


def limit_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """A receive that refuses to read a body over a limit.

    Args:
        scope: The request.
        receive: Reads the body.
        limit: The largest body, in bytes.

    Raises:
        TooLarge: At once, when Content-Length is over the limit; from the returned receive, when
            the body turns out to be.
    """
    for length in header_values(scope, b"content-length"):
        if not length.isdecimal() or int(length[:20]) > limit:
            raise _too_large(limit)
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
        return message

    return receive_limited


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request is too large; the limit is {limit:,} bytes.")


def with_renewed_cookie(
    send: Send, resolved: ResolvedSession | None, pending: PendingConnection, settings: Settings
) -> Send:
    """A send that sets the session cookie to the renewed token.

    Not when the response itself sets that cookie, and not when the session was revoked or got
    another token meanwhile: then the browser may hold a newer one by now.

    Args:
        send: Sends the response.
        resolved: The session of the request; None when anonymous.
        pending: Has recorded the signals since the session was resolved.
        settings: Decide the cookie's name and attributes.
    """
    if resolved is None or resolved.renewed is None:
        return send
    renewed, session_id = resolved.renewed, resolved.principal.credential_id
    name = cookies.session_name(settings)
    prefix = f"{name}=".encode()

    async def send_renewed(message: Message) -> None:
        if message["type"] == "http.response.start" and not pending.is_outdated(session_id):
            headers = list(message.get("headers", []))
            if not any(
                key.lower() == b"set-cookie" and value.startswith(prefix) for key, value in headers
            ):
                value = cookies.write(settings, name, renewed.token, max_age=renewed.max_age)
                headers.append((b"set-cookie", value.encode()))
                message = {**message, "headers": headers}
        await send(message)

    return send_renewed


class StreamingRequest:
    """Runs one request, and can cut off its event stream.

    Only event streams are registered: an ordinary response is short, and the one that reports the
    end of the session must still arrive.

    Args:
        send: Sends the response.
        session_id: The session of the request.
        client_network: The network of the client.
        connections: The registry of event streams.
        pending: Has recorded the revocations since the session was resolved.
    """

    def __init__(
        self,
        send: Send,
        *,
        session_id: UUID,
        client_network: str,
        connections: ConnectionRegistry,
        pending: PendingConnection,
    ) -> None:
        self.session_id = session_id
        self.client_network = client_network
        self._send = send
        self._connections = connections
        self._pending = pending
        self._started = False
        self._ended = False
        self._app_task: asyncio.Task[None] | None = None
        self._registration = ExitStack()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the app until it has responded, or until `end`."""
        # A task of its own: the server's may be of a kind that cannot be cancelled.
        self._app_task = asyncio.create_task(app(scope, receive, self._send_through))  # pyright: ignore[reportArgumentType]
        with self._registration:
            try:
                await self._app_task
            except asyncio.CancelledError:
                if not self._ended:
                    raise
                await self._finish()
            finally:
                self._app_task.cancel()

    def end(self, code: int) -> None:
        """Let nothing more through, and finish the response where it is."""
        if not self._ended and self._app_task is not None:
            self._ended = True
            self._app_task.cancel()

    async def _finish(self) -> None:
        if self._started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await respond_error(self._send, UNAUTHENTICATED)

    async def _send_through(self, message: Message) -> None:
        if (
            message["type"] == "http.response.start"
            and content_type(message["headers"]) == b"text/event-stream"
        ):
            self._registration.enter_context(self._connections.open(self))
            if self._pending.is_revoked(self.session_id):
                self.end(SESSION_ENDED)
        if self._ended:
            return
        self._started = True
        await self._send(message)


class HttpGateway:
    """Passes a request to the app, or responds itself.

    The app finds in the scope: `principal`, `session` (both None when anonymous) and
    `session_token`. Cookie and Authorization headers are removed; only the routes for signing in
    get the other cookies, without the session's.

    Args:
        app: The app behind the gateway.
        services: The settings, and the sessions.
        headers: Sets the headers of every response.
        connections: The registry of event streams; counts what is refused.
        requires_sign_in: Whether a page requires a session.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: GatewayServices,
        headers: SecurityHeaders,
        connections: ConnectionRegistry,
        *,
        requires_sign_in: bool,
    ) -> None:
        self._app = app
        self._settings = services.settings
        self._sessions = services.sessions
        self._headers = headers
        self._connections = connections
        self._requires_sign_in = requires_sign_in

    async def __call__(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Handle one request."""
        is_preflight = context.method == "OPTIONS"
        cors_headers = (
            (preflight if is_preflight else cors)(context.allowed_origin)
            if context.allowed_origin
            else []
        )
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = self._headers.apply(
                    context.route,
                    context.path,
                    message["status"],
                    message.get("headers", []),
                    cors_headers,
                )
                message = {**message, "headers": headers}
            await send(message)

        error = _error_of(context)
        if error is not None:
            await self._refuse(context, send_with_headers, error)
        elif is_preflight:
            await respond(send_with_headers, 204)
        else:
            try:
                await self._handle(context, scope, receive, send_with_headers)
            except TooLarge as too_large:
                if started:
                    raise
                error = GatewayError(too_large.code, too_large.status, too_large.message)
                await self._refuse(context, send_with_headers, error)

    async def _refuse(self, context: RequestContext, send: Send, error: GatewayError) -> None:
        self._connections.refused[error.code] += 1
        if is_for_programs(context.path):
            await respond_error(send, error)
        else:
            await respond_page(send, error, host=context.host, url=self._settings.url)

    async def _handle(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if context.route in (RouteKind.PROBE, RouteKind.ASSET, RouteKind.WELL_KNOWN):
            await self._app(self._inner_scope(context, scope, None), receive, send)
            return
        with self._connections.pending() as pending:
            try:
                token = context.session_token
                resolved = await self._sessions.resolve(token) if token else None
            except LOOKUP_ERRORS:
                await self._refuse(context, send, UNAVAILABLE)
                return
            if resolved is not None and pending.is_revoked(resolved.principal.credential_id):
                resolved = None
            send = with_renewed_cookie(send, resolved, pending, self._settings)
            if context.route is RouteKind.API and resolved is None:
                await self._refuse(context, send, UNAUTHENTICATED)
            elif (location := self._redirect(context, resolved)) is not None:
                await respond(send, 303, headers=[(b"location", location.encode())])
            else:
                await self._pass(context, scope, receive, send, resolved, pending)

    def _redirect(self, context: RequestContext, resolved: ResolvedSession | None) -> str | None:
        """Where the browser is redirected instead of the page, if anywhere."""
        if not self._requires_sign_in:
            return None
        if context.route is RouteKind.PUBLIC_PAGE and resolved is not None:
            return "/"
        if context.route is RouteKind.PAGE and resolved is None:
            target = context.target
            return "/signin" if target == "/" else f"/signin?callbackUrl={quote(target, safe='')}"
        return None

    async def _pass(
        self,
        context: RequestContext,
        scope: Scope,
        receive: Receive,
        send: Send,
        resolved: ResolvedSession | None,
        pending: PendingConnection,
    ) -> None:
        receive = limit_body(scope, receive, self._settings.request_bytes)
        inner = self._inner_scope(context, scope, resolved)
        if context.route is not RouteKind.API or resolved is None:
            await self._app(inner, receive, send)
            return
        request = StreamingRequest(
            send,
            session_id=resolved.principal.credential_id,
            client_network=context.client_network,
            connections=self._connections,
            pending=pending,
        )
        await request.run(self._app, inner, receive)

    def _inner_scope(
        self, context: RequestContext, scope: Scope, resolved: ResolvedSession | None
    ) -> Scope:
        headers = without(scope["headers"], _SECRET_HEADERS)
        if context.route is RouteKind.AUTH:
            others = cookies.without_session(context.cookies, self._settings)
            headers += [(b"cookie", others.encode("latin-1"))] if others else []
        return context.public_scope(
            scope,
            headers=headers,
            principal=resolved.principal if resolved else None,
            session=resolved,
            session_token=context.session_token,
        )


def _error_of(context: RequestContext) -> GatewayError | None:
    """The error of a request that does not depend on its session, or None."""
    method = context.method
    if context.route is RouteKind.PROBE and method in _SAFE_METHODS:
        return None
    if context.public_scheme is None:
        return UNKNOWN_HOST
    if context.route is RouteKind.CLOSED:
        return NOT_FOUND
    if not context.is_origin_allowed:
        return FOREIGN_ORIGIN
    # A preflight passes: its response shows nothing.
    if context.origin == "ours" and method != "OPTIONS" and context.is_cross_site:
        return CROSS_SITE
    if method in _SAFE_METHODS or method == "OPTIONS":
        return None
    return None if method in UNSAFE_METHODS and is_api(context.path) else METHOD_NOT_ALLOWED
