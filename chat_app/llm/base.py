"""What every model looks like to the rest of the program."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from chat_app.core.errors import StorableError


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One turn of the conversation that a model is shown."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer. Never ends inside a surrogate pair."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider says the answer cost, in tokens."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The provider said that the answer is complete."""

    reason: Literal["stop", "length", "content-filter", "tool-calls", "other"]


Delta = TextDelta | ReasoningDelta | Usage | Finish


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


class Model(Protocol):
    """Something that answers.

    Attributes:
        id: The name used in settings, rows and URLs, unique among all models.
        name: The name shown to people.
    """

    @property
    def id(self) -> str:
        """The name used in settings, rows and URLs."""
        ...

    @property
    def name(self) -> str:
        """The name shown to people."""
        ...

    def stream(
        self, turns: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Delta]:
        """Answer the last turn.

        The iterator ends after `Finish`. Closing it early (`aclose`, or cancelling the task that
        iterates) closes the connection to the provider at once.

        Args:
            turns: The conversation, oldest first.
            max_tokens: The most tokens to answer with; None leaves it to the provider.

        Raises:
            ProviderError: The provider refused, failed, stalled, or broke off before `Finish`.
        """
        ...


def fit_context(turns: Sequence[PromptMessage], max_chars: int) -> tuple[PromptMessage, ...]:
    """Keep the leading system turns and the newest turns that fit.

    The last turn is always kept whole: an answer to half a question helps nobody. What is kept
    does not begin with an answer whose question was left out.

    Args:
        turns: The conversation, oldest first.
        max_chars: The most characters of text in all turns together.
    """
    first = 0
    while first < len(turns) and turns[first].role == "system":
        first += 1
    system, talk = tuple(turns[:first]), turns[first:]
    if not talk:
        return system
    room = max_chars - sum(len(turn.text) for turn in system)
    start = len(talk) - 1
    room -= len(talk[start].text)
    while start > 0 and len(talk[start - 1].text) <= room:
        start -= 1
        room -= len(talk[start].text)
    while 0 < start < len(talk) - 1 and talk[start].role == "assistant":
        start += 1
    return system + tuple(talk[start:])
