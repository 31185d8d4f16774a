"""`/v1/messages`: the Messages API of Anthropic's clients, answered by any model."""

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
from chat_app.api.wires.anthropic_messages import (
    KEEPALIVE,
    MessagesEncoder,
    message,
    prompt_of,
    tools_of,
)
from chat_app.api.wires.prompts import MAX_MESSAGES, MAX_TOOLS, forced_tool
from chat_app.auth.principal import Principal
from chat_app.core.json_values import JsonObject
from chat_app.llm.base import CallOptions, Effort

routes = Routes()

_REFUSED = ("container", "mcp_servers", "output_format", "stop_sequences")
"""Fields that would change what the answer is, and that not every model has."""
_EFFORTS: tuple[tuple[int, Effort], ...] = ((2_048, "low"), (8_192, "medium"))
"""Up to how many tokens of thinking an effort is; more is `high`."""


class Thinking(BaseModel):
    """How the model is to think; how that is shown has no effect."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None

    @property
    def effort(self) -> Effort | None:
        """The thinking effort."""
        if self.type == "disabled":
            return "none"
        if self.budget_tokens is None:
            return None
        for most, effort in _EFFORTS:
            if self.budget_tokens <= most:
                return effort
        return "high"


class OutputConfig(BaseModel):
    """How much the model is to do for the answer."""

    model_config = ConfigDict(extra="forbid")

    effort: Effort | None = None
    format: None = None


class ToolChoice(BaseModel):
    """Which tool is called."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["auto", "any", "tool", "none"]
    name: str = ""


class MessagesRequest(Body):
    """A request; other fields than these are refused.

    `top_p`, `top_k` and the fields about caching and tiers are accepted, and have no effect.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The id of a model of this server."""
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[JsonObject], Field(min_length=1, max_length=MAX_MESSAGES)]
    """The whole conversation."""
    system: str | list[JsonObject] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    tools: Annotated[list[JsonObject], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    stop_sequences: list[str] | None = None
    container: str | JsonObject | None = None
    mcp_servers: list[JsonObject] | None = None
    output_format: JsonObject | None = None
    cache_control: JsonObject | None = None
    context_management: JsonObject | None = None
    inference_geo: str | None = None
    metadata: JsonObject | None = None
    service_tier: str | None = None
    speed: str | None = None
    top_k: int | None = None
    top_p: float | None = None

    def check(self) -> None:
        """Check that nothing is asked for that there is not.

        Raises:
            InvalidInput: A field asks for what is not supported.
        """
        refuse_fields(self, _REFUSED)

    @property
    def wants_thinking(self) -> bool:
        """Whether the answer is to have the reasoning."""
        return self.thinking is not None and self.thinking.type != "disabled"

    @property
    def options(self) -> CallOptions:
        """How the model is to answer.

        Raises:
            InvalidInput: A tool is not valid.
        """
        tools = tools_of(self.tools or [])
        choice = self.tool_choice or ToolChoice(type="auto")
        effort = self.output_config.effort if self.output_config else None
        thinking = self.thinking.effort if self.thinking else None
        return CallOptions(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            effort="none" if thinking == "none" else effort or thinking,
            tools=tools,
            tool_choice=_CHOICES[choice.type],
            forced_tool=forced_tool(choice.name, tools) if choice.type == "tool" else "",
            is_exact=True,
        )


_CHOICES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "auto",
}


class AnthropicTextBlock(ProviderResponse):
    """Text."""

    type: Literal["text"]
    text: str


class ThinkingBlock(ProviderResponse):
    """What the model thought, where `thinking` asks for it."""

    type: Literal["thinking"]
    thinking: str
    signature: str
    """Empty: no provider could use it."""


class ToolUseBlock(ProviderResponse):
    """A call of a tool."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: JsonObject


class MessageUsage(ProviderResponse):
    """Tokens, as the provider counts them; 0 where it does not."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int


class AnthropicMessage(ProviderResponse):
    """A whole answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    """The id of the model that answered."""
    content: list[AnthropicTextBlock | ThinkingBlock | ToolUseBlock]
    stop_reason: Literal["end_turn", "max_tokens", "refusal", "tool_use"]
    stop_sequence: None
    usage: MessageUsage


@routes.signed_in(
    *("POST", "/v1/messages"),
    body=MessagesRequest,
    max_bytes=None,  # clients send the whole conversation
    response=AnthropicMessage,
    is_stream=True,
    errors=(404,),
    scope="chat",
)
async def create(
    request: Request, principal: Principal, body: MessagesRequest
) -> Response | dict[str, Any]:
    """Answer a conversation, or store one message and answer it."""
    body.check()
    message_id, thinking = f"msg_{uuid4().hex}", body.wants_thinking
    stores = wants_store(request)
    call = ProviderCall(
        model=await find_model(principal, body.model, stores=stores),
        prompt=prompt_of(body.system, body.messages),
        options=body.options,
        streams=bool(body.stream),
        stores=stores,
        encoder=lambda model: MessagesEncoder(message_id, model, thinking=thinking),
        whole=lambda model, answer: message(message_id, model, answer, thinking=thinking),
        keepalive=KEEPALIVE,
    )
    return await answer_call(request, principal, call)
