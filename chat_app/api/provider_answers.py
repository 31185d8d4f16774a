"""Answers to the clients of OpenAI's and Anthropic's APIs: streamed, or as one object.

Nothing of them is stored unless the client asks for that. Leaving, or the end of the key, ends the
call of the model.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chat_app.api.errors import InternalError
from chat_app.api.families import family_of
from chat_app.api.responses import json_response
from chat_app.api.stored_calls import events_of_stored_call, start_stored_call
from chat_app.api.streaming import THREAD_HEADER, StreamResponse, disconnected
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, InvalidInput
from chat_app.core.events import (
    Event,
    Finish,
    FinishReason,
    FoldedRun,
    PartAdded,
    Usage,
    fold,
)
from chat_app.core.logging import log_unexpected_error
from chat_app.core.parts import Part
from chat_app.llm.base import CallOptions, Model, PromptMessage, ProviderError
from chat_app.llm.registry import UnknownModel
from chat_app.runs.calls import answering_model
from chat_app.runs.unstored import UnstoredAnswer
from chat_app.services import services

_T = TypeVar("_T")

_FAILURES = {
    "context_too_long": (400, "context_length_exceeded"),
    "answer_withheld": (400, "content_filter"),
    "request_rejected": (400, "request_rejected"),
    "tools_rejected": (400, "tools_rejected"),
    "model_not_offered": (404, "model_not_found"),
    "model_switched_off": (404, "model_not_found"),
    "rate_limited": (429, "rate_limit_exceeded"),
    "quota_exhausted": (429, "insufficient_quota"),
    "first_token_timeout": (504, "timeout"),
    "idle_timeout": (504, "timeout"),
}
"""The status and the code of a failure of a provider; every other one is 502."""


class ProviderResponse(BaseModel):
    """A response in the form of another API, with exactly these fields."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


def refuse_fields(body: BaseModel, names: Iterable[str]) -> None:
    """Refuse a request that uses a field which is not supported.

    Args:
        body: The request.
        names: The fields; one that is null, false or empty is not used.

    Raises:
        InvalidInput: It uses one of them.
    """
    for name in names:
        if getattr(body, name):
            raise InvalidInput(f"{name} is not supported here.", name)


class ModelNotFound(ChatError):
    """There is no such model.

    Args:
        model_id: What was asked for.
    """

    code = "model_not_found"
    status = 404

    def __init__(self, model_id: str) -> None:
        super().__init__(f"The model {model_id[:100]} does not exist, or you can't use it.")
        self.param = "model"


class ModelFailed(ChatError):
    """A model did not answer.

    Args:
        error: What its provider did.

    Attributes:
        retry_after: Seconds until another attempt can succeed; None if that is not known.
    """

    def __init__(self, error: ProviderError) -> None:
        super().__init__(error.message)
        self.status, self.code = _FAILURES.get(error.message_code, (502, error.message_code))
        seconds = error.params.get("retry_after")
        self.retry_after = seconds if isinstance(seconds, int) else None


class AnswerEncoder(Protocol):
    """Encodes the events of one answer for one kind of client."""

    def start(self) -> list[dict[str, Any]]:
        """What comes before the first event."""
        ...

    def event(self, event: Event) -> list[dict[str, Any]]:
        """What an event is."""
        ...

    def end(self, reason: FinishReason | None, usage: Usage | None) -> list[dict[str, Any]]:
        """What comes after the last event."""
        ...

    def encode(self, chunks: Iterable[dict[str, Any]]) -> bytes:
        """The bytes of some of this."""
        ...


class ClientWatch:
    """Watches whether the client of a request leaves; its body has been read.

    Args:
        request: The request.
    """

    def __init__(self, request: Request) -> None:
        self._left = asyncio.ensure_future(disconnected(request.receive))

    async def receive(self) -> Message:
        """Wait until the client leaves, as a server's `receive` does."""
        await asyncio.shield(self._left)
        return {"type": "http.disconnect"}

    def close(self) -> None:
        """Watch no more."""
        self._left.cancel()

    async def race(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do some work, unless the client leaves before it is done.

        Raises:
            ClientDisconnect: The client has left; the work is cancelled.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._left}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientDisconnect
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        return task.result()


class ClosingStream(StreamResponse):
    """A stream that ends with the client of a watch, and then closes what it was made of.

    Args:
        chunks: The body.
        keepalive: Is sent when the stream is idle.
        watch: Watches the client.
        resources: Are closed, also where nothing was sent.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        keepalive: bytes,
        watch: ClientWatch,
        resources: AsyncExitStack,
    ) -> None:
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        super().__init__(chunks, headers, keepalive=keepalive)
        self._watch = watch
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        async with self._resources:
            await super().__call__(scope, self._watch.receive, send)


async def find_model(principal: Principal, model_id: str, *, stores: bool) -> Model:
    """The model that a call names.

    Args:
        principal: The user.
        model_id: Its id.
        stores: Whether the call is stored: then its chat, which may be in an organisation, decides
            whether the user may call the model.

    Raises:
        ModelNotFound: There is no such model, or the user may not call it.
    """
    try:
        allowed = await services().model_access.of(principal)
        return allowed.get_anywhere(model_id) if stores else allowed.get(model_id)
    except UnknownModel:
        raise ModelNotFound(model_id) from None


def _check_images(model: Model, prompt: Sequence[PromptMessage]) -> None:
    """Check that a model sees the images of a prompt, if there are any.

    Raises:
        InvalidInput: It does not see images.
    """
    has_images = any(part["type"] == "file" for message in prompt for part in message.parts)
    if has_images and not model.info.images:
        raise InvalidInput(f"The model {model.id} can't see images.", "messages")


@dataclass(frozen=True, kw_only=True)
class ProviderCall:
    """What a client of another API asks for.

    Args:
        model: The model.
        prompt: What it gets.
        options: How to answer.
        streams: Whether the answer is streamed.
        stores: Whether the call is stored; see `stored_calls`.
        encoder: Makes the encoder of a stream, given the id of the model that answers.
        whole: Makes the object of a whole answer, given that id and what the model has sent.
        keepalive: Is sent when a stream is idle.
    """

    model: Model
    prompt: Sequence[PromptMessage]
    options: CallOptions
    streams: bool
    stores: bool
    encoder: Callable[[str], AnswerEncoder]
    whole: Callable[[str, FoldedRun], dict[str, Any]]
    keepalive: bytes


async def answer_call(
    request: Request, principal: Principal, call: ProviderCall
) -> Response | dict[str, Any]:
    """Ask a model; what fails before the first token is an error response.

    Args:
        request: The request.
        principal: The user.
        call: What is asked for.

    Returns:
        A stream, or the object of a whole answer.

    Raises:
        ClientDisconnect: The client has left.
        InvalidInput: The model does not see the images, or the call cannot be stored.
        ModelNotFound: The user may not call the model in the chat of the call.
        ModelFailed: The model failed, and so did its alternatives.
        RateLimited: The user has reached a limit.
    """
    _check_images(call.model, call.prompt)
    if call.stores:
        return await _stored(request, principal, call)
    asked = services().unstored_answers.answer(principal, call.model, call.prompt, call.options)
    async with AsyncExitStack() as resources:
        watch = ClientWatch(request)
        resources.callback(watch.close)
        try:
            if not call.streams:
                return await watch.race(_collect(asked, call))
            answering = await resources.enter_async_context(AsyncExitStack())
            answer = await watch.race(answering.enter_async_context(asked))
        except ProviderError as error:
            raise ModelFailed(error) from None
        chunks = _chunks(request, answering, answer.events, call, answer.model.id)
        return ClosingStream(chunks, call.keepalive, watch, resources.pop_all())


async def _collect(
    asked: AbstractAsyncContextManager[UnstoredAnswer], call: ProviderCall
) -> dict[str, Any]:
    async with asked as answer:
        return call.whole(answer.model.id, fold([event async for event in answer.events]))


async def _stored(request: Request, principal: Principal, call: ProviderCall) -> Response:
    ask = (principal, call.model, call.prompt, call.options)
    try:
        stored = await start_stored_call(request, *ask)
    except UnknownModel:
        raise ModelNotFound(call.model.id) from None
    events = events_of_stored_call(principal, stored)
    async with AsyncExitStack() as resources:
        watch = ClientWatch(request)
        resources.callback(watch.close)
        if call.streams:
            chunks = _chunks(request, AsyncExitStack(), events, call, stored.model)
            closing = resources.pop_all()
            response: Response = ClosingStream(chunks, call.keepalive, watch, closing)
        else:
            answer = fold(await watch.race(_list(events)))
            model = answering_model(answer.parts, stored.model)
            response = json_response(call.whole(model, answer))
    response.headers[THREAD_HEADER] = str(stored.thread_id)
    return response


async def _list(events: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in events]


async def _chunks(
    request: Request,
    answering: AsyncExitStack,
    events: AsyncGenerator[Event],
    call: ProviderCall,
    asked: str,
) -> AsyncGenerator[bytes]:
    """The body of a stream; it closes the events, and then the call of the model.

    Args:
        request: The request.
        answering: Closes the call of the model, which learns how it ended.
        events: Of the answer.
        call: What is asked for.
        asked: The id of the model that answers, unless a notice among the first events names one.
    """
    reason: FinishReason | None = None
    usage: Usage | None = None
    error: ChatError
    try:
        async with answering, aclosing(events):
            event, model = await _first_event(events, asked)
            encoder = call.encoder(model)
            yield encoder.encode(encoder.start())
            while event is not None:
                if isinstance(event, Finish):
                    reason = event.reason
                elif isinstance(event, Usage):
                    usage = event
                elif chunks := encoder.event(event):
                    yield encoder.encode(chunks)
                event = await anext(events, None)
            yield encoder.encode(encoder.end(reason, usage))
            return
    except ProviderError as failure:
        error = ModelFailed(failure)
    except ChatError as failure:
        error = failure
    except Exception as bug:  # the response has begun, so this is its last event
        error = InternalError(log_unexpected_error(bug, "an answer to a program"))
    yield family_of(request.scope).error_event(error)


async def _first_event(events: AsyncGenerator[Event], asked: str) -> tuple[Event | None, str]:
    """The first event of an answer that is shown; None if there is none.

    Args:
        events: Of the answer; a notice before that event may name an alternative.
        asked: The id of the model that was asked.

    Returns:
        The event, and the id of the model that answers.
    """
    notices: list[Part] = []
    async for event in events:
        if not isinstance(event, PartAdded):
            return event, answering_model(notices, asked)
        notices.append(event.part)
    return None, answering_model(notices, asked)
