"""`/api/account/chat-defaults`: the model and the options that a user's new chats begin with."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from starlette.requests import Request

from chat_app.api.requests import Body
from chat_app.api.responses import ResponseModel
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.llm.base import Effort
from chat_app.services import services
from chat_app.threads.options import ChatOptions

MAX_BYTES = 100_000
"""The largest request; instructions are limited by CHAT_INSTRUCTIONS_CHARS."""

routes = Routes()


def _or_none(value: object) -> object:
    return None if value == "" else value


def _number_or_none(value: object) -> object:
    return float(value) if isinstance(value, str) and value else _or_none(value)


class OptionsChange(Body):
    """The model and the options of answers that are chosen anew.

    Null, or an empty field of a form, leaves an option to the model. What is missing stays.
    """

    # a factory: "" is no value that the schema could give as the default
    model: Annotated[str, Field(default_factory=str, min_length=1, max_length=200)]
    instructions: str | None = None
    temperature: Annotated[
        float | None, BeforeValidator(_number_or_none, json_schema_input_type=float | str | None)
    ] = None
    effort: Annotated[
        Effort | None,
        BeforeValidator(_or_none, json_schema_input_type=Effort | Literal[""] | None),
    ] = None

    @property
    def options(self) -> dict[str, Any]:
        """What the body has of the fields of `ChatOptions`."""
        chosen = self.model_dump(
            include={"instructions", "temperature", "effort"}, exclude_unset=True
        )
        if "instructions" in chosen:
            chosen["instructions"] = self.instructions or ""
        return chosen


class ChatDefaultsResponse(ResponseModel):
    """What new chats begin with."""

    model: str | None
    """The id of the model; null until one is chosen."""
    instructions: str
    temperature: float | None
    effort: Effort | None


def options_json(options: ChatOptions) -> dict[str, Any]:
    """Options as JSON values."""
    return {
        "instructions": options.instructions,
        "temperature": options.temperature,
        "effort": options.effort,
    }


@routes.signed_in("GET", "/api/account/chat-defaults", response=ChatDefaultsResponse)
async def fetch(_request: Request, principal: Principal) -> ChatDefaultsResponse:
    """What new chats begin with; the model is null until one is chosen."""
    model = await services().profiles.chosen_model(principal)
    options = await services().new_chat_options.get(principal)
    return ChatDefaultsResponse(model=model or None, **options_json(options))


@routes.signed_in("PATCH", "/api/account/chat-defaults", body=OptionsChange, max_bytes=MAX_BYTES)
async def change(_request: Request, principal: Principal, body: OptionsChange) -> None:
    """Choose what new chats begin with."""
    model = None
    if body.model:
        model = (await services().model_access.of(principal)).get_anywhere(body.model).id
    if body.options:
        await services().new_chat_options.change(principal, body.options)
    if model is not None:
        await services().profiles.choose_model(principal, model)
