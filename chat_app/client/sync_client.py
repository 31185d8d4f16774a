"""The client of programs without an event loop."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from chat_app.client import operations
from chat_app.client.answers import STREAM_HEADER, AnswerReader
from chat_app.client.endpoint import (
    RECONNECT_WAITS,
    TIMEOUT,
    ApiEndpoint,
    no_stream,
    result_of,
    transport_error,
)
from chat_app.client.errors import NO_ANSWER, ApiError
from chat_app.client.events import AnswerEvent
from chat_app.client.models import ChatMessage, ChatModels, ChatThread, ChatUsage
from chat_app.client.operations import (
    ApiRequest,
    Id,
    OrganisationId,
    Steps,
    ThreadChanges,
    ThreadFilter,
)

_T = TypeVar("_T")


class AnswerStream(AnswerReader):
    """An answer that is being read: an iterator of its events.

    After a cut it connects again and goes on where it was. Leaving it changes nothing: the server
    writes the answer to its end. Close it, or use it as a context manager, to leave it early.
    """

    def __init__(self, client: "ChatClient", request: ApiRequest[None]) -> None:
        super().__init__(request, client._reconnect_waits)
        self._client = client
        self._response = self._connected()
        self._events = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> AnswerEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream."""
        self._events.close()
        self._response.close()

    def read(self) -> str:
        """Read to the end; the text of the answer.

        Raises:
            ApiError: The answer failed, or it can't be read to its end; `text` has what came.
        """
        for _ in self:
            pass
        return self.whole()

    def stop(self) -> None:
        """Stop the answer; it keeps its text, and the stream ends with `stopped`.

        Raises:
            ApiError: The server refused.
        """
        if self.thread_id is not None:
            self._client.stop(self.thread_id, self.stream_id)

    def _connected(self) -> httpx.Response:
        while True:
            try:
                return self._client._open(self)
            except ApiError as problem:
                wait = self.wait_after(problem)
            self._client._sleep(wait)

    def _read(self) -> Generator[AnswerEvent]:
        while True:
            cut = self.cut()
            try:
                for piece in self._response.iter_bytes():
                    yield from self.feed(piece)
            except httpx.RequestError as error:
                cut = transport_error(error)
            finally:
                self._response.close()
            if self.finish is not None:
                return
            self._client._sleep(self.wait_after(cut))
            self._response = self._connected()


class ChatClient:
    """One user's chats on a server, by an API key.

    A program has one, uses it as a context manager, and may share it between threads.

    Args:
        url: The server, such as `https://chat.example.com`.
        key: The API key; None if `http` sends another credential.
        http: Sends the requests, for a proxy, a certificate or time-outs of your own; it is not
            closed with this client.
        reconnect_waits: The seconds before each attempt to resume a stream that was cut; empty for
            none.
        sleep: Waits for seconds.

    Raises:
        ValueError: The URL or the key can be none.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        http: httpx.Client | None = None,
        reconnect_waits: Sequence[float] = RECONNECT_WAITS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = ApiEndpoint.of(url, key)
        self._http = httpx.Client(timeout=TIMEOUT) if http is None else http
        self._owns_http = http is None
        self._reconnect_waits = tuple(reconnect_waits)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._owns_http:
            self._http.close()

    def models(self) -> ChatModels:
        """The models that can be chosen.

        Raises:
            ApiError: The server refused, or can't be reached; so does every method here.
        """
        return self._call(operations.models())

    def usage(self, days: int = 30) -> ChatUsage:
        """What the user has used: calls of models, and the tokens that providers have reported.

        Args:
            days: How many days are counted, up to today in UTC; 366 at most.
        """
        return self._call(operations.usage(days))

    def threads(
        self,
        *,
        search: str = "",
        status: ThreadFilter = "regular",
        limit: int | None = None,
        organisation: OrganisationId = "private",
    ) -> list[ChatThread]:
        """The threads, newest first.

        Args:
            search: Only those whose title has every word.
            status: Which ones.
            limit: How many at most; None for all.
            organisation: Those in this organisation, by its id; `private` for those in none, `all`
                for every one.
        """
        return self._run(operations.threads(search, status, limit, organisation))

    def thread(self, thread_id: Id) -> ChatThread:
        """One thread, with its options."""
        return self._call(operations.thread(thread_id))

    def create_thread(
        self,
        title: str = "",
        *,
        local_id: str | None = None,
        custom: Mapping[str, Any] | None = None,
        organisation: OrganisationId | None = None,
    ) -> ChatThread:
        """Create an empty thread; `send` without a thread creates one by itself.

        Args:
            title: Its title; without one its first words are its title.
            local_id: An id of your own for it; the same one twice is one thread.
            custom: JSON that you keep with it, up to 8 kB.
            organisation: The organisation that it is in, by its id; None for none.
        """
        return self._call(operations.create_thread(title, local_id, custom, organisation))

    def change_thread(self, thread_id: Id, **changes: Unpack[ThreadChanges]) -> None:
        """Change a thread; when one of the changes is refused, nothing changes.

        Args:
            thread_id: The thread.
            changes: See `ThreadChanges`.
        """
        self._call(operations.change_thread(thread_id, changes))

    def move_thread(self, thread_id: Id, organisation: OrganisationId | None) -> None:
        """Move a thread into an organisation, or with None out of the one that it is in."""
        self._call(operations.move_thread(thread_id, organisation))

    def rename_thread(self, thread_id: Id, title: str) -> None:
        """Give a thread another title."""
        self.change_thread(thread_id, title=title)

    def archive_thread(self, thread_id: Id) -> None:
        """Put a thread into the archive; a new message takes it out again."""
        self.change_thread(thread_id, status="archived")

    def unarchive_thread(self, thread_id: Id) -> None:
        """Take a thread out of the archive."""
        self.change_thread(thread_id, status="regular")

    def delete_thread(self, thread_id: Id) -> None:
        """Delete a thread with its messages, and stop its answer."""
        self._call(operations.delete_thread(thread_id))

    def messages(self, thread_id: Id, *, limit: int | None = None) -> list[ChatMessage]:
        """The messages of the branch that a thread shows, oldest first.

        Args:
            thread_id: The thread.
            limit: How many of the newest; None for all.
        """
        return self._run(operations.messages(thread_id, limit))

    def send(
        self,
        text: str,
        *,
        thread_id: Id | None = None,
        model: str | None = None,
        message_id: str | None = None,
        organisation: OrganisationId | None = None,
    ) -> AnswerStream:
        """Send a message, and read its answer.

        A request that got no response is sent again: the server stores a message once.

        Args:
            text: The message.
            thread_id: The thread; None for a new one.
            model: The id of the model; None for that of the thread.
            message_id: An id of your own for the message, with which a program that was started
                again gets the same answer; None for a random one.
            organisation: The organisation in which a new thread is made, by its id; None for none.

        Raises:
            ApiError: The server refused, or can't be reached.
        """
        return AnswerStream(self, operations.send(text, thread_id, model, message_id, organisation))

    def edit(
        self, thread_id: Id, message_id: Id, text: str, *, model: str | None = None
    ) -> AnswerStream:
        """Send another version of a message, and read its answer; both versions are kept.

        Args:
            thread_id: The thread.
            message_id: The message that it replaces.
            text: The new text.
            model: The id of the model; None for that of the thread.
        """
        return AnswerStream(self, operations.edit(thread_id, message_id, text, model))

    def regenerate(
        self, thread_id: Id, message_id: Id | None = None, *, model: str | None = None
    ) -> AnswerStream:
        """Have another version of an answer written, and read it; both versions are kept.

        Args:
            thread_id: The thread.
            message_id: The answer; None for the last one.
            model: The id of the model; None for that of the answer.
        """
        return AnswerStream(self, operations.regenerate(thread_id, message_id, model))

    def continue_answer(self, thread_id: Id, message_id: Id | None = None) -> AnswerStream:
        """Let an answer go on that was stopped, interrupted or cut by its length, and read it.

        The stream begins with what the answer has already.

        Args:
            thread_id: The thread.
            message_id: The answer; None for the last one.
        """
        return AnswerStream(self, operations.continue_answer(thread_id, message_id))

    def resume(self, stream_id: Id) -> AnswerStream:
        """Read an answer from its beginning, whether it is being written or has ended.

        Args:
            stream_id: `AnswerStream.stream_id` of the one who read it before.
        """
        return AnswerStream(self, operations.resume(stream_id))

    def resume_thread(self, thread_id: Id) -> AnswerStream | None:
        """Read the answer that is being written in a thread, from its beginning.

        Returns:
            None when none is being written.
        """
        try:
            return AnswerStream(self, operations.resume_thread(thread_id))
        except ApiError as error:
            if error.code == NO_ANSWER:
                return None
            raise

    def stop(self, thread_id: Id, stream_id: Id | None = None) -> None:
        """Stop the answer of a thread; it keeps its text. Nothing happens when there is none.

        Args:
            thread_id: The thread.
            stream_id: Stop only this answer, and no later one.
        """
        self._call(operations.stop(thread_id, stream_id))

    def _call(self, request: ApiRequest[_T]) -> _T:
        try:
            response = self._http.request(**self._endpoint.arguments(request))
        except httpx.RequestError as error:
            raise transport_error(error) from error
        return result_of(request, response)

    def _run(self, steps: Steps[_T]) -> _T:
        try:
            request = next(steps)
            while True:
                request = steps.send(self._call(request))
        except StopIteration as done:
            return done.value

    def _open(self, reader: AnswerReader) -> httpx.Response:
        """Open the stream of an answer."""
        request = self._http.build_request(**self._endpoint.arguments(reader.next_request()))
        try:
            response = self._http.send(request, stream=True)
            if STREAM_HEADER not in response.headers:
                response.read()
                raise no_stream(response)
        except httpx.RequestError as error:
            raise transport_error(error) from error
        reader.opened(response.headers)
        return response
