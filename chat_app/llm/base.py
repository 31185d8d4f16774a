"""The model protocol: a prompt in, a stream of events out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from chat_app.core.errors import StorableError
from chat_app.core.events import Event


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    text: str


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

    def stream(
        self, prompt: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Event]:
        """Answer the last message of a prompt.

        The iterator ends after `Finish`. Closing it early (`aclose`, or cancelling the task that
        iterates) closes the connection to the provider at once.

        Args:
            prompt: The conversation, oldest message first.
            max_tokens: The most tokens to answer with; None leaves it to the provider.

        Raises:
            ProviderError: The provider failed, or cut the answer off before `Finish`.
        """
        ...


def fit_context(prompt: Sequence[PromptMessage], max_chars: int) -> tuple[PromptMessage, ...]:
    """Keep the leading system messages and the newest messages that fit.

    The last message is always kept whole. What is kept does not begin with an answer whose
    question was left out.

    Args:
        prompt: The conversation, oldest message first.
        max_chars: The most characters of text in all messages together.
    """
    first = 0
    while first < len(prompt) and prompt[first].role == "system":
        first += 1
    system, messages = tuple(prompt[:first]), prompt[first:]
    if not messages:
        return system
    start = len(messages) - 1
    remaining = max_chars - sum(len(message.text) for message in (*system, messages[start]))
    while start > 0 and len(messages[start - 1].text) <= remaining:
        start -= 1
        remaining -= len(messages[start].text)
    while 0 < start < len(messages) - 1 and messages[start].role == "assistant":
        start += 1
    return system + tuple(messages[start:])
