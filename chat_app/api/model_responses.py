"""`/v1/responses`: the Responses API of OpenAI's clients, answered by any model."""

import time
from typing import Annotated, Any, Literal
from uuid import uuid4

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
from chat_app.api.wires.openai_responses import (
    ResponseHead,
    ResponsesEncoder,
    prompt_of,
    response,
    tools_of,
)
from chat_app.api.wires.prompts import MAX_MESSAGES, MAX_TOOLS, forced_tool
from chat_app.api.wires.sse import KEEPALIVE
from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.core.json_values import JsonObject, json_value
from chat_app.llm.base import CallOptions, Effort, Tool

routes = Routes()

_REFUSED = ("background", "conversation", "previous_response_id", "prompt", "top_logprobs")
"""Fields that need what is not stored here, or that not every model has."""


class Reasoning(BaseModel):
    """How the model is to think; the other fields have no effect."""

    model_config = ConfigDict(extra="ignore")

    effort: Effort | None = None


class TextConfig(BaseModel):
    """The form of the answer."""

    model_config = ConfigDict(extra="forbid")

    format: JsonObject | None = None
    verbosity: str | None = None


class ResponsesRequest(Body):
    """A request; other fields than these are refused.

    `top_p`, `include` and the fields that only name things are accepted, and have no effect.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The id of a model of this server."""
    input: str | Annotated[list[JsonObject], Field(min_length=1, max_length=MAX_MESSAGES)]
    """A message, or the whole conversation."""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    tools: Annotated[list[JsonObject], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | JsonObject | None = None
    background: bool | None = None
    conversation: str | JsonObject | None = None
    previous_response_id: str | None = None
    prompt: JsonObject | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream_options: JsonObject | None = None
    top_p: float | None = None
    truncation: str | None = None
    user: str | None = None

    def check(self) -> None:
        """Check that nothing is asked for that there is not.

        Raises:
            InvalidInput: A field asks for what is not supported.
        """
        refuse_fields(self, _REFUSED)
        if self.text and self.text.format and self.text.format.get("type") != "text":
            raise InvalidInput("Only the format text is supported here.", "text.format")

    def options(self, tools: tuple[Tool, ...]) -> CallOptions:
        """How the model is to answer.

        Args:
            tools: The tools of the request.

        Raises:
            InvalidInput: A tool that must be called is not among them.
        """
        choice = self.tool_choice
        forced = ""
        if isinstance(choice, dict):
            name = choice.get("name") if choice.get("type") == "function" else None
            forced, choice = forced_tool(name, tools), "auto"
        return CallOptions(
            max_tokens=self.max_output_tokens,
            temperature=self.temperature,
            effort=self.reasoning.effort if self.reasoning else None,
            tools=tools,
            tool_choice=choice or "auto",
            forced_tool=forced,
            is_exact=True,
        )

    def echoed(self, tools: tuple[Tool, ...]) -> JsonObject:
        """What a response repeats of the request."""
        return {
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata or {},
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            "temperature": self.temperature,
            "tool_choice": json_value(self.tool_choice or "auto"),
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": False,
                }
                for tool in tools
            ],
            "top_p": None,
            "truncation": "disabled",
        }


class OutputText(ProviderResponse):
    """Text."""

    type: Literal["output_text"]
    text: str
    annotations: list[None]
    logprobs: list[None]


class OutputMessage(ProviderResponse):
    """What the model says."""

    id: str
    type: Literal["message"]
    status: Literal["completed"]
    role: Literal["assistant"]
    content: list[OutputText]


class SummaryText(ProviderResponse):
    """Text of the reasoning."""

    type: Literal["summary_text"]
    text: str


class ReasoningItem(ProviderResponse):
    """What the model thought before."""

    id: str
    type: Literal["reasoning"]
    status: Literal["completed"]
    summary: list[SummaryText]


class FunctionCallItem(ProviderResponse):
    """A call of a tool."""

    id: str
    type: Literal["function_call"]
    status: Literal["completed"]
    call_id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


class InputTokens(ProviderResponse):
    """Of the tokens of the prompt."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokens(ProviderResponse):
    """Of the tokens of the answer."""

    reasoning_tokens: int


class ResponseUsage(ProviderResponse):
    """Tokens, as the provider counts them."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class IncompleteDetails(ProviderResponse):
    """Why an answer is not complete."""

    reason: Literal["max_output_tokens", "content_filter"]


class FunctionTool(ProviderResponse):
    """A tool of the request."""

    type: Literal["function"]
    name: str
    description: str
    parameters: JsonObject
    strict: bool


class OpenAIResponse(ProviderResponse):
    """A whole answer."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    error: None
    incomplete_details: IncompleteDetails | None
    model: str
    """The id of the model that answered."""
    output: list[OutputMessage | ReasoningItem | FunctionCallItem]
    usage: ResponseUsage | None
    """Null where the provider does not count."""
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    store: bool
    temperature: float | None
    tool_choice: str | JsonObject
    tools: list[FunctionTool]
    top_p: float | None
    truncation: Literal["disabled"]


@routes.signed_in(
    *("POST", "/v1/responses"),
    body=ResponsesRequest,
    max_bytes=None,  # clients send the whole conversation
    response=OpenAIResponse,
    is_stream=True,
    errors=(404,),
    scope="chat",
)
async def create(
    request: Request, principal: Principal, body: ResponsesRequest
) -> Response | dict[str, Any]:
    """Answer a conversation, or store one message and answer it."""
    body.check()
    tools, stores = tools_of(body.tools or []), wants_store(request, body.store)
    echoed = {**body.echoed(tools), "store": stores}
    head = ResponseHead(f"resp_{uuid4().hex}", int(time.time()), echoed)
    call = ProviderCall(
        model=await find_model(principal, body.model, stores=stores),
        prompt=prompt_of(body.instructions, body.input),
        options=body.options(tools),
        streams=bool(body.stream),
        stores=stores,
        encoder=lambda model: ResponsesEncoder(head, model),
        whole=lambda model, answer: response(head, model, answer),
        keepalive=KEEPALIVE,
    )
    return await answer_call(request, principal, call)
