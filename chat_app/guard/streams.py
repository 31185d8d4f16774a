"""One HTTP request of a signed-in person; a stream among them ends with its session."""

import asyncio
from contextlib import ExitStack
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.guard.asgi import answer_error
from chat_app.guard.headers import content_type
from chat_app.guard.live import SESSION_ENDED, Arrival, LiveConnections


class Stream:
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
        household: str,
        live: LiveConnections,
        arrival: Arrival,
    ) -> None:
        self.session_id = session_id
        self.household = household
        self._send = send
        self._live = live
        self._arrival = arrival
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
            await answer_error(self._send, 401, "unauthenticated", "Sign in first.")

    async def _outward(self, message: Message) -> None:
        if (
            message["type"] == "http.response.start"
            and content_type(message["headers"]) == b"text/event-stream"
        ):
            self._registered.enter_context(self._live.open(self))
            if self._arrival.missed(self.session_id):
                self.end(SESSION_ENDED)
        if self._ended:
            return
        self._started = True
        await self._send(message)
