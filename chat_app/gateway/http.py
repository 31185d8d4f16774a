"""How much a request may bring along."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.core.errors import TooLarge
from chat_app.core.network import client_network_of
from chat_app.gateway import cookies
from chat_app.gateway.asgi import header_values, only_header, respond, respond_error, without
from chat_app.gateway.connections import SESSION_ENDED, ConnectionRegistry, PendingConnection
from chat_app.gateway.headers import content_type, cors, preflight
from chat_app.gateway.origins import UNSAFE_METHODS, is_cross_site
from chat_app.gateway.pages import UNKNOWN_HOST, unavailable_page, unknown_host_page
from chat_app.gateway.paths import API, RouteKind, is_under, route_kind
from chat_app.gateway.ports import LOOKUP_ERRORS, GatewayServices, ResolvedSessionPort
from chat_app.gateway.request_context import RequestRules, relative_target
from chat_app.settings import Settings


def limit_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """A receive that refuses to read more than a limit.

    Args:
        scope: The request.
        receive: Where its body comes from.
        limit: The largest body, in bytes.

    Raises:
        TooLarge: At once, when the request says that it is larger; from the returned receive,
            when it turns out to be.
    """
    for said in header_values(scope, b"content-length"):
        if not said.isdecimal() or int(said[:20]) > limit:
            raise _too_large(limit)
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit)
        return message

    return receive_some


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"A request may hold {limit:,} bytes.")


def with_renewed_cookie(
    send: Send, resolved: ResolvedSessionPort | None, pending: PendingConnection, settings: Settings
) -> Send:
    """Put a renewed token into the cookie of the answer.

    Not when the answer itself says what the cookie shall hold, and not when the session ended or
    got another token while the request was under way: then the browser may have a newer one by now.

    Args:
        send: Takes the answer.
        visit: Who asks; None for nobody.
        arrival: Heard what ended or was replaced since the look-up.
        settings: Decide the cookie's name and attributes.
    """
    if resolved is None or resolved.renewed is None:
        return send
    renewed, session_id = resolved.renewed, resolved.principal.credential_id
    name = cookies.session_name(settings)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and not pending.is_outdated(session_id):
            headers = list(message.get("headers", []))
            if not any(_sets(key, value, name) for key, value in headers):
                value = cookies.write(settings, name, renewed.token, max_age=renewed.max_age)
                headers.append((b"set-cookie", value.encode()))
                message = {**message, "headers": headers}
        await send(message)

    return sending


def _sets(key: bytes, value: bytes, name: str) -> bool:
    return key.lower() == b"set-cookie" and value.startswith(f"{name}=".encode())


class StreamingRequest:
    """Runs one request and can cut its answer off.

    Only an event stream is registered: an ordinary answer is short, and the one that tells a
    person that the session is over must still reach them.

    Args:
        send: Where the answer goes.
        session_id: The session that asked.
        household: What a limit per address counts it under.
        live: Where open streams are registered.
        arrival: Has heard what ended since the session was looked up.
    """

    def __init__(
        self,
        send: Send,
        *,
        session_id: UUID,
        client_network: str,
        live: ConnectionRegistry,
        pending: PendingConnection,
    ) -> None:
        self.session_id = session_id
        self.client_network = client_network
        self._send = send
        self._live = live
        self._pending = pending
        self._started = False
        self._ended = False
        self._inner: asyncio.Future[None] | None = None
        self._registered = ExitStack()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Let the app answer until it is done, or `end` is called."""
        self._inner = asyncio.ensure_future(app(scope, receive, self._outward))
        with self._registered:
            try:
                await self._inner
            except asyncio.CancelledError:
                if not self._ended:
                    raise
                await self._finish()
            finally:
                self._inner.cancel()

    def end(self, code: int) -> None:
        """Let nothing more through, now, and close the answer where it is."""
        if not self._ended and self._inner is not None:
            self._ended = True
            self._inner.cancel()

    async def _finish(self) -> None:
        if self._started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await respond_error(self._send, 401, "unauthenticated", "Sign in first.")

    async def _outward(self, message: Message) -> None:
        if (
            message["type"] == "http.response.start"
            and content_type(message["headers"]) == b"text/event-stream"
        ):
            self._registered.enter_context(self._live.open(self))
            if self._pending.missed(self.session_id):
                self.end(SESSION_ENDED)
        if self._ended:
            return
        self._started = True
        await self._send(message)


_READING = frozenset({"GET", "HEAD"})
_SECRETS = frozenset({b"cookie", b"authorization"})


@dataclass(frozen=True, slots=True)
class _Denial:
    reason: str
    status: int
    message: str


_WRONG_HOST = _Denial("host", 421, UNKNOWN_HOST)
_CLOSED = _Denial("not_found", 404, "There is nothing here.")
_FOREIGN = _Denial("origin", 403, "This request comes from a place that may not make it.")
_CROSS_SITE = _Denial(
    "cross_site",
    403,
    "This page is of another site than the server, and a browser keeps a session's cookie to one "
    "site. Serve both below one domain, such as app.example.com and api.example.com.",
)
_METHOD = _Denial("method", 405, "This cannot be done here.")
_NOBODY = _Denial("unauthenticated", 401, "Sign in first.")
_NO_STORE = _Denial("unavailable", 503, "Your account can't be checked right now. Try again soon.")


class HttpGateway:
    """Lets a request in, or answers it here.

    What is let in finds in its scope: `principal`, `session` (both None for nobody) and
    `session_token`; its Cookie and Authorization headers are gone. Only the routes that make
    somebody of nobody keep their cookies, without the session's.

    Args:
        app: What stands behind the door.
        services: Where sessions are looked up.
        rules: What the settings mean.
        live: Where open streams are registered.
        refused: Counts what was refused, by reason.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: GatewayServices,
        rules: RequestRules,
        live: ConnectionRegistry,
        refused: Counter[str],
    ) -> None:
        self._app = app
        self._services = services
        self._rules = rules
        self._live = live
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        place = route_kind(scope["path"])
        is_ours = self._rules.origins.judge(header_values(scope, b"origin")) == "ours"
        origin = only_header(scope, b"origin") if is_ours else None
        is_preflight = scope["method"] == "OPTIONS"
        sharing = (preflight if is_preflight else cors)(origin) if origin else []
        answered = False

        async def dressed(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = self._rules.headers.dress(
                    place, scope["path"], message["status"], message.get("headers", []), sharing
                )
                message = {**message, "headers": headers}
            await send(message)

        refusal = self._judge(scope, place)
        if refusal is not None:
            await self._refuse(scope, dressed, refusal)
        elif is_preflight:
            await respond(dressed, 204)
        else:
            try:
                await self._admit(scope, receive, dressed, place)
            except TooLarge as error:
                if answered:
                    raise
                refusal = _Denial(error.code, error.status, error.message)
                await self._refuse(scope, dressed, refusal)

    def _judge(self, scope: Scope, place: RouteKind) -> _Denial | None:
        """What is refused whoever asks."""
        method, origins = scope["method"], self._rules.origins
        if place is RouteKind.PROBE and method in _READING:
            return None
        if origins.scheme_for(only_header(scope, b"host")) is None:
            return _WRONG_HOST
        if place is RouteKind.CLOSED:
            return _CLOSED
        origin = origins.judge(header_values(scope, b"origin"))
        sites = header_values(scope, b"sec-fetch-site")
        if not origins.permits(
            method,
            origin,
            sites,
            has_cookie=bool(header_values(scope, b"cookie")),
        ):
            return _FOREIGN
        # A preflight passes: nobody is shown the answer to one.
        if origin == "ours" and method != "OPTIONS" and is_cross_site(sites):
            return _CROSS_SITE
        if method in _READING or method == "OPTIONS":
            return None
        is_api = is_under(scope["path"], API)
        return None if method in UNSAFE_METHODS and is_api else _METHOD

    async def _refuse(self, scope: Scope, send: Send, refusal: _Denial) -> None:
        self._refused[refusal.reason] += 1
        page = None if is_under(scope["path"], API) else self._page_for(scope, refusal)
        if page is None:
            await respond_error(send, refusal.status, refusal.reason, refusal.message)
        else:
            await respond(send, refusal.status, page, "text/html; charset=utf-8")

    def _page_for(self, scope: Scope, refusal: _Denial) -> bytes | None:
        if refusal is _WRONG_HOST:
            return unknown_host_page(only_header(scope, b"host") or "", self._rules.settings.url)
        return unavailable_page(refusal.message) if refusal is _NO_STORE else None

    async def _admit(self, scope: Scope, receive: Receive, send: Send, place: RouteKind) -> None:
        if place in (RouteKind.PROBE, RouteKind.ASSET):
            await self._app(self._inner_scope(scope, place, None), receive, send)
            return
        with self._live.pending_connection() as pending:
            try:
                resolved = await self._look_up(scope)
            except LOOKUP_ERRORS:
                await self._refuse(scope, send, _NO_STORE)
                return
            if resolved is not None and pending.missed(resolved.principal.credential_id):
                resolved = None
            send = with_renewed_cookie(send, resolved, pending, self._rules.settings)
            if place is RouteKind.API and resolved is None:
                await self._refuse(scope, send, _NOBODY)
            elif (target := self._elsewhere(scope, place, resolved)) is not None:
                await respond(send, 303, headers=[(b"location", target.encode())])
            else:
                await self._pass(scope, receive, send, place, resolved, pending)

    async def _look_up(self, scope: Scope) -> ResolvedSessionPort | None:
        token = cookies.read_token(scope["headers"], self._rules.settings)
        return await self._services.sessions.resolve(token) if token else None

    def _elsewhere(
        self, scope: Scope, place: RouteKind, resolved: ResolvedSessionPort | None
    ) -> str | None:
        """Where the browser is sent instead of the page it asked for, if anywhere."""
        if not self._rules.serves_pages:
            return None
        if place is RouteKind.PUBLIC_PAGE and resolved is not None:
            return "/"
        if place is RouteKind.PAGE and resolved is None:
            target = relative_target(scope)
            return "/signin" if target == "/" else f"/signin?callbackUrl={quote(target, safe='')}"
        return None

    async def _pass(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        place: RouteKind,
        resolved: ResolvedSessionPort | None,
        pending: PendingConnection,
    ) -> None:
        receive = limit_body(scope, receive, self._rules.settings.request_bytes)
        inner = self._inner_scope(scope, place, resolved)
        if place is not RouteKind.API or resolved is None:
            await self._app(inner, receive, send)
            return
        stream = StreamingRequest(
            send,
            session_id=resolved.principal.credential_id,
            client_network=client_network_of(inner["client"][0]),
            live=self._live,
            pending=pending,
        )
        await stream.run(self._app, inner, receive)

    def _inner_scope(
        self, scope: Scope, place: RouteKind, resolved: ResolvedSessionPort | None
    ) -> Scope:
        settings = self._rules.settings
        headers = without(scope["headers"], _SECRETS)
        if place is RouteKind.AUTH:
            others = cookies.others(scope["headers"], settings)
            headers += [(b"cookie", others.encode("latin-1"))] if others else []
        return self._rules.as_seen_outside(
            scope,
            headers=headers,
            principal=resolved.principal if resolved else None,
            session=resolved,
            session_token=cookies.read_token(scope["headers"], settings),
        )
