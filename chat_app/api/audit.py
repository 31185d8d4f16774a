"""`/api/admin/audit`: the audit log as a file, for site admins."""

from collections.abc import AsyncIterator
from typing import cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chat_app import audit
from chat_app.api.errors import NO_STORE
from chat_app.api.requests import Query
from chat_app.api.routing import Routes
from chat_app.audit.export import Format, cut_line, lines
from chat_app.audit.queries import every, typed_filters
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.core.logging import log_unexpected_error
from chat_app.services import services

_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
_LINES = 200  # of one chunk of the response

routes = Routes()


class AuditQuery(Query):
    """Which rows are exported."""

    format: str = "csv"
    """`csv` or `jsonl` (JSON Lines)."""
    action: str = ""
    """Only this action."""
    email: str = ""
    """Only what this user did, or what was done to them."""
    since: str = ""
    """The first day, in UTC."""
    until: str = ""
    """The last day, in UTC."""


@routes.admin("GET", "/api/admin/audit", query=AuditQuery, media_type="text/csv", errors=(422,))
async def export(request: Request, principal: Principal, query: AuditQuery) -> Response:
    """The rows of the audit log, the oldest first. The export is a row itself."""
    if query.format not in _MEDIA_TYPES:
        raise InvalidInput("The format is csv or jsonl.")
    form, db = cast(Format, query.format), services().db
    filters = await typed_filters(
        db, action=query.action, email=query.email, since=query.since, until=query.until
    )
    async with db.system("audit", write=True) as session:
        await audit.append(
            session, "audit_exported", actor=principal, details={"format": query.format}
        )
    name = f'attachment; filename="audit.{query.format}"'
    return StreamingResponse(
        _chunks(lines(every(db, filters), form), form, principal),
        media_type=_MEDIA_TYPES[query.format],
        headers=NO_STORE | {"Content-Disposition": name},
    )


async def _chunks(found: AsyncIterator[str], form: Format, admin: Principal) -> AsyncIterator[str]:
    """Several lines at a time: a message for each would cost more than the line.

    The response has begun, and the server ends one that fails like any other: only a last line
    tells that the export is not whole.
    """
    waiting = list[str]()
    try:
        async for line in found:
            waiting.append(line)
            if len(waiting) == _LINES:
                if not await _is_still_admin(admin):
                    yield cut_line(form)
                    return
                yield "".join(waiting)
                waiting.clear()
    except Exception as error:
        log_unexpected_error(error, "an export of the audit log")
        yield cut_line(form)
        return
    yield "".join(waiting)


async def _is_still_admin(admin: Principal) -> bool:
    """Whether the session goes on, of a user who has the role."""
    now = await services().sessions.principal(admin.credential_id)
    return now is not None and now.site_role == "admin"
