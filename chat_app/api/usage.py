"""`/api/usage`: what the user has used models for."""

from datetime import date
from typing import Any

from starlette.requests import Request

from chat_app.api.requests import Query, WholeNumber
from chat_app.api.responses import ResponseModel
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.services import services
from chat_app.usage.ledger import COUNTERS
from chat_app.usage.queries import DEFAULT_DAYS, Period, UsageSums, own_usage

routes = Routes()


class UsageQuery(Query):
    """Which days are counted."""

    days: WholeNumber = DEFAULT_DAYS
    """How many days, up to today in UTC; 1 to 366."""


class UsageTotals(ResponseModel):
    """What calls of models took together."""

    calls: int
    """Retries and failed ones included."""
    failed_calls: int
    """Those that a provider refused, or in which it failed."""
    unreported_calls: int
    """Those of which the provider has reported no tokens."""
    input_tokens: int
    output_tokens: int
    """With those of the reasoning."""
    cached_input_tokens: int
    """Of the input."""
    reasoning_tokens: int
    """Of the output."""


class UsageOfDay(UsageTotals):
    """What was used on a day."""

    day: date


class UsageOfModel(UsageTotals):
    """What a model was used for."""

    model: str
    """The id of the model that was called."""


class UsageOfPurpose(UsageTotals):
    """What was used for a purpose."""

    purpose: str
    """`answer`, `title`, `compaction`, or `api` for answers that are stored nowhere."""


class OwnUsageResponse(ResponseModel):
    """What the user has used in a period, in every organisation and outside."""

    since: date
    """The first day, in UTC."""
    until: date
    """The last day."""
    total: UsageTotals
    days: list[UsageOfDay]
    """The days on which something was used, in order."""
    models: list[UsageOfModel]
    """The one that took the most tokens first."""
    purposes: list[UsageOfPurpose]


@routes.signed_in(
    "GET",
    "/api/usage",
    query=UsageQuery,
    response=OwnUsageResponse,
    errors=(422,),
    scope="threads:read",
)
async def fetch(_request: Request, principal: Principal, query: UsageQuery) -> OwnUsageResponse:
    """The user's own usage: calls of models, and the tokens that providers have reported."""
    live = services()
    period = Period.last(query.days, live.clock())
    found = await own_usage(live.db, principal, period)
    return OwnUsageResponse(
        since=period.since,
        until=period.until,
        total=UsageTotals(**_counts(found.total)),
        days=[
            UsageOfDay(day=date.fromisoformat(one.key), **_counts(one.sums))
            for one in found.by["day"]
        ],
        models=[UsageOfModel(model=one.key, **_counts(one.sums)) for one in found.by["model"]],
        purposes=[
            UsageOfPurpose(purpose=one.key, **_counts(one.sums)) for one in found.by["purpose"]
        ],
    )


def _counts(sums: UsageSums) -> dict[str, Any]:
    return {name: getattr(sums, name) for name in COUNTERS}
