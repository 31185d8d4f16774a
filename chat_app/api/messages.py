"""`/api/threads/{id}/messages`: the messages of a thread, in windows or whole, and new ones.

With `format` they are what assistant-ui's history adapter loads and appends
(`packages/core/src/adapters/thread-history.ts`).
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.etags import is_unchanged, json_if_changed, json_with, not_modified
from chat_app.api.requests import Body, Query, WholeNumber, id_of
from chat_app.api.responses import ResponseModel, Timestamp, json_response
from chat_app.api.routing import Routes
from chat_app.api.thread_ids import is_uuid, thread_in_path
from chat_app.api.wires import ai_sdk
from chat_app.api.wires.ai_sdk_tools import ClientVersion
from chat_app.api.wires.ui_messages import FORMAT, ui_message
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.core.text import is_client_id
from chat_app.runs.follow import RunMetrics
from chat_app.services import services
from chat_app.threads.client_messages import HEAD, ClientMessage
from chat_app.threads.views import MessageView, RunRef

routes = Routes()


class MessageChange(Body):
    """A message in the form in which assistant-ui stores it."""

    format: Literal["ai-sdk/v6"]
    content: dict[str, Any]
    """A UI message without its id."""
    parent_id: Annotated[str | None, Field(max_length=64)] = None
    """The message above, by its id or the client's; null for the beginning. Without it, a new
    message follows the last one."""


class NewMessageEntry(MessageChange):
    """A message to append."""

    id: Annotated[str, Field(max_length=64)] = ""
    """Its id, or that under which the client made it."""


class MessagesQuery(Query):
    """Which messages are read."""

    before: str = ""
    """A message; the window ends above it."""
    limit: WholeNumber = 30
    format: str = ""
    """`ai-sdk/v6` for the whole tree in place of a window."""


class RunReference(ResponseModel):
    """The answer that is being written."""

    id: UUID
    message_id: UUID


class StoredMessage(ResponseModel):
    """A message, with what the AI SDK's `UIMessage` has."""

    id: UUID
    parent_id: UUID | None
    versions: list[UUID]
    """All messages with the same parent, the oldest first; none if it is the only one."""
    role: str
    metadata: dict[str, Any]
    parts: list[dict[str, Any]]
    status: str
    error: str | None
    model: str | None
    origin: str | None
    """`client` if a client appended it."""
    created_at: Timestamp


class MessageWindow(ResponseModel):
    """A window of the chosen branch, oldest first."""

    messages: list[StoredMessage]
    has_older: bool
    run: RunReference | None


class MessageEntry(ResponseModel):
    """A message as assistant-ui's `MessageStorageEntry`, whose names it has."""

    model_config = ConfigDict(alias_generator=None)

    id: UUID
    parent_id: UUID | None
    format: str
    content: dict[str, Any]
    created_at: Timestamp


class HistoryResponse(ResponseModel):
    """Every message of every branch, each after the one above it."""

    head_id: UUID | None
    messages: list[MessageEntry]
    run: RunReference | None


class AppendedMessage(ResponseModel):
    """The id that the server has for a message."""

    id: UUID


@routes.signed_in(
    *("GET", "/api/threads/{id}/messages"),
    query=MessagesQuery,
    response=MessageWindow | HistoryResponse,
    etag=True,
    errors=(413,),
    scope="threads:read",
)
async def messages(request: Request, principal: Principal, query: MessagesQuery) -> Response:
    """A window of the chosen branch, oldest first; with `format` the whole tree."""
    thread_id = await thread_in_path(request, principal)
    if query.format:
        return await _tree(request, principal, thread_id, query.format)
    window = await services().threads.window(
        principal,
        thread_id,
        before=id_of(query.before) if query.before else None,
        limit=query.limit,
    )
    metrics = await services().runs.metrics_of(
        principal, [message.id for message in window.messages]
    )
    version = ai_sdk.client_version(request.headers.get(ai_sdk.VERSION_HEADER))
    return json_if_changed(
        request,
        MessageWindow(
            messages=[
                _message(message, metrics.get(message.id), version) for message in window.messages
            ],
            has_older=window.has_older,
            run=_run(window.run),
        ),
    )


@routes.signed_in(
    *("POST", "/api/threads/{id}/messages"),
    body=NewMessageEntry,
    max_bytes=None,
    response=AppendedMessage,
    status=201,
    statuses=(200,),
    errors=(409,),
    scope="threads:write",
)
async def append(request: Request, principal: Principal, body: NewMessageEntry) -> Response:
    """Append a message; one that the server holds stays as it is, with 200."""
    thread_id = await thread_in_path(request, principal)
    if body.id and not is_client_id(body.id):
        raise InvalidInput("A message id is 1 to 64 letters, digits, hyphens or underscores.")
    return await _append(principal, thread_id, body, body.id)


@routes.signed_in(
    *("PATCH", "/api/threads/{id}/messages/{message}"),
    body=MessageChange,
    max_bytes=None,
    response=AppendedMessage,
    statuses=(201,),
    errors=(409,),
    scope="threads:write",
)
async def update(request: Request, principal: Principal, body: MessageChange) -> Response:
    """Append a message, with 201, unless the server holds it; nothing that it holds is changed."""
    thread_id = await thread_in_path(request, principal)
    message_id = request.path_params["message"]
    if not is_client_id(message_id):
        raise NotFound
    if is_uuid(message_id):
        # no client has made it: a foreign one, and one that does not exist, are both missing
        await services().threads.find_message(principal, thread_id, message_id)
    return await _append(principal, thread_id, body, message_id)


@routes.signed_in(
    *("DELETE", "/api/threads/{id}/messages/{message}"), errors=(409,), scope="threads:write"
)
async def delete_branch(request: Request, principal: Principal) -> None:
    """Delete a message and all below it."""
    thread_id = await thread_in_path(request, principal)
    message_id = id_of(request.path_params["message"])
    await services().threads.delete_branch(principal, thread_id, message_id)


async def _append(
    principal: Principal, thread_id: UUID, body: MessageChange, message_id: str
) -> Response:
    content = ui_message(body.content)
    parent = body.parent_id if "parent_id" in body.model_fields_set else HEAD
    message = ClientMessage(message_id, parent, content.role, content.stored_parts)
    stored, is_new = await services().client_messages.append(principal, thread_id, message)
    return json_response(AppendedMessage(id=stored), 201 if is_new else 200)


async def _tree(request: Request, principal: Principal, thread_id: UUID, format: str) -> Response:
    if format != FORMAT:
        raise InvalidInput(f"format must be {FORMAT}.")
    version = await services().client_messages.version(principal, thread_id)
    if is_unchanged(request, version):
        return not_modified(version)
    tree = await services().client_messages.tree(principal, thread_id)
    metrics = await services().runs.metrics_of(principal, [one.id for one in tree.messages])
    entries = [_entry(message, metrics.get(message.id)) for message in tree.messages]
    whole = HistoryResponse(head_id=tree.head_id, messages=entries, run=_run(tree.run))
    return json_with(version, whole.model_dump_json(by_alias=True).encode())


def _entry(message: MessageView, metrics: RunMetrics | None) -> MessageEntry:
    return MessageEntry(
        id=message.id,
        parent_id=message.parent_id,
        format=FORMAT,
        content={
            "role": message.role,
            "metadata": _metadata(message, metrics),
            "parts": ai_sdk.ui_parts(message.parts),
        },
        created_at=message.created_at,
    )


def _run(run: RunRef | None) -> RunReference | None:
    return None if run is None else RunReference(id=run.run_id, message_id=run.message_id)


def _message(
    message: MessageView, metrics: RunMetrics | None, version: ClientVersion
) -> StoredMessage:
    return StoredMessage(
        id=message.id,
        parent_id=message.parent_id,
        versions=list(message.versions),
        role=message.role,
        metadata=_metadata(message, metrics),
        parts=ai_sdk.ui_parts(message.parts, version),
        status=message.status,
        error=message.error or None,
        model=message.model or None,
        origin=message.origin or None,
        created_at=message.created_at,
    )


def _metadata(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    if message.role != "assistant" or message.origin:
        return {}
    reason = ai_sdk.finish_reason(message.status, message.finish_reason)
    return ai_sdk.metadata(metrics or RunMetrics(message.model), reason)
