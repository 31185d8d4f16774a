"""`/api/chat`: the routes that the AI SDK's chat transport speaks to.

The server owns the history. Of what a client sends only its last message counts, and only when it
is the person's own.
"""

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api import ai_sdk_stream
from chat_app.api.errors import NO_STORE
from chat_app.api.requests import id_of, read_json, signed_in
from chat_app.api.streaming import StreamResponse
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.runs.create import CreatedRun, is_client_id
from chat_app.services import services
from chat_app.threads.views import RunRef, Window

THREAD_HEADER = "x-thread-id"
"""Tells a client the thread that its first message began."""


class TextPart(BaseModel):
    """A part of a message; of other types than text only the type is read."""

    type: Annotated[str, Field(max_length=200)]
    text: str = ""


class UserMessage(BaseModel):
    """The message that wants an answer."""

    id: str = ""
    role: Literal["user"]
    parts: Annotated[list[TextPart], Field(min_length=1, max_length=100)]

    @property
    def text(self) -> str:
        """Its text.

        Raises:
            InvalidInput: It has something besides that cannot be taken yet.
        """
        if any(part.type == "file" for part in self.parts):
            raise InvalidInput("Files cannot be sent here yet.")
        return "".join(part.text for part in self.parts if part.type == "text")


class ChatRequest(BaseModel):
    """What `HttpChatTransport` sends; what it adds besides is not read."""

    model_config = ConfigDict(strict=True)

    id: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(max_length=10_000)] = []
    message: dict[str, Any] | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    messageId: str | None = None
    model: Annotated[str, Field(max_length=200)] = ""


@signed_in
async def chat(request: Request, principal: Principal) -> Response:
    """Send a message, or try an answer again, and stream what comes."""
    # clients send the whole conversation along, though only its end is read
    asked = await read_json(request, ChatRequest, most=services().settings.request_bytes)
    thread_id = id_of(asked.id) if asked.id is not None else None
    if asked.trigger == "submit-message":
        sent = await _submit(principal, asked, thread_id)
    else:
        sent = await _regenerate(principal, asked, thread_id)
    return _stream(principal, RunRef(sent.run_id, sent.message_id), sent.thread_id)


@signed_in
async def resume(request: Request, principal: Principal) -> Response:
    """The answer that is being written in a thread, from its beginning; 204 when none is."""
    window = await _end_of(principal, id_of(request.path_params["id"]))
    if window.run is None:
        return Response(status_code=204, headers=NO_STORE)
    return _stream(principal, window.run, window.thread.id)


@signed_in
async def stop(request: Request, principal: Principal) -> Response:
    """Stop the answer that is being written in a thread; harmless when none is."""
    await services().runs.stop_thread(principal, id_of(request.path_params["id"]))
    return Response(status_code=204, headers=NO_STORE)


@signed_in
async def models(_request: Request, _principal: Principal) -> Response:
    """The models a person can choose."""
    offered = [{"id": model.id, "name": model.name} for model in services().models.all()]
    default = services().models.default().id if offered else None
    return JSONResponse({"models": offered, "default": default}, headers=NO_STORE)


async def _submit(principal: Principal, asked: ChatRequest, thread_id: UUID | None) -> CreatedRun:
    given = asked.message or (asked.messages[-1] if asked.messages else None)
    if given is None:
        raise InvalidInput("There is no message to answer.")
    message = _checked(given)
    return await services().runs.send(
        principal,
        text=message.text,
        client_id=message.id if is_client_id(message.id) else uuid4().hex,
        thread_id=thread_id,
        model=asked.model,
    )


async def _regenerate(
    principal: Principal, asked: ChatRequest, thread_id: UUID | None
) -> CreatedRun:
    if thread_id is None:
        raise NotFound
    window = await _end_of(principal, thread_id)
    if asked.messageId is not None:
        message_id = id_of(asked.messageId)
        await services().threads.message(principal, thread_id, message_id)
    elif window.messages:
        message_id = window.messages[-1].id
    else:
        raise InvalidInput("There is no answer to try again.")
    return await services().runs.retry(principal, message_id)


async def _end_of(principal: Principal, thread_id: UUID) -> Window:
    return await services().threads.window(principal, thread_id, limit=1)


def _checked(given: dict[str, Any]) -> UserMessage:
    try:
        return UserMessage.model_validate(given, strict=True)
    except ValueError:
        raise InvalidInput(
            "The last message must be the person's, with text in its parts."
        ) from None


def _stream(principal: Principal, run: RunRef, thread_id: UUID) -> Response:
    events = services().runs.follow(principal, run.run_id)
    chunks = ai_sdk_stream.encoded(events, message_id=run.message_id, thread_id=thread_id)
    headers = {**ai_sdk_stream.HEADERS, THREAD_HEADER: str(thread_id)}
    return StreamResponse(chunks, headers, keepalive=ai_sdk_stream.KEEPALIVE)


routes = [
    Route("/api/chat", chat, methods=["POST"]),
    Route("/api/chat/{id}/stream", resume, methods=["GET"]),
    Route("/api/chat/{id}/stop", stop, methods=["POST"]),
    Route("/api/models", models, methods=["GET"]),
]
