"""What the server returns, as frozen models. Fields that a later server adds are ignored."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A JSON object of the server."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class ChatThread(ApiModel):
    """A conversation."""

    id: UUID
    title: str
    title_origin: str
    """Who named it: `person`, `model`, or `start` for its first words."""
    model: str
    """The id of the model that answers next; empty before the first message."""
    created_at: datetime
    updated_at: datetime
    running: bool
    """Whether an answer is being written."""
    status: str
    """`regular` or `archived`."""
    external_id: str | None
    """The id that a program has made for it."""
    custom: dict[str, Any]
    """What programs keep with it."""
    org_id: UUID | None = None
    """The organisation that it is in; None for none."""
    instructions: str | None = None
    """A text that follows the system prompt; None in a list, which does not say."""
    temperature: float | None = None
    effort: str | None = None
    """How much the model thinks; None leaves it to the model."""


class TokenUsage(ApiModel):
    """Token counts, as the provider counts them."""

    input_tokens: int
    output_tokens: int
    """With those of the reasoning."""
    total_tokens: int
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None


class AnswerTimings(ApiModel):
    """How long an answer took, in milliseconds from the start of its run."""

    first_token_ms: int | None = None
    total_ms: int | None = None


class AnswerMetadata(ApiModel):
    """What an answer took. None is what is not known."""

    model: str | None = None
    finish_reason: str | None = None
    """Why it ended; see `FinishEvent.reason`. None when it was stopped."""
    usage: TokenUsage | None = None
    cost: float | None = None
    """In US dollars."""
    timings: AnswerTimings | None = None


class ChatMessage(ApiModel):
    """A stored message."""

    id: UUID
    parent_id: UUID | None
    versions: list[UUID]
    """All messages with the same parent, the oldest first; none if it is the only one."""
    role: str
    """`user` or `assistant`."""
    metadata: AnswerMetadata
    parts: list[dict[str, Any]]
    """Its parts, as those of the AI SDK's `UIMessage`."""
    status: str
    """`complete`, `running`, `stopped`, `failed`, `interrupted` or `revoked`."""
    error: str | None
    """The sentence about a failed answer."""
    model: str | None
    origin: str | None
    """`client` if a program appended it, else None."""
    created_at: datetime

    @property
    def text(self) -> str:
        """Its text, without reasoning and other parts."""
        return self._joined("text")

    @property
    def reasoning(self) -> str:
        """Its reasoning."""
        return self._joined("reasoning")

    def _joined(self, kind: str) -> str:
        return "".join(part["text"] for part in self.parts if part["type"] == kind)


class ModelPrice(ApiModel):
    """What a model costs, in US dollars per million tokens."""

    input: float
    output: float


class ChatModel(ApiModel):
    """A model that the user can choose."""

    id: str
    name: str
    context_window: int | None
    """In tokens; None where it is not known."""
    images: bool
    tools: bool
    temperature: bool
    """Whether it takes a temperature."""
    efforts: list[str]
    """The thinking efforts to choose from."""
    price: ModelPrice | None


class UsageCounts(ApiModel):
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


class DayUsage(UsageCounts):
    """What was used on a day."""

    day: date


class ModelUsage(UsageCounts):
    """What a model was used for."""

    model: str
    """Its id."""


class PurposeUsage(UsageCounts):
    """What was used for a purpose."""

    purpose: str
    """`answer`, `title`, `compaction`, or `api` for answers that are stored nowhere."""


class ChatUsage(ApiModel):
    """What the user has used in a period, in every organisation and outside."""

    since: date
    """The first day, in UTC."""
    until: date
    """The last day."""
    total: UsageCounts
    days: list[DayUsage]
    """The days on which something was used, in order."""
    models: list[ModelUsage]
    """The one that took the most tokens first."""
    purposes: list[PurposeUsage]


class ChatModels(ApiModel):
    """The models that the user can choose."""

    models: list[ChatModel]
    default: str | None
    """The id of the one that answers if none is chosen; None when there is none."""
