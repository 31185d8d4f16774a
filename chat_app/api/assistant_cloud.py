"""`/v1/threads` and `/v1/runs/stream`: the threads, messages and titles of AssistantCloud.

They are those of every other interface, in the shapes of AssistantCloud's own client; see
`cloud_tokens`.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.chat_defaults import MAX_BYTES
from chat_app.api.cloud_tokens import CloudModel, CloudRoutes
from chat_app.api.errors import NO_STORE
from chat_app.api.requests import Body, Query, WholeNumber
from chat_app.api.responses import Timestamp
from chat_app.api.thread_ids import named_thread, thread_in_path
from chat_app.api.wires.assistant_cloud import (
    FORMATS,
    check_format,
    client_id_of,
    content_of,
    heights,
    newest_first,
    read_content,
    read_unnamed_content,
)
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.services import services
from chat_app.threads.actions import MAX_PAGE_SIZE
from chat_app.threads.client_messages import ClientMessage
from chat_app.threads.views import ThreadSummary

PAGE_SIZE = 20
"""The threads on a page of which no size is asked for. The client takes a full page for a sign
that there is another."""
TITLE_ASSISTANT = "system/thread_title"
PROJECT = "chat"
"""The project of every thread; there is one."""

_Id = Annotated[str, Field(max_length=64)]
_ExternalId = Annotated[str, Field(min_length=1, max_length=255)]

routes = CloudRoutes()


class CloudThreadsQuery(Query):
    """Which threads are listed."""

    after: str = ""
    """The last thread of the page before."""
    limit: WholeNumber = PAGE_SIZE
    is_archived: Literal["true", "false"] = "false"


class NewCloudThread(Body):
    """A new thread."""

    last_message_at: str | None = None
    """The server has its own."""
    title: str | None = None
    metadata: dict[str, Any] | None = None
    """What programs keep with it."""
    external_id: str | None = None
    """The client's own id for it; the same one twice is one thread."""
    upsert: bool = False
    """Has no effect: an existing thread is always returned."""


class CloudThreadChange(Body):
    """What changes of a thread."""

    title: str | None = None
    last_message_at: str | None = None
    """The server has its own."""
    metadata: dict[str, Any] | None = None
    """What programs keep with it, in place of what they kept; null for nothing."""
    is_archived: bool | None = None


class ClaimRequest(Body):
    """Which anonymous user's threads are taken over."""

    refresh_token: str


class CloudMessagesQuery(Query):
    """Which messages are read."""

    format: str = FORMATS[0]
    after: str = ""
    """The last message of the page before."""
    limit: WholeNumber = 0
    """0 for all of them."""


class NewCloudMessage(Body):
    """A message to append."""

    parent_id: _Id | None = None
    """The message above; null for the beginning."""
    format: str
    content: dict[str, Any]
    external_id: _ExternalId | None = None
    """The client's own id for it; the same one twice is one message."""
    parent_external_id: _ExternalId | None = None
    """The message above by the client's own id, in place of `parent_id`."""


class CloudMessageChange(Body):
    """The new content of a message that a client appended."""

    content: dict[str, Any]


class DeletedMessages(Body):
    """The messages to delete."""

    message_ids: Annotated[list[_Id], Field(max_length=MAX_PAGE_SIZE)]


class TitleRun(BaseModel):
    """What the client sends for a title; the server names a thread by what it has stored."""

    thread_id: str
    assistant_id: str
    messages: list[Any] = []


class CloudThread(CloudModel):
    """A thread."""

    id: UUID
    project_id: str
    workspace_id: UUID
    """The user."""
    title: str | None
    last_message_at: Timestamp
    metadata: dict[str, Any] | None
    external_id: str | None
    created_at: Timestamp
    updated_at: Timestamp
    is_archived: bool


class CloudThreads(CloudModel):
    """A page of threads, newest first."""

    threads: list[CloudThread]


class OneCloudThread(CloudModel):
    """One thread."""

    thread: CloudThread


class CreatedThread(CloudModel):
    """The id of a thread."""

    thread_id: UUID


class ClaimedThreads(CloudModel):
    """How many threads were taken over."""

    moved: int


class CloudMessage(CloudModel):
    """A message."""

    id: UUID
    parent_id: UUID | None
    height: int
    """How many messages are above it."""
    created_at: Timestamp
    updated_at: Timestamp
    format: str
    content: dict[str, Any]


class CloudMessages(CloudModel):
    """Messages of every branch, newest first."""

    messages: list[CloudMessage]


class CreatedMessage(CloudModel):
    """The id of a message."""

    message_id: UUID


@routes.signed_in(
    *("GET", "/v1/threads"),
    query=CloudThreadsQuery,
    response=CloudThreads,
    errors=(404,),
    scope="threads:read",
)
async def list_threads(
    _request: Request, principal: Principal, query: CloudThreadsQuery
) -> CloudThreads:
    """The user's threads, newest first."""
    cursor = None
    if query.after:
        last = await named_thread(principal, query.after)
        cursor = await services().threads.cursor_behind(principal, last)
    page = await services().threads.page(
        principal,
        after=cursor,
        limit=query.limit,
        status="archived" if query.is_archived == "true" else "regular",
    )
    return CloudThreads(threads=[_thread(principal, thread) for thread in page.threads])


@routes.signed_in(
    *("POST", "/v1/threads"),
    body=NewCloudThread,
    max_bytes=MAX_BYTES,
    response=CreatedThread,
    errors=(409,),
    scope="threads:write",
)
async def create_thread(
    _request: Request, principal: Principal, body: NewCloudThread
) -> CreatedThread:
    """Create an empty thread; the one with the same `external_id` is returned as it is."""
    thread = await services().threads.create(
        principal, title=body.title or "", external_id=body.external_id, custom=body.metadata
    )
    return CreatedThread(thread_id=thread.id)


@routes.signed_in(
    *("POST", "/v1/threads/claim"),
    body=ClaimRequest,
    response=ClaimedThreads,
    scope="threads:write",
)
async def claim_threads(
    _request: Request, _principal: Principal, body: ClaimRequest
) -> ClaimedThreads:
    """Take over the threads of an anonymous user: none, because there are no such users."""
    return ClaimedThreads(moved=0)


@routes.signed_in("GET", "/v1/threads/{id}", response=OneCloudThread, scope="threads:read")
async def fetch_thread(request: Request, principal: Principal) -> OneCloudThread:
    """One thread."""
    thread_id = await thread_in_path(request, principal)
    found = await services().threads.get(principal, thread_id)
    return OneCloudThread(thread=_thread(principal, found))


@routes.signed_in(
    *("PUT", "/v1/threads/{id}"),
    body=CloudThreadChange,
    max_bytes=MAX_BYTES,
    scope="threads:write",
)
async def change_thread(request: Request, principal: Principal, body: CloudThreadChange) -> None:
    """Change a thread: its title, what programs keep with it, or whether it is archived."""
    thread_id = await thread_in_path(request, principal)
    thread = await services().threads.get(principal, thread_id)
    # the client sends a title that it has just been given; that is no title of the user's
    title = None if body.title == thread.title else body.title
    status = None
    if body.is_archived is not None:
        status = "archived" if body.is_archived else "regular"
    custom = (body.metadata or {}) if "metadata" in body.model_fields_set else None
    if title is not None or status is not None or custom is not None:
        await services().threads.change(
            principal, thread_id, title=title, status=status, custom=custom
        )


@routes.signed_in("DELETE", "/v1/threads/{id}", scope="threads:write")
async def delete_thread(request: Request, principal: Principal) -> None:
    """Delete a thread and stop its run."""
    await services().threads.delete(principal, await thread_in_path(request, principal))


@routes.signed_in(
    *("GET", "/v1/threads/{id}/messages"),
    query=CloudMessagesQuery,
    response=CloudMessages,
    errors=(413,),
    scope="threads:read",
)
async def list_messages(
    request: Request, principal: Principal, query: CloudMessagesQuery
) -> CloudMessages:
    """The messages of every branch, newest first, whoever wrote them."""
    thread_id = await thread_in_path(request, principal)
    format = check_format(query.format)
    if query.limit > MAX_PAGE_SIZE:
        raise InvalidInput(f"The limit can be at most {MAX_PAGE_SIZE}.")
    tree = await services().client_messages.tree(principal, thread_id)
    messages, height = newest_first(tree.messages), heights(tree.messages)
    if query.after:
        ids = [str(message.id) for message in messages]
        if query.after not in ids:
            raise NotFound
        messages = messages[ids.index(query.after) + 1 :]
    messages = messages[: query.limit or None]
    metrics = await services().runs.metrics_of(principal, [one.id for one in messages])
    return CloudMessages(
        messages=[
            CloudMessage(
                id=message.id,
                parent_id=message.parent_id,
                height=height[message.id],
                created_at=message.created_at,
                updated_at=message.created_at,
                format=format,
                content=content_of(format, message, metrics.get(message.id)),
            )
            for message in messages
        ]
    )


@routes.signed_in(
    *("POST", "/v1/threads/{id}/messages"),
    body=NewCloudMessage,
    max_bytes=None,
    response=CreatedMessage,
    errors=(409,),
    scope="threads:write",
)
async def append_message(
    request: Request, principal: Principal, body: NewCloudMessage
) -> CreatedMessage:
    """Append a message; one that the server holds stays as it is."""
    thread_id = await thread_in_path(request, principal)
    content = read_content(check_format(body.format), body.content)
    parent = body.parent_id
    if body.parent_external_id is not None:
        parent = client_id_of(body.parent_external_id)
    given = "" if body.external_id is None else client_id_of(body.external_id)
    message = ClientMessage(given, parent, content.role, content.parts)
    stored, _ = await services().client_messages.append(principal, thread_id, message)
    return CreatedMessage(message_id=stored)


@routes.signed_in(
    *("PUT", "/v1/threads/{id}/messages/{message}"),
    body=CloudMessageChange,
    max_bytes=None,
    scope="threads:write",
)
async def replace_message(request: Request, principal: Principal, body: CloudMessageChange) -> None:
    """Replace a message that a client appended; any other stays as it is, as does what was sent."""
    thread_id = await thread_in_path(request, principal)
    content = read_unnamed_content(body.content)
    message = request.path_params["message"]
    await services().client_messages.replace(
        principal, thread_id, message, content.role, content.parts
    )


@routes.signed_in(
    *("DELETE", "/v1/threads/{id}/messages"),
    body=DeletedMessages,
    errors=(409,),
    scope="threads:write",
)
async def delete_messages(request: Request, principal: Principal, body: DeletedMessages) -> None:
    """Delete messages and all below them."""
    thread_id = await thread_in_path(request, principal)
    found = await services().client_messages.find(principal, thread_id, body.message_ids)
    await services().threads.delete_branch(principal, thread_id, *found)


@routes.signed_in(
    *("POST", "/v1/runs/stream"),
    body=TitleRun,
    max_bytes=None,
    media_type="text/plain",
    errors=(404,),
    scope="chat",  # a model is called
)
async def stream_title(_request: Request, principal: Principal, body: TitleRun) -> Response:
    """Let a model name a thread, unless its user has; the title that it has then, as text."""
    if body.assistant_id != TITLE_ASSISTANT:
        raise InvalidInput(f"`assistant_id` must be {TITLE_ASSISTANT}.")
    thread_id = await named_thread(principal, body.thread_id)
    title = await services().runs.name_thread(principal, thread_id)
    return Response(title, media_type="text/plain", headers=NO_STORE)


def _thread(principal: Principal, thread: ThreadSummary) -> CloudThread:
    return CloudThread(
        id=thread.id,
        project_id=PROJECT,
        workspace_id=principal.user_id,
        title=thread.title or None,
        last_message_at=thread.updated_at,
        metadata=dict(thread.custom) or None,
        external_id=thread.external_id,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        is_archived=thread.is_archived,
    )
