"""`POST /api/threads/{id}/compact`: summarize the older messages of a thread."""

from starlette.requests import Request

from chat_app.api.responses import ResponseModel
from chat_app.api.routing import Routes
from chat_app.api.thread_ids import thread_in_path
from chat_app.auth.principal import Principal
from chat_app.services import services

routes = Routes()


class CompactionRun(ResponseModel):
    """The run that makes a summary."""

    id: str
    message_id: str
    """The answer that gets it."""


class CompactionStarted(ResponseModel):
    """A summary is being made."""

    run: CompactionRun


@routes.signed_in(
    "POST",
    "/api/threads/{id}/compact",
    response=CompactionStarted,
    status=202,
    errors=(409, 422),
    scope="chat",
)
async def compact(request: Request, principal: Principal) -> CompactionStarted:
    """Begin to summarize; the summary becomes a part of the thread's last answer."""
    thread_id = await thread_in_path(request, principal)
    created = await services().runs.compact(principal, thread_id)
    run = CompactionRun(id=str(created.run_id), message_id=str(created.message_id))
    return CompactionStarted(run=run)
