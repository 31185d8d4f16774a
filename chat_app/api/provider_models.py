"""`/v1/models`: the models, in the form of OpenAI's API or of Anthropic's.

platform.openai.com/docs/api-reference/models, platform.claude.com/docs/en/api/models
"""

from datetime import UTC, datetime
from itertools import dropwhile
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from chat_app.api.families import ANTHROPIC, family_of
from chat_app.api.provider_answers import ModelNotFound, ProviderResponse
from chat_app.api.requests import Query, WholeNumber
from chat_app.api.responses import timestamp
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.llm.base import Model
from chat_app.services import services

routes = Routes()

_UNKNOWN_TIME = timestamp(datetime.fromtimestamp(0, UTC))
"""What Anthropic says where it is not known when a model was made."""
_MAX_PAGE = 1_000


class ModelsQuery(Query):
    """A page of the list in Anthropic's form; OpenAI's has no pages."""

    limit: WholeNumber = 20
    after_id: str = Field("", max_length=200)
    before_id: str = Field("", max_length=200)


class OpenAIModel(ProviderResponse):
    """A model, as OpenAI's API has it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Not known: 0."""
    owned_by: str
    """The name of its provider in the settings of this server."""


class OpenAIModels(ProviderResponse):
    """Every model, as OpenAI's API has them."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]


class AnthropicModel(ProviderResponse):
    """A model, as Anthropic's API has it."""

    type: Literal["model"] = "model"
    id: str
    display_name: str
    created_at: str = _UNKNOWN_TIME
    """Not known: the beginning of 1970."""
    lifecycle: Literal["active"] = "active"
    max_input_tokens: int | None
    max_tokens: int | None


class AnthropicModels(ProviderResponse):
    """A page of models, as Anthropic's API has them."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


@routes.signed_in(
    *("GET", "/v1/models"),
    query=ModelsQuery,
    response=OpenAIModels | AnthropicModels,
    scope="models",
)
async def list_models(
    request: Request, principal: Principal, query: ModelsQuery
) -> OpenAIModels | AnthropicModels:
    """The models that the user can choose; in Anthropic's form with `anthropic-version`."""
    models = (await services().model_access.of(principal)).all()
    if family_of(request.scope) is not ANTHROPIC:
        return OpenAIModels(data=[_openai(model) for model in models])
    if not 1 <= query.limit <= _MAX_PAGE:
        raise InvalidInput(f"limit must be 1 to {_MAX_PAGE}.", "limit")
    found = list(models)
    if query.after_id:
        found = list(dropwhile(lambda model: model.id != query.after_id, found))[1:]
    if query.before_id:
        ids = [model.id for model in found]
        at = ids.index(query.before_id) if query.before_id in ids else 0
        page, has_more = found[max(0, at - query.limit) : at], at > query.limit
    else:
        page, has_more = found[: query.limit], len(found) > query.limit
    await services().models.prices.look_up(model.id for model in page)
    return AnthropicModels(
        data=[_anthropic(model) for model in page],
        has_more=has_more,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
    )


@routes.signed_in(
    *("GET", "/v1/models/{model:path}"),
    response=OpenAIModel | AnthropicModel,
    scope="models",
)
async def find_model(request: Request, principal: Principal) -> OpenAIModel | AnthropicModel:
    """One of the models; in Anthropic's form with `anthropic-version`."""
    model_id = request.path_params["model"]
    offered = (await services().model_access.of(principal)).all()
    found = [model for model in offered if model.id == model_id]
    if not found:
        raise ModelNotFound(model_id)
    if family_of(request.scope) is not ANTHROPIC:
        return _openai(found[0])
    await services().models.prices.look_up([model_id])
    return _anthropic(found[0])


def _openai(model: Model) -> OpenAIModel:
    provider, slash, _ = model.id.partition("/")
    return OpenAIModel(id=model.id, owned_by=provider if slash else "system")


def _anthropic(model: Model) -> AnthropicModel:
    return AnthropicModel(
        id=model.id,
        display_name=model.name,
        max_input_tokens=services().models.known_window(model),
        max_tokens=model.info.max_output,
    )
