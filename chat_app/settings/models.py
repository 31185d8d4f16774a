"""The models and their providers: their APIs, what their models can do, timeouts."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import NoDecode

from chat_app.settings.limits import Effort
from chat_app.settings.validation import (
    ApiKey,
    ApiUrl,
    CommaList,
    Json,
    SettingsGroup,
    did_you_mean,
    host_of,
    is_plain_url,
    matching,
    split_url,
)

ProviderKind = Literal["chat-completions", "responses", "anthropic"]
"""The API that a provider has."""
_DEFAULT_URLS = {
    "responses": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
}


class _ConfigEntry(BaseModel):
    """An object in a setting that is JSON; a key that it does not know is refused."""

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(
                    f"has the unknown key {key!r}{did_you_mean(key, cls.model_fields)}"
                )
        return value


Dollars = Annotated[Decimal, Field(ge=0, le=100_000)]
"""An amount of US dollars."""


class PriceSettings(_ConfigEntry):
    """What a model costs, in US dollars per million tokens.

    Args:
        input: Of the prompt.
        output: Of the answer, with its reasoning.
        cached_input: Of the prompt's tokens that the provider had cached; as `input` if missing.
    """

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None

    @property
    def cached(self) -> Decimal:
        """The price of cached input."""
        return self.input if self.cached_input is None else self.cached_input


class OfferedModel(_ConfigEntry):
    """A model of a provider. What is not said is guessed by its name.

    Args:
        id: Its name on the server.
        name: Its display name.
        window: The most tokens of a prompt and its answer together.
        max_output: The most tokens of an answer.
        images: Whether it sees images.
        tools: Whether it calls tools.
        efforts: The thinking efforts that can be chosen.
        temperature: Whether the temperature can be chosen.
    """

    id: str = Field(min_length=1)
    name: str = ""
    window: int | None = Field(None, ge=256)
    max_output: int | None = Field(None, ge=16)
    images: bool | None = None
    tools: bool | None = None
    efforts: tuple[Effort, ...] | None = None
    temperature: bool | None = None


def _by_its_id(value: object) -> object:
    if value == "":
        raise ValueError("must not be empty")
    return {"id": value} if isinstance(value, str) else value


class ProviderSettings(_ConfigEntry):
    """A provider.

    Args:
        name: A short name; model ids are `name/model`.
        kind: The API that it has.
        base_url: The base URL of its API, for example `http://localhost:11434/v1`; OpenAI and
            Anthropic have a default.
        api_key: Its API key, if it needs one.
        models: The models to offer: names, or objects that say more.
    """

    name: Annotated[
        str, matching(r"[a-z0-9][a-z0-9-]{0,30}", "must have lower-case letters, digits and -")
    ]
    kind: ProviderKind = "chat-completions"
    base_url: ApiUrl = Field(min_length=1)
    api_key: ApiKey = SecretStr("")
    models: tuple[Annotated[OfferedModel, BeforeValidator(_by_its_id)], ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _has_a_url(cls, value: Any) -> Any:
        default = _DEFAULT_URLS.get(str(value.get("kind"))) if isinstance(value, dict) else None
        return {"base_url": default, **value} if default else value


AgentName = Annotated[
    str, matching(r"[a-z0-9][a-z0-9-]{0,30}", "must have lower-case letters, digits and -")
]
"""The short name of an agent."""
HeaderName = Annotated[
    str, matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "must be the name of a header")
]
"""The name of an HTTP header (RFC 9110 §5.6.2)."""


def _split_agents(value: object) -> object:
    if not isinstance(value, str):
        return value
    agents: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, separator, url = part.partition("=")
        if not separator or name.strip() in agents:
            raise ValueError("must look like name=https://host/path, each name once")
        agents[name.strip()] = url.strip()
    return agents


def _validate_agent_url(url: str) -> str:
    parts = split_url(url)
    if parts is None or parts.scheme not in ("http", "https") or not is_plain_url(url):
        raise ValueError("must be an http or https URL without a user")
    if parts.fragment:
        raise ValueError("must have no fragment")
    return url


def _validate_header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.get_secret_value()):
        raise ValueError("must be printable ASCII without spaces around it")
    return value


class ModelSettings(SettingsGroup):
    """Models."""

    openai_base_url: ApiUrl = ""
    """An OpenAI-compatible server; empty means OpenAI's own."""

    openai_api_key: ApiKey = SecretStr("")
    """Its API key."""

    openai_kind: Literal["chat-completions", "responses"] = "chat-completions"
    """Its API: chat-completions, which every compatible server has, or responses, in which the
    models of OpenAI keep their reasoning from turn to turn."""

    chat_models: CommaList[str] = ()
    """The models of that server, comma separated; the first is the default."""

    chat_providers: Json[tuple[ProviderSettings, ...]] = ()
    """More providers, as JSON:
    [{"name":"ollama","base_url":"http://localhost:11434/v1","models":["llama3.2"]}].
    docs/models.md has every key."""

    ag_ui_agents: Annotated[
        dict[AgentName, Annotated[str, AfterValidator(_validate_agent_url)]],
        NoDecode,
        BeforeValidator(_split_agents),
    ] = {}
    """Agents that speak AG-UI, each a model: names and URLs, comma separated; docs/models.md has an
    example."""

    ag_ui_headers: Json[
        dict[
            AgentName,
            dict[HeaderName, Annotated[SecretStr, AfterValidator(_validate_header_value)]],
        ]
    ] = {}
    """Headers of the requests to them, such as a token, as JSON:
    {"planner":{"Authorization":"Bearer YOUR-TOKEN"}}"""

    chat_model: str = ""
    """The default model; empty means the first in the list."""

    embedded_model: bool = True
    """Offer the small model that runs on this machine, if it is installed."""

    fake_models: bool = False
    """Offer the deterministic models for tests and benchmarks."""

    chat_system_prompt: str = "You are a helpful assistant."
    """The system prompt of every conversation."""

    chat_titles: bool = True
    """Let the model generate the titles of new threads."""

    chat_first_token_seconds: float = Field(60, gt=0)
    """Timeout for the first token of an answer, in seconds."""

    chat_idle_seconds: float = Field(30, gt=0)
    """Timeout between two tokens of an answer, in seconds."""

    chat_retries: int = Field(2, ge=0, le=5)
    """How often a call that fails before its first token is repeated, after a short pause. A
    provider that asks for a pause longer than 5 s is not called again."""

    chat_fallbacks: Json[dict[str, tuple[str, ...]]] = {}
    """The models that answer, in this order, when a model fails before its first token, as JSON; *
    stands for every model without an entry of its own: {"gpt-5.4-mini":["ollama/llama3.2"]}"""

    chat_prices: Json[dict[str, PriceSettings]] = {}
    """Overrides of the price table, in US dollars per million tokens, as JSON:
    {"ollama/llama3.2":{"input":0.1,"output":0.4,"cached_input":0.01}}"""

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        if host_of(self.openai_base_url) not in ("", "api.openai.com") and not self.chat_models:
            raise ValueError("CHAT_MODELS must list the models of OPENAI_BASE_URL")
        return self

    @model_validator(mode="after")
    def _names_its_agents(self) -> Self:
        for name in self.ag_ui_headers.keys() - self.ag_ui_agents.keys():
            raise ValueError(f"AG_UI_HEADERS: there is no agent {name!r} in AG_UI_AGENTS")
        return self

    @property
    def has_unserved_models(self) -> bool:
        """Whether CHAT_MODELS has no effect, because no server is configured for it."""
        has_server = self.openai_base_url or self.openai_api_key.get_secret_value()
        return bool(self.chat_models) and not has_server
