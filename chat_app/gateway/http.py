"""The HTTP gateway: refuses a request, redirects it, or passes it on with its user resolved."""

from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth.cloud_tokens import CloudTokens, is_cloud_token
from chat_app.auth.keys.models import ResolvedKey
from chat_app.auth.keys.scopes import ApiKeyNotAllowed, InvalidApiKey, InvalidCloudToken
from chat_app.auth.keys.service import ApiKeys
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import (
    ChatError,
    NotFound,
    RateLimited,
    TooLarge,
    Unavailable,
)
from chat_app.gateway import cookies
from chat_app.gateway.admitted import AdmittedCredential, RequestBody, StreamingRequest
from chat_app.gateway.connections import (
    ConnectionRegistry,
    GatewayTimeouts,
    PendingConnection,
    Quota,
)
from chat_app.gateway.errors import error_of, unauthenticated
from chat_app.gateway.headers import SecurityHeaders, without
from chat_app.gateway.paths import (
    EVENT_PATH,
    RouteKind,
    is_api,
    is_for_programs,
    moved_page,
)
from chat_app.gateway.request_context import RequestContext
from chat_app.gateway.responses import error_page, error_response
from chat_app.gateway.socket_arrivals import STATUS_PATH
from chat_app.gateway.sockets import client_token
from chat_app.settings import Settings

_SECRET_HEADERS = frozenset({b"cookie", b"authorization", b"x-api-key"})


_OWN_PAGES = (RouteKind.PAGE, RouteKind.ADMIN_PAGE, RouteKind.NO_PAGE)
_PAGES = (RouteKind.PUBLIC_PAGE, RouteKind.OPEN_PAGE, *_OWN_PAGES)
_MISSING = "/-"
"""A path without a page."""


def _is_hidden(context: RequestContext, resolved: ResolvedSession | ResolvedKey | None) -> bool:
    """Whether a page is for others, or not offered: it is answered as one that is not there."""
    if context.route is RouteKind.ADMIN_PAGE:
        return resolved is None or resolved.principal.site_role != "admin"
    return context.route is RouteKind.NO_PAGE


def _is_handshake(context: RequestContext, scope: Scope) -> bool:
    """Whether a plain request is the handshake of a page's socket, without its upgrade."""
    is_socket = context.path.removesuffix("/") == EVENT_PATH and context.allowed_origin
    return bool(is_socket) and client_token(scope.get("query_string", b"")) is not None


def _takes_token(context: RequestContext) -> bool:
    """Whether a request is judged by its token for AssistantCloud, and not by an API key."""
    takes_tokens = "cloud_token" in context.family.credentials
    return takes_tokens and is_cloud_token(context.api_keys[0])


def _key_error(context: RequestContext, key: ResolvedKey | None) -> ChatError | None:
    """Why a request with an API key is refused before any route is asked, if it is."""
    if key is None:
        return InvalidCloudToken() if _takes_token(context) else InvalidApiKey()
    is_for_keys = context.route is RouteKind.API and context.path != STATUS_PATH
    takes_keys = is_for_keys and "api_key" in context.family.credentials
    return None if takes_keys else ApiKeyNotAllowed()


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
        cloud_tokens: Resolves the tokens of AssistantCloud's client.
        headers: Sets the headers of every response.
        connections: The registry of event streams; counts what is open and what is refused.
        timeouts: How long the body of a request may take.
        requires_sign_in: Whether a page requires a session.
    """

    app: ASGIApp
    settings: Settings
    sessions: SessionService
    keys: ApiKeys
    cloud_tokens: CloudTokens
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
                credentials = self.cloud_tokens if _takes_token(context) else self.keys
                resolved = await pending.resolve_key(credentials, context.api_keys[0])
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
            principal = resolved.principal if resolved else None
            credential = AdmittedCredential(principal, self.connections, pending)
            limit, seconds = self.settings.request_bytes, self.timeouts.body
            body = RequestBody(scope, receive, limit=limit, seconds=seconds, credential=credential)
            inner = self._inner_scope(context, scope, resolved)
            if resolved is None:
                await self.app(inner, body.receive, send)
                return body.error
            limit = self.settings.requests_per_user
            quota = Quota("requests", resolved.principal.user_id, limit)
            with self.connections.reserve([quota]):
                if context.route is RouteKind.API:
                    request = StreamingRequest(send, context.family, credential)
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
        if context.route in _OWN_PAGES and resolved is None:
            target = context.target
            return "/signin" if target == "/" else f"/signin?callbackUrl={quote(target, safe='')}"
        if context.route is RouteKind.PAGE:
            return moved_page(context.path, context.target)
        return None

    def _page_elsewhere(self, context: RequestContext) -> str | None:
        """Where a page is that was asked for under the URL of the API, which has none."""
        origin = f"{context.public_scheme}://{context.host.lower()}"
        is_page = context.route in _PAGES
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
        path = {"path": _MISSING, "raw_path": _MISSING.encode()}
        return context.public_scope(
            scope,
            **(path if _is_hidden(context, resolved) else {}),
            headers=headers,
            principal=resolved.principal if resolved else None,
            session=resolved if isinstance(resolved, ResolvedSession) else None,
            session_token=context.session_token,
        )
