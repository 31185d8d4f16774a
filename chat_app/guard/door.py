"""The one way in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.bus import SESSIONS, TOKENS
from chat_app.clock import Clock, utc_now
from chat_app.guard.handshakes import SocketDoor
from chat_app.guard.http import HttpDoor
from chat_app.guard.live import GOING_AWAY, LiveConnections
from chat_app.guard.needs import Services
from chat_app.guard.patience import PATIENT, Patience
from chat_app.guard.revalidation import keep_looking
from chat_app.guard.rules import Rules


class Guard:
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
        services: Callable[[], Services],
        build: Path | None = None,
        also: Collection[str] = (),
        clock: Clock = utc_now,
        patience: Patience = PATIENT,
    ) -> None:
        self.live = LiveConnections()
        self.refused: Counter[str] = Counter()
        self._app = app
        self._services = services
        self._build = build
        self._also = also
        self._clock = clock
        self._patience = patience
        self._doors: tuple[Services, HttpDoor, SocketDoor] | None = None

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

    def _opened(self) -> tuple[Services, HttpDoor, SocketDoor]:
        services = self._services()
        if self._doors is None or self._doors[0] is not services:
            for topic in (SESSIONS, TOKENS):
                services.bus.on(topic, self.live.hear)
            rules = Rules(services.settings, self._build, self._also)
            common = (self._app, services, rules, self.live, self.refused)
            self._doors = (
                services,
                HttpDoor(*common),
                SocketDoor(*common, self._clock, self._patience),
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
                    keep_looking(self.live, services.sessions, every=self._patience.revalidate)
                )
            elif message["type"] == "lifespan.shutdown.complete":
                self.live.end_all(GOING_AWAY)
            await send(message)

        try:
            await self._app(scope, heard, told)
        finally:
            if looking is not None:
                looking.cancel()
