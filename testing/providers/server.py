"""What every strict server is: it checks a request, and streams an answer of its model."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from testing.providers.rules import Check, Refused, Request


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a model.

    Args:
        arguments: JSON text; a model may get it wrong.
    """

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says.

    Args:
        text: May be empty.
        reasoning: Sent only by a model that thinks.
        calls: Made only if the request has tools.
        seed: Makes the ids of this answer unlike those of any other.
        stalls: Over HTTP, whether nothing more comes before the last piece of the text, until the
            client goes away.
    """

    text: str
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    seed: int = 0
    stalls: bool = False


def pieces(text: str) -> Iterator[str]:
    """A text in at most three pieces, as tokens come."""
    size = max(1, -(-len(text) // 3))
    return (text[start : start + size] for start in range(0, len(text), size))


@dataclass(frozen=True, slots=True)
class StrictServer(ABC):
    """A server with one model.

    Args:
        name: Of the server and its kind of model.
        model: The name of the model.
        checks: What the server refuses, in order.
    """

    name: str
    model: str
    checks: tuple[Check, ...]

    dialect: ClassVar[str]

    def check(self, request: Request) -> None:
        """Refuse a request that breaks a rule.

        Raises:
            Refused: It does.
        """
        for check in self.checks:
            check(request)

    def typed(self, request: Request) -> Request:
        """The request without what this server adds to the types of the SDK."""
        return request

    @abstractmethod
    def error(self, refused: Refused) -> Any:
        """The body of a refusal."""

    @abstractmethod
    def events(self, request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
        """The events of an answer."""

    def encode(self, request: Request, answer: Answer) -> Iterator[bytes]:
        """The stream of an answer, event by event."""
        for event in self.events(request, answer):
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
