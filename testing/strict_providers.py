"""A strict provider of each dialect, for a program that another process runs."""

import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from testing.fake_provider import API_KEY, FakeProvider, Request, serve
from testing.program import free_port
from testing.providers.server import Answer
from testing.providers.strict import SERVERS, strict

_SERVERS = {
    SERVERS[name].dialect: SERVERS[name]
    for name in ("deepseek", "anthropic-5.5", "openai-responses")
}


@dataclass
class StrictProviders:
    """The providers, each on a port that is kept for it from the start.

    Attributes:
        answers: What is answered next, whichever provider is asked.
    """

    answers: deque[Answer] = field(default_factory=deque)
    _ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _SERVERS})
    _serving: dict[str, FakeProvider] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """The value of CHAT_PROVIDERS."""
        return json.dumps(
            [
                {
                    "name": dialect,
                    "kind": dialect,
                    "base_url": f"http://127.0.0.1:{port}/v1",
                    "api_key": API_KEY,
                    "models": [_SERVERS[dialect].model],
                }
                for dialect, port in self._ports.items()
            ]
        )

    def model(self, dialect: str) -> str:
        """The id of the model of a dialect."""
        return f"{dialect}/{_SERVERS[dialect].model}"

    def requests(self, dialect: str) -> list[Request]:
        """What the provider of a dialect was sent."""
        return self._serving[dialect].requests

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["StrictProviders"]:
        """Answer, until the block ends."""
        self.answers.clear()
        async with AsyncExitStack() as stack:
            for dialect, port in self._ports.items():
                answer = strict(_SERVERS[dialect], lambda _: self.answers.popleft())
                fake = await stack.enter_async_context(serve(answer, port=port))
                self._serving[dialect] = fake
            yield self


def sent_texts(requests: Iterable[Request]) -> str:
    """Everything that requests say, as JSON."""
    return json.dumps([request.body for request in requests], ensure_ascii=False)
