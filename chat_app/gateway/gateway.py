"""A second look at every live session, in case a hint was lost."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.core.clock import Clock, utc_now
from chat_app.core.signals import SESSIONS, TOKENS
from chat_app.gateway.connections import GOING_AWAY, SESSION_ENDED, ConnectionRegistry
from chat_app.gateway.http import HttpGateway
from chat_app.gateway.ports import (
    DEFAULT_TIMEOUTS,
    LOOKUP_ERRORS,
    GatewayServices,
    GatewayTimeouts,
    SessionResolver,
)
from chat_app.gateway.request_context import RequestRules
from chat_app.gateway.sockets import SocketGateway

MAX_FAILURES = 2
"""How many looks in a row may fail; at the next, nobody can be trusted to be signed in still."""

log = logging.getLogger(__name__)


async def revalidate_sessions(
    live: ConnectionRegistry, sessions: SessionResolver, *, every: float
) -> None:
    """Look again and again for as long as the server runs, and at once when there is a doubt.

    Args:
        live: The open connections.
        sessions: Looks, and tells the bus what is over.
        every: Seconds between two looks.
    """
    failed = 0
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every):
                await live.recheck.wait()
        live.recheck.clear()
        try:
            await sessions.revalidate(live.session_ids())
            failed = 0
        except LOOKUP_ERRORS as error:
            failed += 1
            log.warning("Live sessions could not be looked up: %s", type(error).__name__)
            if failed > MAX_FAILURES:
                live.end_all(SESSION_ENDED, anonymous=False)


class Gateway:
    """Stands in front of the whole app: checks, resolves, strips, limits, and can close.

    Args:
        app: The whole app, with Reflex's own middleware.
        services: Gives the live parts; first asked when the first request comes.
        build: The folder of the exported front end. None when the pages are served elsewhere
            (development): then no page is asked for a session and no script is hashed.
        also: Further origins that are ours, such as the back end's own in development.
        clock: The current time.
        patience: How long it waits for whom.

    Attributes:
        live: Every open connection, by session.
        refused: How many connections were refused, by reason.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        services: Callable[[], GatewayServices],
        build: Path | None = None,
        also: Collection[str] = (),
        clock: Clock = utc_now,
        patience: GatewayTimeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self.live = ConnectionRegistry()
        self.refused: Counter[str] = Counter()
        self._app = app
        self._services = services
        self._build = build
        self._also = also
        self._clock = clock
        self._patience = patience
        self._doors: tuple[GatewayServices, HttpGateway, SocketGateway] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        _, http, sockets = self._opened()
        if scope["type"] == "http":
            await http(scope, receive, send)
        elif scope["type"] == "websocket":
            await sockets(scope, receive, send)

    def _opened(self) -> tuple[GatewayServices, HttpGateway, SocketGateway]:
        services = self._services()
        if self._doors is None or self._doors[0] is not services:
            for topic in (SESSIONS, TOKENS):
                services.bus.subscribe_callback(topic, self.live.hear)
            rules = RequestRules(services.settings, self._build, self._also)
            common = (self._app, services, rules, self.live, self.refused)
            self._doors = (
                services,
                HttpGateway(*common),
                SocketGateway(*common, self._clock, self._patience),
            )
        return self._doors

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at live sessions while the app runs; let sockets go once it has done its work."""
        looking: asyncio.Task[None] | None = None

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and looking is not None:
                looking.cancel()
            return message

        async def told(message: Message) -> None:
            nonlocal looking
            if message["type"] == "lifespan.startup.complete":
                services, *_ = self._opened()
                looking = asyncio.create_task(
                    revalidate_sessions(
                        self.live, services.sessions, every=self._patience.revalidate
                    )
                )
            elif message["type"] == "lifespan.shutdown.complete":
                self.live.end_all(GOING_AWAY)
            await send(message)

        try:
            await self._app(scope, heard, told)
        finally:
            if looking is not None:
                looking.cancel()
