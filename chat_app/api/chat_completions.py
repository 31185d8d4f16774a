"""`/v1/chat/completions`: the chat completions of OpenAI's clients, answered by any model."""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.provider_answers import (
    ProviderCall,
    ProviderResponse,
    answer_call,
    find_model,
    refuse_fields,
)
from chat_app.api.requests import Body
from chat_app.api.routing import Routes
from chat_app.api.stored_calls import wants_store
from chat_app.api.wires.openai_chat import (
    ChatCompletionEncoder,
    completion,
    prompt_of,
    tools_of,
)
from chat_app.api.wires.prompts import MAX_MESSAGES, MAX_TOOLS, forced_tool
from chat_app.api.wires.sse import KEEPALIVE
from chat_app.auth.principal import Principal
from chat_app.core.crypto import new_short_id
from chat_app.core.errors import InvalidInput
from chat_app.core.json_values import JsonObject
from chat_app.llm.base import CallOptions, Effort, Tool

routes = Routes()

ToolChoice = Literal["auto", "none", "required"] | JsonObject

_REFUSED = (
    "audio",
    "function_call",
    "functions",
    "logprobs",
    "prediction",
    "stop",
    "top_logprobs",
    "web_search_options",
)
"""Fields that would change what the answer is, and that not every model has."""


class StreamOptions(BaseModel):
    """What a stream has besides the answer."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None


class ChatCompletionRequest(Body):
    """A request; other fields than these are refused.

    `top_p`, the penalties, `seed` and the fields that only name things are accepted, and have no
    effect.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The id of a model of this server."""
    messages: Annotated[list[JsonObject], Field(min_length=1, max_length=MAX_MESSAGES)]
    """The whole conversation."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    reasoning_effort: Effort | None = None
    tools: Annotated[list[JsonObject], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    n: Literal[1] | None = None
    response_format: JsonObject | None = None
    modalities: list[str] | None = None
    stop: list[str] | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    audio: JsonObject | None = None
    prediction: JsonObject | None = None
    functions: list[JsonObject] | None = None
    function_call: str | JsonObject | None = None
    web_search_options: JsonObject | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: JsonObject | None = None
    seed: int | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    verbosity: str | None = None

    def check(self) -> None:
        """Check that nothing is asked for that there is not.

        Raises:
            InvalidInput: A field asks for what is not supported.
        """
        refuse_fields(self, _REFUSED)
        if self.modalities not in (None, ["text"]):
            raise InvalidInput("Only text is answered here.", "modalities")
        if self.response_format and self.response_format.get("type") != "text":
            raise InvalidInput("Only the format text is supported here.", "response_format")

    @property
    def options(self) -> CallOptions:
        """How the model is to answer.

        Raises:
            InvalidInput: A tool is not valid.
        """
        tools = tools_of(self.tools or [])
        choice, forced = _choice(self.tool_choice, tools)
        return CallOptions(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            effort=self.reasoning_effort,
            tools=tools,
            tool_choice=choice,
            forced_tool=forced,
            is_exact=True,
        )


def _choice(
    choice: ToolChoice | None, tools: tuple[Tool, ...]
) -> tuple[Literal["auto", "none", "required"], str]:
    """Whether a tool is called, and the name of one that must be.

    Raises:
        InvalidInput: It is no tool of the request.
    """
    if not isinstance(choice, dict):
        return choice or "auto", ""
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else choice.get("name")
    return "auto", forced_tool(name if choice.get("type") == "function" else None, tools)


class CalledFunction(ProviderResponse):
    """The function that a model calls."""

    name: str
    arguments: str
    """JSON text, as the model wrote it."""


class FunctionCall(ProviderResponse):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class CompletionMessage(ProviderResponse):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[FunctionCall] | None = None
    reasoning_content: str | None = None
    """What the model thought before."""


class CompletionChoice(ProviderResponse):
    """The only answer."""

    index: int
    message: CompletionMessage
    logprobs: None
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"]


class PromptTokens(ProviderResponse):
    """Of the tokens of the prompt."""

    cached_tokens: int


class CompletionTokens(ProviderResponse):
    """Of the tokens of the answer."""

    reasoning_tokens: int


class CompletionUsage(ProviderResponse):
    """Tokens, as the provider counts them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens
    completion_tokens_details: CompletionTokens


class ChatCompletion(ProviderResponse):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    """The id of the model that answered."""
    choices: list[CompletionChoice]
    usage: CompletionUsage | None
    """Null where the provider does not count."""


@routes.signed_in(
    *("POST", "/v1/chat/completions"),
    body=ChatCompletionRequest,
    max_bytes=None,  # clients send the whole conversation
    response=ChatCompletion,
    is_stream=True,
    errors=(404,),
    scope="chat",
)
async def create(
    request: Request, principal: Principal, body: ChatCompletionRequest
) -> Response | dict[str, Any]:
    """Answer a conversation, or store one message and answer it."""
    body.check()
    completion_id, created = f"chatcmpl-{new_short_id()}", int(time.time())
    has_usage = bool(body.stream_options and body.stream_options.include_usage)
    stores = wants_store(request, body.store)
    call = ProviderCall(
        model=await find_model(principal, body.model, stores=stores),
        prompt=prompt_of(body.messages),
        options=body.options,
        streams=bool(body.stream),
        stores=stores,
        encoder=lambda model: ChatCompletionEncoder(completion_id, model, created, usage=has_usage),
        whole=lambda model, answer: completion(completion_id, model, created, answer),
        keepalive=KEEPALIVE,
    )
    return await answer_call(request, principal, call)
