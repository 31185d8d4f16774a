"""One open socket: frames pass through it in order, until somebody ends it."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.clock import Clock
from chat_app.guard.bucket import TokenBucket
from chat_app.guard.live import TOO_BIG, TOO_MANY, TOO_SLOW
from chat_app.guard.patience import Patience

T = TypeVar("T")


class _Ended(Exception):
    """The socket was ended while something waited on it."""


class Socket:
    """Stands between the server and the app for one WebSocket.

    Outgoing frames are awaited one by one, so a client that does not read holds its own app back
    and nothing piles up here. Ending is immediate: from the call on, nothing passes in either
    direction, whatever was waiting stops waiting, and the app sees a disconnect.

    Args:
        receive: The server's receive.
        send: The server's send.
        session_id: The session it belongs to, or None.
        household: What a limit per address counts it under.
        expires_at: When its session ends by itself unless it is used, in UTC, or None.
        doubt: Set once that time has come.
        bucket: How fast it may talk.
        frame_bytes: The largest incoming frame, in bytes.
        clock: The current time.
        patience: How long it waits for whom.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        session_id: UUID | None,
        household: str,
        expires_at: datetime | None,
        doubt: asyncio.Event,
        bucket: TokenBucket,
        frame_bytes: int,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self.session_id = session_id
        self.household = household
        self.ended_with: int | None = None
        self._receive = receive
        self._send = send
        self._expires_at = expires_at
        self._doubt = doubt
        self._bucket = bucket
        self._frame_bytes = frame_bytes
        self._clock = clock
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Timeout] = set()
        self._sending_since: float | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let the app speak until either side, or `end`, ends it."""
        # A task of its own: the server's may be of a kind that cannot be interrupted.
        inner = asyncio.create_task(app(scope, self._inward, self._outward))  # pyright: ignore[reportArgumentType]
        self._look()
        try:
            await inner
        finally:
            inner.cancel()
            if self._timer is not None:
                self._timer.cancel()
            if self._closing is not None:
                await self._closing

    def end(self, code: int) -> None:
        """Let nothing more through, now, and close with `code`."""
        if self.ended_with is not None:
            return
        self.ended_with = code
        for wait in self._waiting:
            wait.reschedule(self._loop.time())
        self._closing = self._loop.create_task(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(self._patience.close):
                await self._send({"type": "websocket.close", "code": code, "reason": ""})
        except (OSError, RuntimeError):
            # Gone already, or too slow to be told: the connection is dropped when `run` returns.
            return

    async def _unless_ended(self, awaitable: Awaitable[T]) -> T:
        """Wait for the server, but not past the end of the socket."""
        try:
            async with asyncio.timeout(None) as wait:
                self._waiting.add(wait)
                try:
                    return await awaitable
                finally:
                    self._waiting.discard(wait)
        except TimeoutError:
            raise _Ended from None

    async def _inward(self) -> Message:
        if self.ended_with is None:
            try:
                message = await self._unless_ended(self._receive())
            except _Ended:
                return self._disconnect()
            if message["type"] == "websocket.receive":
                self._weigh(message)
            if self.ended_with is None:
                return message
        return self._disconnect()

    def _disconnect(self) -> Message:
        return {"type": "websocket.disconnect", "code": self.ended_with, "reason": ""}

    def _weigh(self, message: Message) -> None:
        text = message.get("text")
        frame = message.get("bytes") or b"" if text is None else text
        # A character has at most four bytes, so most frames need no second copy to be measured.
        if len(frame) * 4 > self._frame_bytes:
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > self._frame_bytes:
                self.end(TOO_BIG)
                return
        if not self._bucket.take(self._loop.time()):
            self.end(TOO_MANY)

    async def _outward(self, message: Message) -> None:
        if self.ended_with is not None:
            return
        self._sending_since = self._loop.time()
        try:
            await self._unless_ended(self._send(message))
        except _Ended:
            return
        finally:
            self._sending_since = None

    def _look(self) -> None:
        """Look at the clock on the wall too: a machine that slept has not counted."""
        wait = self._patience.look
        if self._expires_at is not None:
            left = (self._expires_at - self._clock()).total_seconds()
            if left <= 0:
                self._expires_at = None
                self._doubt.set()
            else:
                wait = min(wait, left)
        since = self._sending_since
        if since is not None and self._loop.time() - since > self._patience.stuck:
            self.end(TOO_SLOW)
            return
        self._timer = self._loop.call_later(wait, self._look)
