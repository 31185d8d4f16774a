"""`/api/threads` and `/api/search`: a user's threads.

They are what assistant-ui's `RemoteThreadListAdapter` asks for
(`packages/core/src/runtimes/remote-thread-list/types.ts`).
"""

from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.chat_defaults import MAX_BYTES, OptionsChange, options_json
from chat_app.api.etags import json_if_changed
from chat_app.api.requests import Body, id_of, number, read_json
from chat_app.api.responses import json_response, timestamp
from chat_app.api.routing import Routes
from chat_app.api.thread_ids import thread_in_path
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.tables import ThreadStatus
from chat_app.services import services
from chat_app.threads.actions import MAX_PAGE_SIZE
from chat_app.threads.search import Hit
from chat_app.threads.search_query import MAX_QUERY, parse_query
from chat_app.threads.views import ThreadSummary

PAGE_SIZE = 50
"""The threads on a page of which no size is asked for."""

routes = Routes()


class NewThread(Body):
    """The body of a new thread.

    Args:
        localId: The name that the client gave it; the same name twice is one thread.
    """

    title: str = ""
    localId: str | None = None


class ThreadChange(OptionsChange):
    """What can be changed of a thread.

    Args:
        title: Its title.
        head: A message; the branch that has it is chosen.
        status: Whether it is in the archive.
        custom: What programs keep with it, in place of what they kept; null for nothing.
    """

    title: str = ""
    head: str | None = None
    status: ThreadStatus = "regular"
    custom: dict[str, Any] | None = None


class TitleRequest(BaseModel):
    """What assistant-ui sends for a title; the server names a thread by what it has stored."""

    messages: list[Any] = []


@routes.signed_in("GET", "/api/threads", scope="threads:read")
async def list_threads(request: Request, principal: Principal) -> Response:
    """The user's threads, newest first: a page, or without `after` and `limit` a bare array."""
    asked = request.query_params
    is_page = "after" in asked or "limit" in asked
    page = await services().threads.page(
        principal,
        after=asked.get("after") or None,
        limit=number(request, "limit", PAGE_SIZE) if is_page else MAX_PAGE_SIZE,
        query=parse_query(_query(request, "search")),
        status=_status(request),
    )
    threads = [_thread(thread) for thread in page.threads]
    if is_page:
        return json_if_changed(request, {"threads": threads, "nextCursor": page.next})
    response = json_if_changed(request, threads)
    if page.next is not None:
        kept = [(key, value) for key, value in asked.multi_items() if key in ("search", "status")]
        query = urlencode([*kept, ("after", page.next), ("limit", MAX_PAGE_SIZE)])
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return response


@routes.signed_in("GET", "/api/search", scope="threads:read")
async def search(request: Request, principal: Principal) -> dict[str, Any]:
    """The titles and messages that have every word of a query."""
    page = await services().search.find(
        principal,
        _query(request, "q"),
        after=request.query_params.get("after") or None,
        limit=number(request, "limit", 20),
    )
    return {"hits": [_hit(hit) for hit in page.hits], "nextCursor": page.next}


@routes.signed_in("POST", "/api/threads", scope="threads:write")
async def create(request: Request, principal: Principal) -> Response:
    """Create an empty thread; the one with the same `localId` is returned as it is."""
    body = await read_json(request, NewThread, max_bytes=MAX_BYTES)
    thread = await services().threads.create(principal, title=body.title, external_id=body.localId)
    return json_response(_thread(thread), 201)


@routes.signed_in("GET", "/api/threads/{id}", scope="threads:read")
async def fetch(request: Request, principal: Principal) -> Response:
    """One thread."""
    thread_id = await thread_in_path(request, principal)
    return json_if_changed(request, _thread(await services().threads.get(principal, thread_id)))


@routes.signed_in("PATCH", "/api/threads/{id}", scope="threads:write")
async def change(request: Request, principal: Principal) -> None:
    """Change a thread: its title, status, model and options, what programs keep, or its branch."""
    thread_id = await thread_in_path(request, principal)
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
        status=body.status if "status" in fields else None,
        custom=(body.custom or {}) if "custom" in fields else None,
    )


@routes.signed_in("POST", "/api/threads/{id}/title", scope="threads:write")
async def generate_title(request: Request, principal: Principal) -> dict[str, str]:
    """Let a model name a thread, unless its user has; the title that it has then."""
    thread_id = await thread_in_path(request, principal)
    await read_json(request, TitleRequest, max_bytes=services().settings.request_bytes)
    return {"title": await services().runs.name_thread(principal, thread_id)}


@routes.signed_in("DELETE", "/api/threads/{id}", scope="threads:write")
async def delete(request: Request, principal: Principal) -> None:
    """Delete a thread and stop its run."""
    await services().threads.delete(principal, await thread_in_path(request, principal))


def _status(request: Request) -> ThreadStatus | Literal["all"]:
    match request.query_params.get("status", "regular"):
        case "regular" | "archived" | "all" as status:
            return status
        case _:
            raise InvalidInput("status must be regular, archived or all.")


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
        "lastMessageAt": timestamp(thread.updated_at),
        "running": thread.running,
        "status": thread.status,
        "externalId": thread.external_id,
        "custom": thread.custom,
    }
    return described if thread.options is None else described | options_json(thread.options)
