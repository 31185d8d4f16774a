"""`/api/threads` and `/api/search`: a user's threads and their messages."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.chat_defaults import MAX_BYTES, OptionsChange, options_json
from chat_app.api.requests import Body, id_of, number, read_json
from chat_app.api.responses import json_response, timestamp
from chat_app.api.routing import Routes
from chat_app.api.wires import ai_sdk
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.runs.follow import RunMetrics
from chat_app.services import services
from chat_app.threads.search import Hit
from chat_app.threads.search_query import MAX_QUERY, parse_query
from chat_app.threads.views import MessageView, ThreadSummary

routes = Routes()


class NewThread(Body):
    """The body of a new thread."""

    title: str = ""


class ThreadChange(OptionsChange):
    """What can be changed of a thread.

    Args:
        title: Its title.
        head: A message; the branch that has it is chosen.
    """

    title: str = ""
    head: str | None = None


@routes.signed_in("GET", "/api/threads")
async def list_threads(request: Request, principal: Principal) -> dict[str, Any]:
    """A page of the user's threads, newest first."""
    page = await services().threads.page(
        principal,
        after=request.query_params.get("after") or None,
        limit=number(request, "limit", 50),
        query=parse_query(_query(request, "search")),
    )
    return {"threads": [_thread(thread) for thread in page.threads], "nextCursor": page.next}


@routes.signed_in("GET", "/api/search")
async def search(request: Request, principal: Principal) -> dict[str, Any]:
    """The titles and messages that have every word of a query."""
    page = await services().search.find(
        principal,
        _query(request, "q"),
        after=request.query_params.get("after") or None,
        limit=number(request, "limit", 20),
    )
    return {"hits": [_hit(hit) for hit in page.hits], "nextCursor": page.next}


@routes.signed_in("POST", "/api/threads")
async def create(request: Request, principal: Principal) -> Response:
    """Create an empty thread."""
    body = await read_json(request, NewThread, max_bytes=MAX_BYTES)
    thread = await services().threads.create(principal, title=body.title)
    return json_response(_thread(thread), 201)


@routes.signed_in("GET", "/api/threads/{id}")
async def fetch(request: Request, principal: Principal) -> dict[str, Any]:
    """One thread."""
    return _thread(await services().threads.get(principal, id_of(request.path_params["id"])))


@routes.signed_in("PATCH", "/api/threads/{id}")
async def change(request: Request, principal: Principal) -> None:
    """Change a thread: its title, its model, the options of its next answers, or its branch."""
    thread_id = id_of(request.path_params["id"])
    body = await read_json(request, ThreadChange, max_bytes=MAX_BYTES)
    fields = body.model_fields_set
    if not fields:
        raise InvalidInput("There is nothing to change.")
    if body.head is not None:
        if len(fields) > 1:
            raise InvalidInput("`head` can't be combined with other fields.")
        await services().threads.show_message(principal, thread_id, id_of(body.head))
        return
    await services().threads.change(
        principal,
        thread_id,
        title=body.title if "title" in fields else None,
        model=body.chosen_model,
        options=body.options,
    )


@routes.signed_in("DELETE", "/api/threads/{id}")
async def delete(request: Request, principal: Principal) -> None:
    """Delete a thread and stop its run."""
    await services().threads.delete(principal, id_of(request.path_params["id"]))


@routes.signed_in("GET", "/api/threads/{id}/messages")
async def messages(request: Request, principal: Principal) -> dict[str, Any]:
    """A window of a thread's messages, oldest first: the newest, or those before `before`."""
    before = request.query_params.get("before")
    window = await services().threads.window(
        principal,
        id_of(request.path_params["id"]),
        before=id_of(before) if before else None,
        limit=number(request, "limit", 30),
    )
    metrics = await services().runs.metrics_of(
        principal, [message.id for message in window.messages]
    )
    run = window.run
    return {
        "messages": [_message(message, metrics.get(message.id)) for message in window.messages],
        "hasOlder": window.has_older,
        "run": {"id": str(run.run_id), "messageId": str(run.message_id)} if run else None,
    }


@routes.signed_in("DELETE", "/api/threads/{id}/messages/{message}")
async def delete_branch(request: Request, principal: Principal) -> None:
    """Delete a message and all below it."""
    thread_id, message_id = (id_of(request.path_params[name]) for name in ("id", "message"))
    await services().threads.delete_branch(principal, thread_id, message_id)


def _query(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if len(text) > MAX_QUERY:
        raise InvalidInput(f"A search can have at most {MAX_QUERY} characters.")
    return text


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "threadId": str(hit.thread_id),
        "title": hit.title,
        "messageId": str(hit.message_id) if hit.message_id else None,
        "role": hit.role if hit.message_id else None,
        "createdAt": timestamp(hit.created_at),
        "snippet": [{"text": part.text, "hit": part.is_hit} for part in hit.snippet],
    }


def _thread(thread: ThreadSummary) -> dict[str, Any]:
    described = {
        "id": str(thread.id),
        "title": thread.title,
        "titleOrigin": thread.title_origin,
        "model": thread.model,
        "createdAt": timestamp(thread.created_at),
        "updatedAt": timestamp(thread.updated_at),
        "running": thread.running,
    }
    return described if thread.options is None else described | options_json(thread.options)


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
        "createdAt": timestamp(message.created_at),
    }


def _metadata(message: MessageView, metrics: RunMetrics | None) -> dict[str, Any]:
    if message.role != "assistant":
        return {}
    reason = ai_sdk.finish_reason(message.status, message.finish_reason)
    return ai_sdk.metadata(metrics or RunMetrics(message.model), reason)
