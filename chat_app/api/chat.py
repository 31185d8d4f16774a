"""`/api/chat`: the routes that the AI SDK's chat transport speaks to.

The server owns the history. Of the messages that a client sends only the last one is stored; the
ids of earlier ones say where it belongs.
"""

from contextlib import suppress
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chat_app.api.errors import NO_STORE
from chat_app.api.problems import MEDIA_TYPE, problem
from chat_app.api.requests import Query, id_of
from chat_app.api.responses import ResponseModel
from chat_app.api.routing import EVENT_STREAM, Routes
from chat_app.api.streaming import STREAM_HEADER, THREAD_HEADER, StreamResponse
from chat_app.api.thread_ids import external_id_of, find_thread, is_uuid, named_organisation
from chat_app.api.wires import ai_sdk, sse
from chat_app.api.wires.ai_sdk_positions import POSITION_HEADER, Position, position_of
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.core.text import is_client_id
from chat_app.llm.base import Effort, Model
from chat_app.runs.create import CreatedRun
from chat_app.services import services
from chat_app.threads.actions import check_membership
from chat_app.threads.options import allowed_efforts
from chat_app.threads.views import RunRef, Window

routes = Routes()


class MessagePart(BaseModel):
    """A part of a message; of parts other than text only the type is read."""

    type: Annotated[str, Field(max_length=200)]
    text: str = ""


class UserMessage(BaseModel):
    """The message to answer."""

    id: str = ""
    role: Literal["user"]
    parts: Annotated[list[MessagePart], Field(min_length=1, max_length=100)]

    @property
    def text(self) -> str:
        """The text of its parts.

        Raises:
            InvalidInput: It has a file.
        """
        if any(part.type == "file" for part in self.parts):
            raise InvalidInput("Files can't be sent here yet.")
        return "".join(part.text for part in self.parts if part.type == "text")


class ChatRequest(BaseModel):
    """The body that `HttpChatTransport` sends; other fields are ignored."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    id: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(max_length=10_000)] = []
    message: dict[str, Any] | None = None
    trigger: Literal["submit-message", "regenerate-message", "continue-message"] = "submit-message"
    messageId: Annotated[str | None, Field(max_length=64)] = None
    parentId: Annotated[str | None, Field(max_length=64)] = None
    model: Annotated[str, Field(max_length=200)] = ""
    organisation: str | None = None
    """The organisation in which a new thread is made, by its id; `private` or null for none."""


class StopRequest(BaseModel):
    """The body that clients send with a stop; other fields are ignored.

    Args:
        activeStreamId: The stream that the client sees, if it knows; one that has ended meanwhile
            stops no later one.
    """

    activeStreamId: str | None = None

    def names_another(self, run_id: UUID) -> bool:
        """Whether it is about another run; a client may have stream ids of its own."""
        named = self.activeStreamId
        return named is not None and is_uuid(named) and id_of(named) != run_id


@routes.signed_in(
    *("POST", "/api/chat"),
    body=ChatRequest,
    max_bytes=None,  # clients send the whole conversation, though only its end is read
    is_stream=True,
    errors=(404, 409),
    scope="chat",
)
async def chat(request: Request, principal: Principal, body: ChatRequest) -> Response:
    """Send or edit a message, regenerate or continue an answer, and stream the run."""
    thread_id = await find_thread(principal, body.id) if body.id is not None else None
    create = _CREATE[body.trigger]
    created = await create(principal, body, thread_id)
    run = RunRef(created.run_id, created.message_id)
    return _stream(request, principal, run, created.thread_id)


@routes.signed_in("GET", "/api/chat/{id}/stream", is_stream=True, no_content=True, scope="chat")
async def resume(request: Request, principal: Principal) -> Response | None:
    """Resume the answer that is being written, from its start; 204 when there is none.

    With `Last-Event-ID` it goes on behind that event, also if the answer has ended meanwhile.
    """
    thread_id = await find_thread(principal, request.path_params["id"])
    if thread_id is None:
        return None
    position = position_of(request.headers.get(POSITION_HEADER))
    if position is not None and not position.is_end:
        with suppress(NotFound):
            run, its_thread = await services().runs.find(principal, position.run_id)
            if its_thread == thread_id:
                return _stream(request, principal, run, thread_id, position=position)
    window = await _last_window(principal, thread_id)
    # to an answer that has ended, a client would append it once more
    if window.run is None or any(message.is_compacting for message in window.messages):
        return None
    if position is not None and position.run_id == window.run.run_id:
        return None
    return _stream(request, principal, window.run, window.thread.id)


@routes.signed_in("GET", "/api/chat/resume/{id}", is_stream=True, no_content=True, scope="chat")
async def resume_stream(request: Request, principal: Principal) -> Response | None:
    """Resume or replay one stream, by the id in the header of its first response.

    With `Last-Event-ID` it goes on behind that event; 204 when that was the last one.
    """
    try:
        run, thread_id = await services().runs.find(principal, id_of(request.path_params["id"]))
    except NotFound:
        missing = NotFound()
        details = {**problem(missing), "error": "stream not found"}  # as assistant-ui knows it
        return JSONResponse(details, missing.status, NO_STORE, MEDIA_TYPE)
    position = position_of(request.headers.get(POSITION_HEADER))
    if position is None or position.run_id != run.run_id:
        return _stream(request, principal, run, thread_id)
    if position.is_end:
        return None
    return _stream(request, principal, run, thread_id, position=position)


@routes.signed_in("POST", "/api/chat/{id}/stop", body=StopRequest, max_bytes=None, scope="chat")
async def stop(request: Request, principal: Principal, body: StopRequest) -> None:
    """Stop the active run of a thread; no error when there is none, or when it is another one."""
    thread_id = await find_thread(principal, request.path_params["id"])
    if thread_id is None:
        return
    run = (await _last_window(principal, thread_id)).run
    if run is not None and not body.names_another(run.run_id):
        await services().runs.stop(principal, run.run_id)


class PriceResponse(ResponseModel):
    """What a model costs, in US dollars per million tokens."""

    input: float
    output: float


class ModelResponse(ResponseModel):
    """A model that users can choose."""

    id: str
    name: str
    context_window: int | None
    """In tokens; null where it is not known."""
    images: bool
    tools: bool
    temperature: bool
    efforts: list[Effort]
    price: PriceResponse | None


class OfferedModels(ResponseModel):
    """The models that the user can choose, and the one that answers if they choose none."""

    models: list[ModelResponse]
    default: str | None


class OfferedModelsQuery(Query):
    """For which chats the models are listed."""

    organisation: str = "private"
    """The id of an organisation, for the chats in it; `private` for those in none."""


@routes.signed_in(
    *("GET", "/api/models"),
    query=OfferedModelsQuery,
    response=OfferedModels,
    errors=(404,),
    scope="models",
)
async def models(
    _request: Request, principal: Principal, query: OfferedModelsQuery
) -> OfferedModels:
    """The models that the user can choose."""
    org_id = named_organisation(query.organisation)
    check_membership(principal, org_id)
    allowed = await services().model_access.of(principal, org_id)
    found = allowed.all()
    await services().models.prices.look_up(model.id for model in found)
    offered = [_model(model) for model in found]
    default = allowed.default().id if offered else None
    return OfferedModels(models=offered, default=default)


def _model(model: Model) -> ModelResponse:
    info = model.info
    price, _ = services().models.prices.known(model.id)
    return ModelResponse(
        id=model.id,
        name=model.name,
        context_window=services().models.known_window(model),
        images=info.images,
        tools=info.tools,
        temperature=info.temperature,
        efforts=list(allowed_efforts(info.efforts, services().settings)),
        price=PriceResponse(input=float(price.input), output=float(price.output))
        if price
        else None,
    )


async def _submit(principal: Principal, body: ChatRequest, thread_id: UUID | None) -> CreatedRun:
    last = body.message or (body.messages[-1] if body.messages else None)
    if last is None:
        raise InvalidInput("There is no message to answer.")
    message = _validated(last)
    edits = await _edited(principal, body, thread_id)
    below = "head" if edits else await _below(principal, body, thread_id)
    # the id of an edited message is that of the version before
    is_new = edits is None and is_client_id(message.id)
    return await services().runs.send(
        principal,
        text=message.text,
        client_id=message.id if is_new else uuid4().hex,
        thread_id=thread_id,
        external_id=external_id_of(body.id) if body.id is not None else None,
        model=body.model,
        org_id=named_organisation(body.organisation),
        edits=edits,
        below=below,
    )


async def _edited(principal: Principal, body: ChatRequest, thread_id: UUID | None) -> UUID | None:
    """The message that is replaced; none if the server never got it."""
    if thread_id is None or body.messageId is None:
        return None
    with suppress(NotFound):
        return (await services().threads.find_message(principal, thread_id, body.messageId))[0]
    return None


async def _below(
    principal: Principal, body: ChatRequest, thread_id: UUID | None
) -> UUID | Literal["head"] | None:
    """The message that a new one follows: what the client says, or else shows.

    A client that shows the whole conversation sends it with every message, so the one before the
    last is what the user has seen above it. If that is no answer of the thread, the head it is.
    """
    if thread_id is None:
        return "head"
    if "parentId" in body.model_fields_set:
        parent = body.parentId
        return None if parent is None else await _message_id(principal, thread_id, parent)
    shown = body.messages[-2].get("id") if body.message is None and body.messages[1:] else None
    if isinstance(shown, str):
        with suppress(NotFound):
            found, role = await services().threads.find_message(principal, thread_id, shown)
            if role == "assistant":
                return found
    return "head"


async def _regenerate(
    principal: Principal, body: ChatRequest, thread_id: UUID | None
) -> CreatedRun:
    if thread_id is None:
        raise NotFound
    window = await _last_window(principal, thread_id)
    message_id = window.messages[-1].id if window.messages else None
    if body.messageId is not None:
        message_id = await _message_id(principal, thread_id, body.messageId)
    elif body.messages and isinstance(shown := body.messages[-1].get("id"), str):
        with suppress(NotFound):
            message_id = await _message_id(principal, thread_id, shown)
    if message_id is None:
        raise InvalidInput("There is no answer to regenerate.")
    return await services().runs.retry(principal, message_id, model=body.model)


async def _continue(principal: Principal, body: ChatRequest, thread_id: UUID | None) -> CreatedRun:
    if thread_id is None:
        raise NotFound
    window = await _last_window(principal, thread_id)
    message_id = window.messages[-1].id if window.messages else None
    if body.messageId is not None:
        message_id = await _message_id(principal, thread_id, body.messageId)
    if message_id is None:
        raise InvalidInput("There is no answer to continue.")
    return await services().runs.continue_answer(principal, message_id)


async def _message_id(principal: Principal, thread_id: UUID, given: str) -> UUID:
    """The id of a message of a thread, given that or the one under which a client sent it."""
    message_id, _role = await services().threads.find_message(principal, thread_id, given)
    return message_id


async def _last_window(principal: Principal, thread_id: UUID) -> Window:
    return await services().threads.window(principal, thread_id, limit=1)


def _validated(last: dict[str, Any]) -> UserMessage:
    try:
        return UserMessage.model_validate(last, strict=True)
    except ValueError:
        raise InvalidInput(
            "The last message must have the role user, and text in its parts."
        ) from None


def _stream(
    request: Request,
    principal: Principal,
    run: RunRef,
    thread_id: UUID,
    *,
    position: Position | None = None,
) -> Response:
    chunks = ai_sdk.encoded(
        services().runs.follow(principal, run.run_id),
        run_id=run.run_id,
        message_id=run.message_id,
        thread_id=thread_id,
        version=ai_sdk.client_version(request.headers.get(ai_sdk.VERSION_HEADER)),
        after=position,
        id_every=_id_every(request),
    )
    headers = {
        **ai_sdk.HEADERS,
        THREAD_HEADER: str(thread_id),
        STREAM_HEADER: str(run.run_id),
    }
    return StreamResponse(chunks, headers, keepalive=sse.KEEPALIVE)


def _id_every(request: Request) -> int | None:
    if request.method == "POST":
        return ai_sdk.ID_EVERY
    is_event_source = EVENT_STREAM in request.headers.get("accept", "")
    return None if is_event_source else 1


_CREATE = {
    "submit-message": _submit,
    "regenerate-message": _regenerate,
    "continue-message": _continue,
}
