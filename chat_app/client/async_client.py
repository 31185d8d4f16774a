"""The client of asynchronous programs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
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


class AsyncAnswerStream(AnswerReader):
    """An answer that is being read: an asynchronous iterator of its events; see `AnswerStream`."""

    def __init__(self, client: "AsyncChatClient", request: ApiRequest[None]) -> None:
        super().__init__(request, client._reconnect_waits)
        self._client = client
        self._response: httpx.Response | None = None
        self._events = self._read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnswerEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """See `AnswerStream.close`."""
        await self._events.aclose()
        if self._response is not None:
            await self._response.aclose()

    async def read(self) -> str:
        """See `AnswerStream.read`."""
        async for _ in self:
            pass
        return self.whole()

    async def stop(self) -> None:
        """See `AnswerStream.stop`."""
        if self.thread_id is not None:
            await self._client.stop(self.thread_id, self.stream_id)

    async def _begun(self) -> Self:
        self._response = await self._connected()
        return self

    async def _connected(self) -> httpx.Response:
        while True:
            try:
                return await self._client._open(self)
            except ApiError as problem:
                wait = self.wait_after(problem)
            await self._client._sleep(wait)

    async def _read(self) -> AsyncGenerator[AnswerEvent]:
        while self.finish is None and self._response is not None:
            cut = self.cut()
            try:
                async for piece in self._response.aiter_bytes():
                    for event in self.feed(piece):
                        yield event
            except httpx.RequestError as error:
                cut = transport_error(error)
            finally:
                await self._response.aclose()
            if self.finish is None:
                await self._client._sleep(self.wait_after(cut))
                self._response = await self._connected()


class AsyncChatClient:
    """One user's chats on a server, by an API key.

    It has the methods of `ChatClient`, to be awaited; a method that streams returns once the answer
    has begun. A program has one for each event loop, and uses it as a context manager.

    Args:
        url: See `ChatClient`, as all of these.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        http: httpx.AsyncClient | None = None,
        reconnect_waits: Sequence[float] = RECONNECT_WAITS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._endpoint = ApiEndpoint.of(url, key)
        self._http = httpx.AsyncClient(timeout=TIMEOUT) if http is None else http
        self._owns_http = http is None
        self._reconnect_waits = tuple(reconnect_waits)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """See `ChatClient.close`."""
        if self._owns_http:
            await self._http.aclose()

    async def models(self) -> ChatModels:
        """See `ChatClient.models`."""
        return await self._call(operations.models())

    async def usage(self, days: int = 30) -> ChatUsage:
        """See `ChatClient.usage`."""
        return await self._call(operations.usage(days))

    async def threads(
        self,
        *,
        search: str = "",
        status: ThreadFilter = "regular",
        limit: int | None = None,
        organisation: OrganisationId = "private",
    ) -> list[ChatThread]:
        """See `ChatClient.threads`."""
        return await self._run(operations.threads(search, status, limit, organisation))

    async def thread(self, thread_id: Id) -> ChatThread:
        """See `ChatClient.thread`."""
        return await self._call(operations.thread(thread_id))

    async def create_thread(
        self,
        title: str = "",
        *,
        local_id: str | None = None,
        custom: Mapping[str, Any] | None = None,
        organisation: OrganisationId | None = None,
    ) -> ChatThread:
        """See `ChatClient.create_thread`."""
        return await self._call(operations.create_thread(title, local_id, custom, organisation))

    async def change_thread(self, thread_id: Id, **changes: Unpack[ThreadChanges]) -> None:
        """See `ChatClient.change_thread`."""
        await self._call(operations.change_thread(thread_id, changes))

    async def move_thread(self, thread_id: Id, organisation: OrganisationId | None) -> None:
        """See `ChatClient.move_thread`."""
        await self._call(operations.move_thread(thread_id, organisation))

    async def rename_thread(self, thread_id: Id, title: str) -> None:
        """See `ChatClient.rename_thread`."""
        await self.change_thread(thread_id, title=title)

    async def archive_thread(self, thread_id: Id) -> None:
        """See `ChatClient.archive_thread`."""
        await self.change_thread(thread_id, status="archived")

    async def unarchive_thread(self, thread_id: Id) -> None:
        """See `ChatClient.unarchive_thread`."""
        await self.change_thread(thread_id, status="regular")

    async def delete_thread(self, thread_id: Id) -> None:
        """See `ChatClient.delete_thread`."""
        await self._call(operations.delete_thread(thread_id))

    async def messages(self, thread_id: Id, *, limit: int | None = None) -> list[ChatMessage]:
        """See `ChatClient.messages`."""
        return await self._run(operations.messages(thread_id, limit))

    async def send(
        self,
        text: str,
        *,
        thread_id: Id | None = None,
        model: str | None = None,
        message_id: str | None = None,
        organisation: OrganisationId | None = None,
    ) -> AsyncAnswerStream:
        """See `ChatClient.send`."""
        return await self._stream(operations.send(text, thread_id, model, message_id, organisation))

    async def edit(
        self, thread_id: Id, message_id: Id, text: str, *, model: str | None = None
    ) -> AsyncAnswerStream:
        """See `ChatClient.edit`."""
        return await self._stream(operations.edit(thread_id, message_id, text, model))

    async def regenerate(
        self, thread_id: Id, message_id: Id | None = None, *, model: str | None = None
    ) -> AsyncAnswerStream:
        """See `ChatClient.regenerate`."""
        return await self._stream(operations.regenerate(thread_id, message_id, model))

    async def continue_answer(
        self, thread_id: Id, message_id: Id | None = None
    ) -> AsyncAnswerStream:
        """See `ChatClient.continue_answer`."""
        return await self._stream(operations.continue_answer(thread_id, message_id))

    async def resume(self, stream_id: Id) -> AsyncAnswerStream:
        """See `ChatClient.resume`."""
        return await self._stream(operations.resume(stream_id))

    async def resume_thread(self, thread_id: Id) -> AsyncAnswerStream | None:
        """See `ChatClient.resume_thread`."""
        try:
            return await self._stream(operations.resume_thread(thread_id))
        except ApiError as error:
            if error.code == NO_ANSWER:
                return None
            raise

    async def stop(self, thread_id: Id, stream_id: Id | None = None) -> None:
        """See `ChatClient.stop`."""
        await self._call(operations.stop(thread_id, stream_id))

    async def _stream(self, request: ApiRequest[None]) -> AsyncAnswerStream:
        return await AsyncAnswerStream(self, request)._begun()

    async def _call(self, request: ApiRequest[_T]) -> _T:
        try:
            response = await self._http.request(**self._endpoint.arguments(request))
        except httpx.RequestError as error:
            raise transport_error(error) from error
        return result_of(request, response)

    async def _run(self, steps: Steps[_T]) -> _T:
        try:
            request = next(steps)
            while True:
                request = steps.send(await self._call(request))
        except StopIteration as done:
            return done.value

    async def _open(self, reader: AnswerReader) -> httpx.Response:
        """Open the stream of an answer."""
        request = self._http.build_request(**self._endpoint.arguments(reader.next_request()))
        try:
            response = await self._http.send(request, stream=True)
            if STREAM_HEADER not in response.headers:
                await response.aread()
                raise no_stream(response)
        except httpx.RequestError as error:
            raise transport_error(error) from error
        reader.opened(response.headers)
        return response
