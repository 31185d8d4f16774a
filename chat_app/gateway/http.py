"""The HTTP gateway: refuses a request, redirects it, or passes it on with its user resolved."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.api.families import ApiFamily
from chat_app.api.streaming import SEND_BODY
from chat_app.auth.keys.models import ResolvedKey
from chat_app.auth.keys.scopes import ApiKeyNotAllowed, InvalidApiKey
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import (
    ChatError,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from chat_app.gateway import cookies
from chat_app.gateway.connections import (
    CloseCode,
    ConnectionRegistry,
    GatewayTimeouts,
    PendingConnection,
    Quota,
)
from chat_app.gateway.errors import IncompleteBody, SlowBody, error_of, unauthenticated
from chat_app.gateway.headers import SecurityHeaders, content_type, without
from chat_app.gateway.paths import (
    EVENT_PATH,
    RouteKind,
    is_api,
    is_for_programs,
    moved_page,
)
from chat_app.gateway.request_context import RequestContext, header_values
from chat_app.gateway.responses import error_page, error_response
from chat_app.gateway.socket_arrivals import STATUS_PATH
from chat_app.gateway.sockets import client_token
from chat_app.settings import Settings

_SECRET_HEADERS = frozenset({b"cookie", b"authorization", b"x-api-key"})


class RequestBody:
    """The body of a request, as far as it may be read.

    Args:
        scope: The request.
        receive: The server's receive.
        limit: The largest body, in bytes.
        seconds: How long it may take to arrive, from its first read on.

    Attributes:
        error: Why it did not arrive whole, if it did not. The app has seen a disconnect then, but
            the client may still be there to be told.

    Raises:
        TooLarge: At once, when Content-Length is over the limit; from `receive`, when the body
            turns out to be.
    """

    def __init__(self, scope: Scope, receive: Receive, *, limit: int, seconds: float) -> None:
        for length in header_values(scope, b"content-length"):
            if not length.isdecimal() or int(length[:20]) > limit:
                raise _too_large(limit)
        self.error: ChatError | None = None
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._received = 0
        self._deadline: float | None = None
        self._is_complete = False

    async def receive(self) -> Message:
        """The next message of the request."""
        if self._is_complete:
            return await self._receive()
        if self.error is not None:
            return {"type": "http.disconnect"}
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.error = SlowBody()
            return {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            self.error = IncompleteBody()
            return message
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _too_large(self._limit)
        self._is_complete = not message.get("more_body", False)
        return message


def _is_handshake(context: RequestContext, scope: Scope) -> bool:
    """Whether a plain request is the handshake of a page's socket, without its upgrade."""
    is_socket = context.path.removesuffix("/") == EVENT_PATH and context.allowed_origin
    return bool(is_socket) and client_token(scope.get("query_string", b"")) is not None


def _key_error(context: RequestContext, key: ResolvedKey | None) -> ChatError | None:
    """Why a request with an API key is refused before any route is asked, if it is."""
    if key is None:
        return InvalidApiKey()
    is_for_keys = context.route is RouteKind.API and context.path != STATUS_PATH
    takes_keys = is_for_keys and "api_key" in context.family.credentials
    return None if takes_keys else ApiKeyNotAllowed()


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
    prefix = f"{cookies.full_name(settings, cookies.SESSION)}=".encode()

    async def send_renewed(message: Message) -> None:
        if message["type"] == "http.response.start" and not pending.is_outdated(session_id):
            headers = list(message.get("headers", []))
            if not any(
                key.lower() == b"set-cookie" and value.startswith(prefix) for key, value in headers
            ):
                cookie = cookies.write(
                    settings, cookies.SESSION, renewed.token, max_age=renewed.max_age
                )
                headers.append((b"set-cookie", cookie.encode()))
                message = {**message, "headers": headers}
        await send(message)

    return send_renewed


@dataclass(eq=False)
class StreamingRequest:
    """Runs one request, and can cut off its event stream.

    Where sessions are taken only event streams are registered: an ordinary response is short, and
    the one that reports the end of the session must still arrive. No other request can end its own
    credential, and a response with a whole answer takes long.

    Args:
        send: Sends the response.
        family: Has the form of the last event.
        credential_id: The session or API key of the request.
        connections: The registry of event streams.
        pending: Has recorded the revocations since the credential was resolved.
    """

    send: Send
    family: ApiFamily
    credential_id: UUID
    connections: ConnectionRegistry
    pending: PendingConnection
    _has_started: bool = field(default=False, init=False)
    _ended_by: ChatError | None = field(default=None, init=False)
    _streams: bool = field(default=False, init=False)
    _app_task: asyncio.Task[None] | None = field(default=None, init=False)
    _registration: ExitStack = field(default_factory=ExitStack, init=False)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the app until it has responded, or until `end`; the scope is changed."""
        scope[SEND_BODY] = self._send_through
        # A task of its own: the server's may be of a kind that cannot be cancelled.
        self._app_task = asyncio.create_task(app(scope, receive, self._send_through))  # pyright: ignore[reportArgumentType]
        with self._registration:
            if not self.family.takes_session:
                self._register()
            try:
                await self._app_task
            except asyncio.CancelledError:
                if self._ended_by is None:
                    raise
                path = scope["path"]
                if self._has_started:
                    last = self.family.error_event(path, self._ended_by)
                    await self.send({"type": "http.response.body", "body": last})
                else:
                    refusal = error_response(self._ended_by, path, self.family)
                    await refusal(scope, receive, self.send)
            finally:
                self._app_task.cancel()

    def end(self, code: int) -> None:
        """Let nothing more through, and finish the response where it is, unless all of it comes."""
        is_short = self._has_started and not self._streams
        if self._ended_by is not None or is_short or self._app_task is None:
            return
        if code != CloseCode.CREDENTIAL_ENDED:
            self._ended_by = Unavailable("The server is stopping.")
        else:
            self._ended_by = Unauthenticated() if self.family.takes_session else InvalidApiKey()
        self._app_task.cancel()

    def _register(self) -> None:
        self._registration.enter_context(self.connections.open(self))
        if self.credential_id in self.pending.revoked:
            self.end(CloseCode.CREDENTIAL_ENDED)

    async def _send_through(self, message: Message) -> None:
        if (
            message["type"] == "http.response.start"
            and content_type(message["headers"]) == b"text/event-stream"
        ):
            self._streams = True
            if self.family.takes_session:
                self._register()
        if self._ended_by is not None:
            return
        self._has_started = True
        await self.send(message)


@dataclass(frozen=True, slots=True)
class HttpGateway:
    """Passes a request to the app, or responds itself.

    The app finds in the scope: `principal` (None when anonymous), `session` and `session_token`
    (None with an API key too). A request has one credential: with a key no cookie is read. The
    headers of both are removed; only the routes for signing in get the other cookies, without the
    session's.

    Args:
        app: The app behind the gateway.
        settings: The settings.
        sessions: Resolves sessions.
        keys: Resolves API keys.
        headers: Sets the headers of every response.
        connections: The registry of event streams; counts what is open and what is refused.
        timeouts: How long the body of a request may take.
        requires_sign_in: Whether a page requires a session.
    """

    app: ASGIApp
    settings: Settings
    sessions: SessionService
    keys: ApiKeys
    headers: SecurityHeaders
    connections: ConnectionRegistry
    timeouts: GatewayTimeouts
    requires_sign_in: bool

    async def __call__(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Handle one request."""
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = self.headers.apply(context, message["status"], message.get("headers", []))
                message = {**message, "headers": headers}
            await send(message)

        error: ChatError | None = error_of(context)
        try:
            if isinstance(error, NotFound) and _is_handshake(context, scope):
                self.connections.arrivals.warn()
            if error is None and context.is_preflight:
                await Response(status_code=204)(scope, receive, send_with_headers)
            elif error is None:
                with self.connections.reserve(self._quotas(context)):
                    error = await self._handle(context, scope, receive, send_with_headers)
        except (RateLimited, TooLarge, Unavailable) as refusal:
            if started:
                raise
            error = refusal
        if error is not None and not started:
            await self._refused(context, error)(scope, receive, send_with_headers)

    def _quotas(self, context: RequestContext) -> list[Quota]:
        if context.limited_network is None or context.route is RouteKind.PROBE:
            return []
        limit = self.settings.connections_per_address
        return [Quota("connections", context.limited_network, limit)]

    async def _handle(
        self, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> ChatError | None:
        """Pass a request on, or respond to it.

        Returns:
            The error of its key or its body, to respond with if the app has not responded.
        """
        if context.route in (RouteKind.PROBE, RouteKind.ASSET, RouteKind.WELL_KNOWN):
            await self.app(self._inner_scope(context, scope, None), receive, send)
            return None
        with self.connections.pending() as pending:
            if context.api_keys:
                resolved = await pending.resolve_key(self.keys, context.api_keys[0])
                if error := _key_error(context, resolved):
                    return error
            else:
                # sign-in and account pages show the profile, which is not cached with its changes
                is_cached = context.route is RouteKind.API
                token = context.session_token
                resolved = await pending.resolve(self.sessions, token, cached=is_cached)
                send = with_renewed_cookie(send, resolved, pending, self.settings)
                response = self._response_to(context, resolved, scope)
                if response is not None:
                    await response(scope, receive, send)
                    return None
            limit, seconds = self.settings.request_bytes, self.timeouts.body
            body = RequestBody(scope, receive, limit=limit, seconds=seconds)
            inner = self._inner_scope(context, scope, resolved)
            if resolved is None:
                await self.app(inner, body.receive, send)
                return body.error
            user_id, credential_id = resolved.principal.user_id, resolved.principal.credential_id
            quota = Quota("requests", user_id, self.settings.requests_per_user)
            with self.connections.reserve([quota]):
                if context.route is RouteKind.API:
                    request = StreamingRequest(
                        send, context.family, credential_id, self.connections, pending
                    )
                    await request.run(self.app, inner, body.receive)
                else:
                    await self.app(inner, body.receive, send)
            return body.error

    def _response_to(
        self, context: RequestContext, resolved: ResolvedSession | None, scope: Scope
    ) -> Response | None:
        """The gateway's own response to a request with or without a session, if it has one."""
        if context.route is RouteKind.API and resolved is None:
            return self._refused(context, unauthenticated(context))
        if context.path == STATUS_PATH and context.method == "GET" and resolved is not None:
            return self._socket_status(resolved.principal.credential_id, scope)
        if self.requires_sign_in:
            location = self._redirect(context, resolved)
        else:
            location = self._page_elsewhere(context)
        return Response(status_code=303, headers={"location": location}) if location else None

    def _socket_status(self, session_id: UUID, scope: Scope) -> Response:
        """Tell a page without a socket whether its browser's sockets arrive here."""
        arrivals = self.connections.arrivals
        has_arrived = arrivals.has_arrived(session_id) or self.connections.has_socket(session_id)
        if not has_arrived and scope.get("query_string") == b"again":
            arrivals.warn()
        return JSONResponse({"socket": "arrived" if has_arrived else "missing"})

    def _refused(self, context: RequestContext, error: ChatError) -> Response:
        self.connections.refused[error.code] += 1
        if is_for_programs(context.path):
            return error_response(error, context.path, context.family)
        home = self.settings.url
        return error_page(error, context.path, context.family, host=context.host, url=home)

    def _redirect(self, context: RequestContext, resolved: ResolvedSession | None) -> str | None:
        """Where the browser is redirected instead of the page, if anywhere."""
        if context.route is RouteKind.PUBLIC_PAGE and resolved is not None:
            return "/"
        if context.route is RouteKind.PAGE and resolved is None:
            target = context.target
            return "/signin" if target == "/" else f"/signin?callbackUrl={quote(target, safe='')}"
        if context.route is RouteKind.PAGE:
            return moved_page(context.path, context.target)
        return None

    def _page_elsewhere(self, context: RequestContext) -> str | None:
        """Where a page is that was asked for under the URL of the API, which has none."""
        origin = f"{context.public_scheme}://{context.host.lower()}"
        is_page = context.route in (RouteKind.PUBLIC_PAGE, RouteKind.OPEN_PAGE, RouteKind.PAGE)
        is_page = is_page and not is_api(context.path)  # the description of the API is here
        if not is_page or origin != self.settings.api_origin:
            return None
        return self.settings.url + context.target

    def _inner_scope(
        self,
        context: RequestContext,
        scope: Scope,
        resolved: ResolvedSession | ResolvedKey | None,
    ) -> Scope:
        headers = without(scope["headers"], _SECRET_HEADERS)
        if passed := cookies.passed_on(context.route, context.cookies, self.settings):
            headers += [(b"cookie", passed.encode("latin-1"))]
        return context.public_scope(
            scope,
            headers=headers,
            principal=resolved.principal if resolved else None,
            session=resolved if isinstance(resolved, ResolvedSession) else None,
            session_token=context.session_token,
        )
