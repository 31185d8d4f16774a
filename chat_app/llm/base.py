"""The model protocol: a prompt and options in, a stream of events out."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

from chat_app.core.errors import StorableError
from chat_app.core.events import Event
from chat_app.core.parts import NativeItem, Part, text_of, text_part
from chat_app.settings.limits import Effort

MessageRole = Literal["system", "user", "assistant"]

EFFORTS: tuple[Effort, ...] = get_args(Effort)
"""Every thinking effort, the least first."""


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt, as it is stored: the dialect of the model decides what is sent.

    Args:
        role: Whose it is.
        parts: All of its parts.
        status: How an answer ended; `complete` for everything else.
        model: The id of the model that wrote it; empty if none did.
        native: What the provider of that model needs back, word for word.
        id: The message's; None for a system prompt.
    """

    role: MessageRole
    parts: tuple[Part, ...]
    status: str = "complete"
    model: str = ""
    native: tuple[NativeItem, ...] = ()
    id: UUID | None = None

    @property
    def text(self) -> str:
        """The visible text."""
        return text_of(self.parts)

    @property
    def size(self) -> int:
        """How much it adds to a prompt, in characters: text, and the rest but reasoning as JSON."""
        return sum(
            len(part["text"]) if part["type"] == "text" else len(json.dumps(part))
            for part in self.parts
            if part["type"] not in ("reasoning", "notice", "summary")
        )


def text_message(role: MessageRole, text: str) -> PromptMessage:
    """A message that is only text."""
    return PromptMessage(role, (text_part(text),))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call.

    Args:
        name: Letters, digits, `_` and `-`; at most 64.
        description: What it does, for the model.
        parameters: The JSON schema of its arguments, an object.
    """

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a model is to answer. What a model cannot do is left out of its request.

    Args:
        max_tokens: The most tokens to answer with; None leaves it to the provider.
        temperature: 0 to 2; None leaves it to the provider.
        effort: How long to think; None leaves it to the provider.
        tools: The tools that it may call.
        tool_choice: Whether it may call one, must not, or must.
        forced_tool: The name of the one that it must call; empty for its own choice.
        is_exact: Whether a model that cannot take the tools or the images of a request fails; else
            it is asked without them.
        cache_key: Names the conversation, whose beginning the provider may keep for the next call;
            empty for a call that stands alone.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    effort: Effort | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    forced_tool: str = ""
    is_exact: bool = False
    cache_key: str = ""


DEFAULT_OPTIONS = CallOptions()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model can do.

    Args:
        window: The most tokens of a prompt and its answer together; None if it is not known.
        max_output: The most tokens of an answer; None if it is not known.
        images: Whether it sees images.
        tools: Whether it calls tools.
        efforts: The efforts that can be chosen; empty for a model whose thinking has no setting.
        temperature: Whether the temperature can be chosen.
        summarizes: Whether it can summarize a conversation well and soon.
        acts: Whether a call may change something: it is made once, and for nothing but an answer.
    """

    window: int | None = None
    max_output: int | None = None
    images: bool = False
    tools: bool = False
    efforts: tuple[Effort, ...] = ()
    temperature: bool = True
    summarizes: bool = True
    acts: bool = False

    @property
    def thinking(self) -> bool:
        """Whether it can be told how long to think."""
        return bool(self.efforts)


def nearest_effort(effort: Effort, efforts: Sequence[Effort]) -> Effort | None:
    """The highest of the efforts up to one, or the lowest; None where there is none."""
    up_to = EFFORTS[: EFFORTS.index(effort) + 1]
    fitting: Sequence[Effort] = [one for one in efforts if one in up_to] or efforts[:1]
    return fitting[-1] if fitting else None


UNKNOWN_MODEL = ModelInfo()
"""What is known of a model that nothing is known of."""


class ProviderError(StorableError):
    """The provider rejected the request, failed, stalled or cut the answer off.

    Args:
        code: `refused`, `limited`, `unreachable`, `stalled`, `broken_off` or `malformed`.
        message_code: The code of the message; it never holds the provider's own text.
        params: The parameters of the message.
    """

    status = 502

    def __init__(self, code: str, message_code: str, **params: object) -> None:
        super().__init__(message_code, **params)
        self.code = code


@dataclass(frozen=True, slots=True)
class ModelTimeouts:
    """How long a provider may send nothing.

    Args:
        first_token: The longest wait for the first token, in seconds.
        idle: The longest pause after it, in seconds.
    """

    first_token: float
    idle: float


class Model(Protocol):
    """A language model."""

    @property
    def id(self) -> str:
        """The id in settings, rows and URLs, unique among all models."""
        ...

    @property
    def name(self) -> str:
        """The display name."""
        ...

    @property
    def info(self) -> ModelInfo:
        """What it can do."""
        ...

    def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        """Answer the last message of a prompt.

        The iterator ends after `Finish`. Closing it early (`aclose`, or cancelling the task that
        iterates) closes the connection to the provider at once.

        Args:
            prompt: The conversation, oldest message first.
            options: How to answer.

        Raises:
            ProviderError: The provider failed, or cut the answer off before `Finish`.
        """
        ...
