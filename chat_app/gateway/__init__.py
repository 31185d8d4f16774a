"""The gateway: the ASGI app in front of everything, sockets and Reflex's own middleware included.

It checks host and Origin, resolves the session, strips cookies, limits, sets the headers of every
response, and closes the connections of a revoked session.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.core.clock import Clock, utc_now
from chat_app.core.signals import SESSIONS, TOKENS
from chat_app.gateway.connections import GOING_AWAY, SESSION_ENDED, ConnectionRegistry
from chat_app.gateway.headers import SecurityHeaders, page_policy, script_hashes
from chat_app.gateway.http import HttpGateway
from chat_app.gateway.origins import Origins
from chat_app.gateway.ports import (
    DEFAULT_TIMEOUTS,
    LOOKUP_ERRORS,
    GatewayServices,
    GatewayTimeouts,
    SessionResolver,
)
from chat_app.gateway.request_context import parse_request
from chat_app.gateway.sockets import SocketGateway

__all__ = ["ConnectionRegistry", "Gateway"]

MAX_FAILURES = 2
"""How many revalidations in a row may fail; after the next, every session's connection ends."""

log = logging.getLogger(__name__)


async def revalidate_sessions(
    connections: ConnectionRegistry, sessions: SessionResolver, *, every: float
) -> None:
    """Revalidate the connected sessions until cancelled, in case a signal was lost.

    Args:
        connections: The open connections.
        sessions: Revalidates, and publishes the sessions that are over.
        every: Seconds between two revalidations; `connections.recheck` causes one at once.
    """
    failures = 0
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every):
                await connections.recheck.wait()
        connections.recheck.clear()
        try:
            await sessions.revalidate(connections.session_ids())
            failures = 0
        except LOOKUP_ERRORS as error:
            failures += 1
            log.warning("Sessions could not be revalidated: %s", type(error).__name__)
            if failures > MAX_FAILURES:
                connections.end_all(SESSION_ENDED, anonymous=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is built once the services are there."""

    services: GatewayServices
    origins: Origins
    http: HttpGateway
    sockets: SocketGateway


class Gateway:
    """Passes HTTP requests and sockets to the app, or answers them itself.

    Args:
        app: The whole app, with Reflex's own middleware.
        services: Returns the services; first called with the first request.
        build: The folder of the exported front end. None when the pages are served elsewhere
            (development): then no page requires a session and no script is hashed.
        extra_origins: Further allowed origins, such as the back end's own in development.
        clock: The current time.
        timeouts: Every duration.

    Attributes:
        connections: Every open connection, by session.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        services: Callable[[], GatewayServices],
        build: Path | None = None,
        extra_origins: Collection[str] = (),
        clock: Clock = utc_now,
        timeouts: GatewayTimeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self.connections = ConnectionRegistry()
        self._app = app
        self._services = services
        self._build = build
        self._extra_origins = extra_origins
        self._clock = clock
        self._timeouts = timeouts
        self._parts: _Parts | None = None

    @property
    def refused(self) -> Counter[str]:
        """How many connections and requests were refused, by reason."""
        return self.connections.refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, one socket, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            return
        parts = self._built()
        context = parse_request(scope, parts.services.settings, parts.origins)
        if scope["type"] == "http":
            await parts.http(context, scope, receive, send)
        else:
            await parts.sockets(context, scope, receive, send)

    def _built(self) -> _Parts:
        services = self._services()
        if self._parts is None or self._parts.services is not services:
            for topic in (SESSIONS, TOKENS):
                services.bus.subscribe_callback(topic, self.connections.on_signal)
            settings = services.settings
            origins = Origins({*settings.origins, *self._extra_origins})
            headers = SecurityHeaders(
                page_policy=page_policy(
                    origins.allowed,
                    script_hashes(self._build) if self._build is not None else (),
                    [provider.origin for provider in settings.identity_providers],
                ),
                is_https=settings.is_https,
            )
            self._parts = _Parts(
                services,
                origins,
                HttpGateway(
                    self._app,
                    services,
                    headers,
                    self.connections,
                    requires_sign_in=self._build is not None,
                ),
                SocketGateway(self._app, services, self.connections, self._clock, self._timeouts),
            )
        return self._parts

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Revalidate sessions while the app runs; close the sockets once it has shut down."""
        revalidation: asyncio.Task[None] | None = None

        async def receive_and_stop() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and revalidation is not None:
                revalidation.cancel()
            return message

        async def start_and_send(message: Message) -> None:
            nonlocal revalidation
            if message["type"] == "lifespan.startup.complete":
                revalidation = asyncio.create_task(
                    revalidate_sessions(
                        self.connections,
                        self._built().services.sessions,
                        every=self._timeouts.revalidate,
                    )
                )
            elif message["type"] == "lifespan.shutdown.complete":
                self.connections.end_all(GOING_AWAY)
            await send(message)

        try:
            await self._app(scope, receive_and_stop, start_and_send)
        finally:
            if revalidation is not None:
                revalidation.cancel()
