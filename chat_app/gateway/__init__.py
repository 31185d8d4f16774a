"""The gateway: the ASGI app in front of everything, sockets and Reflex's own middleware included.

It checks host and Origin, resolves the session or API key, strips both, limits, sets the headers of
every response, and closes the connections of what is revoked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.core.clock import every
from chat_app.core.logging import request_client, request_id
from chat_app.core.signals import CREDENTIALS, ROLES, TOKENS
from chat_app.gateway.access_log import AccessLogEntry, configure_access_log
from chat_app.gateway.connections import (
    DEFAULT_TIMEOUTS,
    CloseCode,
    ConnectionRegistry,
    GatewayTimeouts,
)
from chat_app.gateway.headers import SecurityHeaders, hashes_by_path
from chat_app.gateway.http import HttpGateway
from chat_app.gateway.origins import Origins
from chat_app.gateway.request_context import RequestContext, parse_request
from chat_app.gateway.sockets import SocketGateway
from chat_app.gateway.tcp import TcpWatch
from chat_app.services import Services

__all__ = ["ConnectionRegistry", "Gateway"]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is built once the services are there."""

    services: Services
    origins: Origins
    http: HttpGateway
    sockets: SocketGateway


@dataclass(eq=False)
class Gateway:
    """Passes HTTP requests and sockets to the app, or answers them itself.

    Args:
        app: The whole app, with Reflex's own middleware.
        services: Returns the services; first called with the first request.
        build: The folder of the exported front end. None when the pages are served elsewhere
            (development): then no page requires a session and no script is hashed.
        timeouts: Every duration.

    Attributes:
        connections: Every open connection, by credential.
    """

    app: ASGIApp
    _: KW_ONLY
    services: Callable[[], Services]
    build: Path | None = None
    timeouts: GatewayTimeouts = DEFAULT_TIMEOUTS
    connections: ConnectionRegistry = field(default_factory=ConnectionRegistry, init=False)
    _parts: _Parts | None = field(default=None, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, one socket, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            return
        parts = self._built()
        context = parse_request(scope, parts.services.settings, parts.origins)
        token = request_id.set(context.request_id)
        client = request_client.set(context.client_ip)
        try:
            await self._handle(parts, context, scope, receive, send)
        finally:
            request_client.reset(client)
            request_id.reset(token)

    async def _handle(
        self, parts: _Parts, context: RequestContext, scope: Scope, receive: Receive, send: Send
    ) -> None:
        handle = parts.http if scope["type"] == "http" else parts.sockets
        if not parts.services.settings.logs_access:
            await handle(context, scope, receive, send)
            return
        entry = AccessLogEntry(context, scope, receive, send)
        try:
            await handle(context, scope, entry.receive, entry.send)
        finally:
            entry.log()

    def _built(self) -> _Parts:
        services = self.services()
        if self._parts is None or self._parts.services is not services:
            for topic in (CREDENTIALS, ROLES, TOKENS):
                services.bus.subscribe_callback(topic, self.connections.on_signal)
            settings, sessions, keys = services.settings, services.sessions, services.api_keys
            configure_access_log(is_on=settings.logs_access)
            origins = Origins(settings.origins)
            headers = SecurityHeaders(
                origins=origins.allowed,
                hashes=hashes_by_path(self.build) if self.build is not None else {},
                form_targets=[provider.origin for provider in settings.identity_providers],
                is_https=settings.is_https,
            )
            http = HttpGateway(
                self.app,
                settings,
                sessions,
                keys,
                services.cloud_tokens,
                headers,
                self.connections,
                self.timeouts,
                requires_sign_in=self.build is not None,
            )
            sockets = SocketGateway(
                self.app, settings, sessions, self.connections, services.clock, self.timeouts
            )
            self._parts = _Parts(services, origins, http, sockets)
        return self._parts

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch sessions and connections while the app runs; close the sockets afterwards."""
        watching: list[asyncio.Task[None]] = []

        def stop() -> None:
            for task in watching:
                task.cancel()

        def watched(message: Message) -> Message:
            if message["type"] == "lifespan.startup.complete":
                services = self._built().services
                watch = TcpWatch(services.settings, self.connections)
                for work in (
                    self.connections.revalidate(services.api_keys, every=self.timeouts.revalidate),
                    every(self.timeouts.watch, watch.check),
                ):
                    watching.append(asyncio.create_task(work))
            elif message["type"] == "lifespan.shutdown":
                stop()
            elif message["type"] == "lifespan.shutdown.complete":
                self.connections.end_all(CloseCode.GOING_AWAY)
            return message

        async def receive_watched() -> Message:
            return watched(await receive())

        async def send_watched(message: Message) -> None:
            await send(watched(message))

        try:
            await self.app(scope, receive_watched, send_watched)
        finally:
            stop()
