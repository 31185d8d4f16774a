"""A request that was let in: its body and its event stream end with its credential.

They end too when its user loses a role or leaves an organisation: its principal is outdated then.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.api.families import ApiFamily
from chat_app.api.streaming import SEND_BODY, SET_ERROR_EVENT
from chat_app.auth.keys.scopes import credential_ended
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, TooLarge, Unavailable
from chat_app.gateway.connections import CloseCode, ConnectionRegistry, PendingConnection
from chat_app.gateway.errors import SAFE_METHODS, IncompleteBody, RolesChanged, SlowBody
from chat_app.gateway.headers import content_type
from chat_app.gateway.request_context import header_values
from chat_app.gateway.responses import error_response


@dataclass(frozen=True, slots=True)
class AdmittedCredential:
    """What a request was let in with, and whether it still holds.

    Args:
        principal: Its user; None when anonymous.
        connections: The registry of open connections.
        pending: Has recorded the revocations and changed roles since the credential was resolved.
    """

    principal: Principal | None
    connections: ConnectionRegistry
    pending: PendingConnection

    @property
    def id(self) -> UUID | None:
        """The session or API key, or None."""
        return None if self.principal is None else self.principal.credential_id

    @property
    def user_id(self) -> UUID | None:
        """Its user, or None."""
        return None if self.principal is None else self.principal.user_id

    @property
    def ended_by(self) -> CloseCode | None:
        """What has ended it, or made its principal outdated, since it was resolved; else None."""
        if self.id in self.pending.revoked:
            return CloseCode.CREDENTIAL_ENDED
        return CloseCode.ROLES_CHANGED if self.user_id in self.pending.changed else None

    def error(self, code: int) -> ChatError:
        """What a request is told that was ended with a close code before its response began."""
        if self.principal is not None and code == CloseCode.CREDENTIAL_ENDED:
            return credential_ended(self.principal)
        if code == CloseCode.ROLES_CHANGED:
            return RolesChanged()
        return Unavailable("The server is stopping.")


class RequestBody:
    """The body of a request, as far as it may be read.

    It is registered as an open connection while it arrives, so that a request does nothing after
    the end of its credential. Once it is whole, its route acts.

    Args:
        scope: The request.
        receive: The server's receive.
        limit: The largest body, in bytes.
        seconds: How long it may take to arrive, from its first read on.
        credential: Whose request it is.

    Attributes:
        error: Why it did not arrive whole, if it did not. The app has seen a disconnect then, but
            the client may still be there to be told.

    Raises:
        TooLarge: At once, when Content-Length is over the limit; from `receive`, when the body
            turns out to be.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        limit: int,
        seconds: float,
        credential: AdmittedCredential,
    ) -> None:
        for length in header_values(scope, b"content-length"):
            if not length.isdecimal() or int(length[:20]) > limit:
                raise _too_large(limit)
        self.error: ChatError | None = None
        self.credential_id = credential.id
        self.user_id = credential.user_id
        self._credential = credential
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._received = 0
        self._deadline: float | None = None
        self._wait: asyncio.Timeout | None = None
        self._is_complete = False

    async def receive(self) -> Message:
        """The next message of the request."""
        if self._is_complete:
            return await self._receive()
        if (code := self._credential.ended_by) is not None:
            self.end(code)
        if self.error is not None:
            return {"type": "http.disconnect"}
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            with self._credential.connections.open(self):
                async with asyncio.timeout_at(self._deadline) as self._wait:
                    message = await self._receive()
        except TimeoutError:
            self.error = self.error or SlowBody()
            return {"type": "http.disconnect"}
        finally:
            self._wait = None
        if self.error is not None:  # it was ended while the last of it was on its way
            return {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            self.error = IncompleteBody()
            return message
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _too_large(self._limit)
        self._is_complete = not message.get("more_body", False)
        return message

    def end(self, code: int) -> None:
        """Let nothing more of it through."""
        if self.error is None:
            self.error = self._credential.error(code)
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())


@dataclass(eq=False)
class StreamingRequest:
    """Runs one request, and can cut off its event stream.

    Where sessions are taken only event streams and reads are registered: an ordinary response is
    short, and the one that reports the end of the session must still arrive. A read may take long,
    and changes no role itself: a changed role ends it until its response begins. No other request
    can end its own credential, and a response with a whole answer takes long.

    Args:
        send: Sends the response.
        family: Has the form of the last event.
        credential: The session or API key of the request.
    """

    send: Send
    family: ApiFamily
    credential: AdmittedCredential
    _has_started: bool = field(default=False, init=False)
    _ended_by: ChatError | None = field(default=None, init=False)
    _streams: bool = field(default=False, init=False)
    _is_registered: bool = field(default=False, init=False)
    _app_task: asyncio.Task[None] | None = field(default=None, init=False)
    _registration: ExitStack = field(default_factory=ExitStack, init=False)
    _error_event: Callable[[ChatError], bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the error event of the family."""
        self._error_event = self.family.error_event

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Run the app until it has responded, or until `end`; the scope is changed."""
        scope[SEND_BODY] = self._send_through
        scope[SET_ERROR_EVENT] = self._set_error_event
        # A task of its own: the server's may be of a kind that cannot be cancelled.
        self._app_task = asyncio.create_task(self._respond(app, scope, receive))
        with self._registration:
            if not self.family.takes_session or scope["method"] in SAFE_METHODS:
                self._register()
            try:
                await self._app_task
            except asyncio.CancelledError:
                if self._ended_by is None:
                    raise
                if self._has_started:
                    last = self._error_event(self._ended_by)
                    await self.send({"type": "http.response.body", "body": last})
                else:
                    refusal = error_response(self._ended_by, scope["path"], self.family)
                    await refusal(scope, receive, self.send)
            finally:
                self._app_task.cancel()

    def end(self, code: int) -> None:
        """Let nothing more through, and finish the response where it is, unless all of it comes."""
        if self._ended_by is not None or self._app_task is None or self._finishes(code):
            return
        self._ended_by = self.credential.error(code)
        self._app_task.cancel()

    def _finishes(self, code: int) -> bool:
        """Whether a response comes whole in spite of a close code."""
        reports = self.family.takes_session and code != CloseCode.ROLES_CHANGED
        return not self._streams and (self._has_started or reports)

    @property
    def credential_id(self) -> UUID | None:
        """The session or API key of the request."""
        return self.credential.id

    @property
    def user_id(self) -> UUID | None:
        """The user of the request."""
        return self.credential.user_id

    async def _respond(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        if (code := self.credential.ended_by) is not None:  # since the task was made
            self._ended_by = self.credential.error(code)
            raise asyncio.CancelledError
        await app(scope, receive, self._send_through)

    def _set_error_event(self, make: Callable[[ChatError], bytes]) -> None:
        self._error_event = make

    def _register(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            self._registration.enter_context(self.credential.connections.open(self))
        if (code := self.credential.ended_by) is not None:
            self.end(code)

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


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request is too large; the limit is {limit:,} bytes.")
