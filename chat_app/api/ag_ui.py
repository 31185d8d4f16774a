"""`/api/ag-ui`: answers for clients of AG-UI, such as `HttpAgent` of `@ag-ui/client`.

The server owns the history. Of the messages that a client sends only the last one is stored, if it
is the user's; else the client joins the answer that is being written.
"""

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import id_of
from chat_app.api.routing import Routes
from chat_app.api.streaming import STREAM_HEADER, THREAD_HEADER, StreamResponse
from chat_app.api.thread_ids import external_id_of, find_thread, is_uuid, named_organisation
from chat_app.api.wires import ag_ui, sse
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
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
    """`{model}` chooses a model, `{organisation}` that in which a new thread is made."""

    @property
    def model(self) -> str:
        """The id of the model that is asked for; empty for none.

        Raises:
            InvalidInput: It is no text.
        """
        return self._forwarded("model") or ""

    @property
    def organisation(self) -> str | None:
        """The organisation of a new thread, by its id; `private` or None for none.

        Raises:
            InvalidInput: It is no text.
        """
        return self._forwarded("organisation")

    def _forwarded(self, name: str) -> str | None:
        given = self.forwardedProps
        value = given.get(name) if isinstance(given, dict) else None
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"forwardedProps.{name} is not valid here.")
        return value


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
    sent, shown = _ids_of(body.messages)
    roles = await _roles(principal, thread_id, {sent, shown})
    # a client has the server's id of a question if it has read the thread's messages; the id under
    # which it has sent one is another
    if last is None or last.get("role") != "user" or roles.get(sent) == "user":
        run, thread_id = await _active_run(principal, thread_id)
    else:
        # if the client shows no answer of the thread, the message follows the last one there
        below = shown if shown is not None and roles.get(shown) == "assistant" else "head"
        run, thread_id = await _send(principal, body, thread_id, _validated(last), below)
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
    below: UUID | Literal["head"],
) -> tuple[RunRef, UUID]:
    created = await services().runs.send(
        principal,
        text=message.text,
        client_id=message.id if is_client_id(message.id) else uuid4().hex,
        thread_id=thread_id,
        external_id=external_id_of(body.threadId),
        model=body.model,
        org_id=named_organisation(body.organisation),
        below=below,
    )
    return RunRef(created.run_id, created.message_id), created.thread_id


def _ids_of(messages: list[dict[str, Any]]) -> tuple[UUID | None, UUID | None]:
    """The id of the last message, and of the answer that is shown above it, if they are UUIDs."""
    answers = (ag_ui.answer_of(each) for each in reversed(messages[:-1]))
    shown = next((answer for answer in answers if answer is not None), "")
    return (_uuid(str(messages[-1].get("id"))) if messages else None), _uuid(shown)


def _uuid(text: str) -> UUID | None:
    return id_of(text) if is_uuid(text) else None


async def _roles(
    principal: Principal, thread_id: UUID | None, ids: set[UUID | None]
) -> dict[UUID | None, str]:
    """The roles of those of some messages that are in a thread."""
    known = {each for each in ids if each is not None}
    if thread_id is None or not known:
        return {}
    return {**await services().threads.roles(principal, thread_id, known)}


def _validated(last: dict[str, Any]) -> ag_ui.AgUiUserMessage:
    try:
        return ag_ui.AgUiUserMessage.model_validate(last, strict=True)
    except ValueError:
        raise InvalidInput("The last message must have text in its content.") from None
