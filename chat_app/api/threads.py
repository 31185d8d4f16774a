"""`/api/threads` and `/api/search`: a user's threads.

They are what assistant-ui's `RemoteThreadListAdapter` asks for
(`packages/core/src/runtimes/remote-thread-list/types.ts`).
"""

from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.chat_defaults import MAX_BYTES, OptionsChange, options_json
from chat_app.api.etags import json_if_changed
from chat_app.api.requests import Body, Query, WholeNumber, id_of
from chat_app.api.responses import ResponseModel, Timestamp
from chat_app.api.routing import Routes
from chat_app.api.thread_ids import named_organisation, thread_in_path
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.tables import PRIVATE, ThreadStatus
from chat_app.llm.base import Effort
from chat_app.services import services
from chat_app.threads.actions import MAX_PAGE_SIZE
from chat_app.threads.options import NO_OPTIONS
from chat_app.threads.search import Hit
from chat_app.threads.search_query import MAX_QUERY, parse_query
from chat_app.threads.views import ThreadSummary

PAGE_SIZE = 50
"""The threads on a page of which no size is asked for."""

_KEPT = ("search", "status", "organisation")
"""What of a query is the same on the following page."""

routes = Routes()


class NewThread(Body):
    """The body of a new thread."""

    title: str = ""
    localId: str | None = None
    """The client's own id for it; the same one twice is one thread."""
    custom: dict[str, Any] | None = None
    """What programs keep with it."""
    orgId: str | None = None
    """The organisation that it is in; null for none."""


class ThreadChange(OptionsChange):
    """What can be changed of a thread."""

    title: str = ""
    head: str | None = None
    """A message; the branch that has it is chosen. Not with other fields."""
    status: ThreadStatus = "regular"
    """Whether it is in the archive."""
    custom: dict[str, Any] | None = None
    """What programs keep with it, in place of what they kept; null for nothing."""
    orgId: str | None = None
    """The organisation that it moves into; null makes it private. Not with other fields."""


class TitleRequest(BaseModel):
    """What assistant-ui sends for a title; the server names a thread by what it has stored."""

    messages: list[Any] = []


class ThreadsQuery(Query):
    """Which threads are listed."""

    after: str = ""
    """The `nextCursor` of the page before."""
    limit: WholeNumber = PAGE_SIZE
    search: str = ""
    """Only threads whose title has every word."""
    status: ThreadStatus | Literal["all"] = "regular"
    organisation: str = "private"
    """Only threads of this organisation, by its id; `private` for those in none, or `all`."""


class SearchParams(Query):
    """What is searched for."""

    q: str = ""
    after: str = ""
    """The `nextCursor` of the page before."""
    limit: WholeNumber = 20


class ListedThread(ResponseModel):
    """A thread in a list."""

    id: UUID
    title: str
    title_origin: str
    """Who named it: `person`, `model`, or `start` for its first words."""
    model: str
    created_at: Timestamp
    updated_at: Timestamp
    last_message_at: Timestamp
    running: bool
    """Whether an answer is being written."""
    status: ThreadStatus
    external_id: str | None
    """The id that a client has made for it."""
    custom: dict[str, Any]
    """What programs keep with it."""
    org_id: UUID | None
    """The organisation that it is in; null for none."""


class ThreadDetails(ListedThread):
    """A thread with the options of its next answers."""

    instructions: str
    temperature: float | None
    effort: Effort | None


class ListedThreads(ResponseModel):
    """A page of threads, newest first."""

    threads: list[ListedThread]
    next_cursor: str | None


class SnippetPiece(ResponseModel):
    """A piece of the text around a hit."""

    text: str
    hit: bool
    """Whether it is what was searched for."""


class FoundHit(ResponseModel):
    """A title or a message that a search has found."""

    thread_id: UUID
    title: str
    message_id: UUID | None
    """Null when the title itself was found."""
    role: str | None
    created_at: Timestamp
    snippet: list[SnippetPiece]


class FoundHits(ResponseModel):
    """A page of hits."""

    hits: list[FoundHit]
    next_cursor: str | None


class Title(ResponseModel):
    """The title of a thread."""

    title: str


@routes.signed_in(
    *("GET", "/api/threads"),
    query=ThreadsQuery,
    response=list[ListedThread] | ListedThreads,
    errors=(404,),
    etag=True,
    scope="threads:read",
)
async def list_threads(request: Request, principal: Principal, query: ThreadsQuery) -> Response:
    """The user's threads, newest first: a page, or without `after` and `limit` a bare array."""
    asked = request.query_params
    is_page = "after" in asked or "limit" in asked
    page = await services().threads.page(
        principal,
        after=query.after or None,
        limit=query.limit if is_page else MAX_PAGE_SIZE,
        query=parse_query(_checked(query.search)),
        status=query.status,
        org_id=_organisation(query.organisation),
    )
    threads = [ListedThread(**_columns(thread)) for thread in page.threads]
    if is_page:
        return json_if_changed(request, ListedThreads(threads=threads, next_cursor=page.next))
    response = json_if_changed(request, threads)
    if page.next is not None:
        kept = [(key, value) for key, value in asked.multi_items() if key in _KEPT]
        following = urlencode([*kept, ("after", page.next), ("limit", MAX_PAGE_SIZE)])
        response.headers["Link"] = f'<{request.url.path}?{following}>; rel="next"'
    return response


@routes.signed_in(
    "GET", "/api/search", query=SearchParams, response=FoundHits, scope="threads:read"
)
async def search(_request: Request, principal: Principal, query: SearchParams) -> FoundHits:
    """The titles and messages that have every word of a query."""
    page = await services().search.find(
        principal, _checked(query.q), after=query.after or None, limit=query.limit
    )
    return FoundHits(hits=[_hit(hit) for hit in page.hits], next_cursor=page.next)


@routes.signed_in(
    *("POST", "/api/threads"),
    body=NewThread,
    max_bytes=MAX_BYTES,
    response=ThreadDetails,
    errors=(404, 409),
    status=201,
    scope="threads:write",
)
async def create(_request: Request, principal: Principal, body: NewThread) -> ThreadDetails:
    """Create an empty thread; the one with the same `localId` is returned as it is."""
    return _details(
        await services().threads.create(
            principal,
            title=body.title,
            external_id=body.localId,
            custom=body.custom,
            org_id=org_id_of(body.orgId),
        )
    )


@routes.signed_in(
    "GET", "/api/threads/{id}", response=ThreadDetails, etag=True, scope="threads:read"
)
async def fetch(request: Request, principal: Principal) -> Response:
    """One thread."""
    thread_id = await thread_in_path(request, principal)
    return json_if_changed(request, _details(await services().threads.get(principal, thread_id)))


@routes.signed_in(
    *("PATCH", "/api/threads/{id}"),
    body=ThreadChange,
    max_bytes=MAX_BYTES,
    errors=(409,),
    scope="threads:write",
)
async def change(request: Request, principal: Principal, body: ThreadChange) -> None:
    """Change a thread: its title, status, model and options, what programs keep, or its branch."""
    thread_id = await thread_in_path(request, principal)
    fields = body.model_fields_set
    if not fields:
        raise InvalidInput("There is nothing to change.")
    if body.head is not None:
        if len(fields) > 1:
            raise InvalidInput("`head` can't be combined with other fields.")
        await services().threads.show_message(principal, thread_id, id_of(body.head))
        return
    if "orgId" in fields:
        if len(fields) > 1:
            raise InvalidInput("`orgId` can't be combined with other fields.")
        await services().threads.move(principal, thread_id, org_id_of(body.orgId))
        return
    model = None
    if body.model:
        thread = await services().threads.get(principal, thread_id)
        allowed = await services().model_access.of(principal, thread.org_id)
        model = allowed.get(body.model).id
    await services().threads.change(
        principal,
        thread_id,
        title=body.title if "title" in fields else None,
        model=model,
        options=body.options,
        status=body.status if "status" in fields else None,
        custom=(body.custom or {}) if "custom" in fields else None,
    )


@routes.signed_in(
    *("POST", "/api/threads/{id}/title"),
    body=TitleRequest,
    max_bytes=None,
    response=Title,
    scope="chat",  # a model is called
)
async def generate_title(request: Request, principal: Principal, body: TitleRequest) -> Title:
    """Let a model name a thread, unless its user has; the title that it has then."""
    thread_id = await thread_in_path(request, principal)
    return Title(title=await services().runs.name_thread(principal, thread_id))


@routes.signed_in("DELETE", "/api/threads/{id}", scope="threads:write")
async def delete(request: Request, principal: Principal) -> None:
    """Delete a thread and stop its run."""
    await services().threads.delete(principal, await thread_in_path(request, principal))


def org_id_of(text: str | None) -> UUID:
    """The organisation that a client names; `PRIVATE` for none.

    Raises:
        NotFound: It is no id.
    """
    return PRIVATE if text is None else id_of(text)


def _organisation(text: str) -> UUID | None:
    """The organisation whose threads are listed; None for all.

    Raises:
        NotFound: It is no id.
    """
    return None if text == "all" else named_organisation(text)


def _checked(text: str) -> str:
    """The text of a search.

    Raises:
        InvalidInput: It is too long.
    """
    if len(text) > MAX_QUERY:
        raise InvalidInput(f"A search can have at most {MAX_QUERY} characters.")
    return text


def _hit(hit: Hit) -> FoundHit:
    return FoundHit(
        thread_id=hit.thread_id,
        title=hit.title,
        message_id=hit.message_id,
        role=hit.role if hit.message_id else None,
        created_at=hit.created_at,
        snippet=[SnippetPiece(text=part.text, hit=part.is_hit) for part in hit.snippet],
    )


def _details(thread: ThreadSummary) -> ThreadDetails:
    options = thread.options or NO_OPTIONS
    return ThreadDetails(**_columns(thread), **options_json(options))


def _columns(thread: ThreadSummary) -> dict[str, Any]:
    return {
        "id": thread.id,
        "title": thread.title,
        "title_origin": thread.title_origin,
        "model": thread.model,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "last_message_at": thread.updated_at,
        "running": thread.running,
        "status": thread.status,
        "external_id": thread.external_id,
        "custom": dict(thread.custom),
        "org_id": None if thread.org_id == PRIVATE else thread.org_id,
    }
