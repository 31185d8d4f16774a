"""`/api/ag-ui`: answers for clients of AG-UI, such as `HttpAgent` of `@ag-ui/client`.

The server owns the history. Of the messages that a client sends only the last one is stored, if it
is the user's; else the client joins the answer that is being written.
"""

from contextlib import suppress
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import id_of
from chat_app.api.routing import Routes
from chat_app.api.streaming import STREAM_HEADER, THREAD_HEADER, StreamResponse
from chat_app.api.thread_ids import external_id_of, find_thread
from chat_app.api.wires import ag_ui, sse
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.core.text import is_client_id
from chat_app.services import services
from chat_app.threads.views import RunRef

routes = Routes()


class RunAgentInput(BaseModel):
    """The body that clients of AG-UI send; other fields are ignored.

    The tools, the state and the context of a client are not sent to models.
    """

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    threadId: str
    """The id of a thread, or one of the client's own, which is no UUID."""
    runId: Annotated[str, Field(max_length=200)]
    """What the client calls the run."""
    protocolVersion: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(max_length=10_000)]
    resume: list[dict[str, Any]] | None = None
    forwardedProps: Any = None
    """`{model}` chooses a model."""

    @property
    def model(self) -> str:
        """The id of the model that is asked for; empty for none.

        Raises:
            InvalidInput: It is no text.
        """
        given = self.forwardedProps
        model = given.get("model", "") if isinstance(given, dict) else ""
        if not isinstance(model, str):
            raise InvalidInput("forwardedProps.model is not valid here.")
        return model


@routes.signed_in(
    *("POST", "/api/ag-ui"),
    body=RunAgentInput,
    max_bytes=None,  # clients send the whole conversation, though only its end is read
    is_stream=True,
    errors=(404, 409),
    scope="chat",
)
async def run_agent(_request: Request, principal: Principal, body: RunAgentInput) -> Response:
    """Send a message, or join the answer that is being written, as a stream of AG-UI events.

    The last of `messages` is sent if it is the user's and new. If it was sent before, its answer
    is streamed again; if it is not the user's, or there is none, the active answer is.
    """
    if body.resume:
        raise InvalidInput("No run waits to be resumed.")
    thread_id = await find_thread(principal, body.threadId)
    last = body.messages[-1] if body.messages else None
    if (
        last is None
        or last.get("role") != "user"
        or await _is_stored_question(principal, thread_id, last)
    ):
        run, thread_id = await _active_run(principal, thread_id)
    else:
        run, thread_id = await _send(principal, body, thread_id, _validated(last))
    server_ids = {"threadId": str(thread_id), "runId": str(run.run_id)}
    encoder = ag_ui.AgUiEncoder(
        run.message_id,
        thread_id=body.threadId,
        run_id=body.runId,
        server_ids=server_ids,
        knows_cancelled=body.protocolVersion is not None,
    )
    events = services().runs.follow(principal, run.run_id)
    headers = {
        **sse.HEADERS,
        THREAD_HEADER: str(thread_id),
        STREAM_HEADER: str(run.run_id),
    }
    chunks = ag_ui.encoded(events, encoder, body.messages)
    return StreamResponse(chunks, headers, keepalive=sse.KEEPALIVE)


async def _active_run(principal: Principal, thread_id: UUID | None) -> tuple[RunRef, UUID]:
    """The run that writes an answer in a thread.

    Raises:
        NotFound: The thread is missing, foreign or deleted.
        InvalidInput: There is none.
    """
    if thread_id is not None:
        window = await services().threads.window(principal, thread_id, limit=1)
        is_compacting = any(message.is_compacting for message in window.messages)
        if window.run is not None and not is_compacting:
            return window.run, window.thread.id
    raise InvalidInput("There is no message to answer, and no answer is being written.")


async def _send(
    principal: Principal,
    body: RunAgentInput,
    thread_id: UUID | None,
    message: ag_ui.AgUiUserMessage,
) -> tuple[RunRef, UUID]:
    created = await services().runs.send(
        principal,
        text=message.text,
        client_id=message.id if is_client_id(message.id) else uuid4().hex,
        thread_id=thread_id,
        external_id=external_id_of(body.threadId),
        model=body.model,
        below=await _below(principal, thread_id, body.messages),
    )
    return RunRef(created.run_id, created.message_id), created.thread_id


async def _is_stored_question(
    principal: Principal, thread_id: UUID | None, message: dict[str, Any]
) -> bool:
    """Whether a message has the id that a question of the thread has here.

    A client has it that has read the messages of the thread. The id under which a client has sent
    a message is another one.
    """
    with suppress(NotFound):
        given = str(message.get("id"))
        if thread_id is not None and await _find(principal, thread_id, given) == "user":
            return True
    return False


async def _below(
    principal: Principal, thread_id: UUID | None, messages: list[dict[str, Any]]
) -> UUID | Literal["head"]:
    """The message that the last one follows: the answer that the client shows above it.

    If the client shows none, or one that is not of the thread, it is the last message there.
    """
    if thread_id is None:
        return "head"
    answers = (ag_ui.answer_of(each) for each in reversed(messages[:-1]))
    shown = next((answer for answer in answers if answer is not None), "")
    with suppress(NotFound):
        if await _find(principal, thread_id, shown) == "assistant":
            return id_of(shown)
    return "head"


async def _find(principal: Principal, thread_id: UUID, given: str) -> str:
    """The role of a message of a thread.

    Raises:
        NotFound: The thread has none with this id.
    """
    found, role = await services().threads.find_message(principal, thread_id, given)
    if found != id_of(given):
        raise NotFound  # it is the id under which a client has sent it
    return role


def _validated(last: dict[str, Any]) -> ag_ui.AgUiUserMessage:
    try:
        return ag_ui.AgUiUserMessage.model_validate(last, strict=True)
    except ValueError:
        raise InvalidInput("The last message must have text in its content.") from None
