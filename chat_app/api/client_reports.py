"""What AssistantCloud's client reports: runs, feedback, events and scores.

Each is stored for `CLIENT_REPORTS_DAYS`; see `threads.client_reports`.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from chat_app.api.cloud_tokens import CloudModel, CloudRoutes
from chat_app.api.requests import Body
from chat_app.api.thread_ids import named_thread, thread_in_path
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.services import services

MAX_BYTES = 500_000
"""The largest report. That of a run may have its output, and what its tools were asked."""

routes = CloudRoutes()


class _Report(BaseModel):
    """A report; what else it has is stored too, as a later version of the client may send more."""

    model_config = ConfigDict(strict=True, extra="allow", use_attribute_docstrings=True)


class RunReport(_Report):
    """How the client's own answer went."""

    thread_id: str
    status: Literal["completed", "incomplete", "error"]


class InterfaceEvent(_Report):
    """What the user did."""

    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    thread_id: Annotated[str, Field(max_length=255)] | None = None


class InterfaceEvents(Body):
    """Events, in order."""

    events: Annotated[list[InterfaceEvent], Field(max_length=50)]


class NewScore(_Report):
    """A score of a thread, a message or a run, or of none."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    data_type: Literal["numeric", "categorical", "boolean"]
    value: bool | Annotated[float, Field(allow_inf_nan=False)] | None = None
    string_value: Annotated[str, Field(max_length=1_000)] | None = None
    thread_id: str | None = None
    message_id: str | None = None


class NewFeedback(Body):
    """What the user thinks of a message."""

    type: Literal["positive", "negative"]
    comment: Annotated[str, Field(max_length=4_000)] | None = None


class ReportedRun(CloudModel):
    """The id of a report."""

    run_id: UUID


class StoredFeedback(CloudModel):
    """Feedback as it is stored."""

    feedback_id: UUID
    type: str
    comment: str | None


class StoredScore(CloudModel):
    """A score as it is stored; a boolean is 0 or 1."""

    score_id: UUID
    name: str
    data_type: str
    value: float | None
    string_value: str | None


@routes.signed_in(
    *("POST", "/v1/threads/{id}/messages/{message}/feedback"),
    body=NewFeedback,
    response=StoredFeedback,
    scope="threads:write",
)
async def give_feedback(
    request: Request, principal: Principal, body: NewFeedback
) -> StoredFeedback:
    """Say what the user thinks of a message, in place of what they thought before."""
    thread_id = await thread_in_path(request, principal)
    feedback_id = await services().client_reports.set_feedback(
        principal, thread_id, request.path_params["message"], body.model_dump(exclude_none=True)
    )
    return StoredFeedback(feedback_id=feedback_id, type=body.type, comment=body.comment)


@routes.signed_in(
    *("POST", "/v1/runs"),
    body=RunReport,
    max_bytes=MAX_BYTES,
    response=ReportedRun,
    errors=(404,),
    scope="threads:write",
)
async def report_run(_request: Request, principal: Principal, body: RunReport) -> ReportedRun:
    """Report how an answer went that the client had from elsewhere."""
    thread_id = await named_thread(principal, body.thread_id)
    report_id = await services().client_reports.add(
        principal, "run", body.model_dump(exclude_unset=True), thread_id=thread_id
    )
    return ReportedRun(run_id=report_id)


@routes.signed_in(
    *("POST", "/v1/events"),
    body=InterfaceEvents,
    max_bytes=MAX_BYTES,
    scope="threads:write",
)
async def report_events(_request: Request, principal: Principal, body: InterfaceEvents) -> None:
    """Report what the user did in the client."""
    events = [(event.thread_id, event.model_dump(exclude_unset=True)) for event in body.events]
    await services().client_reports.add_events(principal, events)


@routes.signed_in(
    *("POST", "/v1/scores"),
    body=NewScore,
    response=StoredScore,
    errors=(404,),
    scope="threads:write",
)
async def report_score(_request: Request, principal: Principal, body: NewScore) -> StoredScore:
    """Report a score."""
    if body.data_type == "categorical":
        is_whole = body.value is None and body.string_value is not None
    else:
        is_boolean = isinstance(body.value, bool)
        is_whole = body.value is not None and is_boolean == (body.data_type == "boolean")
    if not is_whole:
        raise InvalidInput(
            "A numeric score has a number, a boolean one true or false, as `value`; "
            "a categorical one has a `string_value` alone."
        )
    thread_id = None
    if body.thread_id is not None:
        thread_id = await named_thread(principal, body.thread_id)
    elif body.message_id is not None:
        raise InvalidInput("A score of a message names its thread too.")
    report_id = await services().client_reports.add(
        principal,
        "score",
        body.model_dump(exclude_unset=True),
        thread_id=thread_id,
        message=body.message_id,
    )
    return StoredScore(
        score_id=report_id,
        name=body.name,
        data_type=body.data_type,
        value=None if body.value is None else float(body.value),
        string_value=body.string_value,
    )
