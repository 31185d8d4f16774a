"""`/api/threads/{id}/messages`: the messages of a thread, in windows or whole, and new ones.

With `format` they are what assistant-ui's history adapter loads and appends
(`packages/core/src/adapters/thread-history.ts`).
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.etags import etag, is_unchanged, json_if_changed, not_modified
from chat_app.api.requests import Body, id_of, number, read_json
from chat_app.api.responses import json_response, timestamp
from chat_app.api.routing import Routes
from chat_app.api.thread_ids import is_uuid, thread_in_path
from chat_app.api.wires import ai_sdk
from chat_app.api.wires.ui_messages import FORMAT, ui_message
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.runs.follow import RunMetrics
from chat_app.runs.new_message import is_client_id
from chat_app.services import services
from chat_app.threads.client_messages import HEAD, ClientMessage
from chat_app.threads.views import MessageView, RunRef

routes = Routes()


class MessageChange(Body):
    """A message in the form in which assistant-ui stores it.

    Args:
        format: `ai-sdk/v6`.
        content: A UI message without its id.
        parent_id: The message above, by its id or the client's; null for the beginning. Without
            it, a new message follows the last one.
    """

    format: Literal["ai-sdk/v6"]
    content: dict[str, Any]
    parent_id: Annotated[str | None, Field(max_length=64)] = None


class NewMessageEntry(MessageChange):
    """A message to append.

    Args:
        id: Its id, or that under which the client made it.
    """

    id: Annotated[str, Field(max_length=64)] = ""


@routes.signed_in("GET", "/api/threads/{id}/messages", scope="threads:read")
async def messages(request: Request, principal: Principal) -> Response:
    """A window of the chosen branch, oldest first; with `format` the whole tree."""
    thread_id = await thread_in_path(request, principal)
    if "format" in request.query_params:
        return await _tree(request, principal, thread_id)
    before = request.query_params.get("before")
    window = await services().threads.window(
        principal,
        thread_id,
        before=id_of(before) if before else None,
        limit=number(request, "limit", 30),
    )
    metrics = await services().runs.metrics_of(
        principal, [message.id for message in window.messages]
    )
    return json_if_changed(
        request,
        {
            "messages": [_message(message, metrics.get(message.id)) for message in window.messages],
            "hasOlder": window.has_older,
            "run": _run(window.run),
        },
    )


@routes.signed_in("POST", "/api/threads/{id}/messages", scope="threads:write")
async def append(request: Request, principal: Principal) -> Response:
    """Append a message; one that the server holds stays as it is."""
    thread_id = await thread_in_path(request, principal)
    settings = services().settings
    body = await read_json(request, NewMessageEntry, max_bytes=settings.request_bytes)
    if body.id and not is_client_id(body.id):
        raise InvalidInput("A message id is 1 to 64 letters, digits, hyphens or underscores.")
    return await _append(principal, thread_id, body, body.id)


@routes.signed_in("PATCH", "/api/threads/{id}/messages/{message}", scope="threads:write")
async def update(request: Request, principal: Principal) -> Response:
    """Append a message unless the server holds it; nothing that it holds is changed."""
    thread_id = await thread_in_path(request, principal)
    message_id = request.path_params["message"]
    if not is_client_id(message_id):
        raise NotFound
    settings = services().settings
    body = await read_json(request, MessageChange, max_bytes=settings.request_bytes)
    if is_uuid(message_id):
        # no client has made it: a foreign one, and one that nobody has, are both missing
        await services().threads.find_message(principal, thread_id, message_id)
    return await _append(principal, thread_id, body, message_id)


@routes.signed_in("DELETE", "/api/threads/{id}/messages/{message}", scope="threads:write")
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
    return json_response({"id": str(stored)}, 201 if is_new else 200)


async def _tree(request: Request, principal: Principal, thread_id: UUID) -> Response:
    if request.query_params["format"] != FORMAT:
        raise InvalidInput(f"format must be {FORMAT}.")
    version = await services().client_messages.version(principal, thread_id)
    if is_unchanged(request, version):
        return not_modified(version)
    tree = await services().client_messages.tree(principal, thread_id)
    metrics = await services().runs.metrics_of(principal, [one.id for one in tree.messages])
    entries = [_entry(message, metrics.get(message.id)) for message in tree.messages]
    head = str(tree.head_id) if tree.head_id else None
    response = json_response({"headId": head, "messages": entries, "run": _run(tree.run)})
    response.headers["ETag"] = etag(version)
    return response


def _entry(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    """A message as assistant-ui's `MessageStorageEntry`."""
    return {
        "id": str(message.id),
        "parent_id": str(message.parent_id) if message.parent_id else None,
        "format": FORMAT,
        "content": {
            "role": message.role,
            "metadata": _metadata(message, metrics),
            "parts": ai_sdk.ui_parts(message.parts),
        },
        "created_at": timestamp(message.created_at),
    }


def _run(run: RunRef | None) -> dict[str, str] | None:
    return {"id": str(run.run_id), "messageId": str(run.message_id)} if run else None


def _message(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "parentId": str(message.parent_id) if message.parent_id else None,
        "versions": [str(version) for version in message.versions],
        "role": message.role,
        "metadata": _metadata(message, metrics),
        "parts": ai_sdk.ui_parts(message.parts),
        "status": message.status,
        "error": message.error or None,
        "model": message.model or None,
        "origin": message.origin or None,
        "createdAt": timestamp(message.created_at),
    }


def _metadata(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    if message.role != "assistant" or message.origin:
        return {}
    reason = ai_sdk.finish_reason(message.status, message.finish_reason)
    return ai_sdk.metadata(metrics or RunMetrics(message.model), reason)
