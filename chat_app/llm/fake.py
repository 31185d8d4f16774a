"""Fake models: deterministic Markdown answers and provider faults, for tests and benchmarks.

Tokens have about the size of real ones, 4.6 bytes, so that costs per token compare.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from enum import StrEnum
from itertools import count, islice

from chat_app.llm.base import Delta, Finish, PromptMessage, TextDelta, Usage
from chat_app.llm.errors import Failure

_TOKEN = re.compile(r"\s{0,8}[^\W_]{1,8}|\s{0,8}[^\w\s]{1,6}|\s{1,8}|.", re.DOTALL)

_SECTION = """\
## Part {n}: steady answers

Streaming keeps readers engaged while longer thoughts develop. Section {n} explains **another** \
detail with `inline_code_{n}`, some *emphasis* and a [reference](https://example.com/part/{n}).

- First consider what changes between versions
- Then measure throughput under realistic conditions
  - including latency percentiles
- Finally compare everything against expectations

| Measure | Before | After |
|---|---:|---:|
| Latency number {n} | {n}20 | {n}10 |
| Throughput number {n} | {n}50 | {n}75 |

```python
def measure_{n}(samples: list[float]) -> float:
    \"\"\"Return the average of several samples.\"\"\"
    total = sum(sample for sample in samples)
    return total / len(samples) if samples else {n}.0
```

> Remember: numbers without context mislead. Part {n} ends here.

"""


def tokens_of(text: str) -> Iterator[str]:
    """Split a text into pieces of the size of tokens; joined they are the text again."""
    return (match.group() for match in _TOKEN.finditer(text))


def markdown_tokens() -> Iterator[str]:
    """An endless answer, token by token."""
    yield from tokens_of("# A deterministic answer\n\n")
    for n in count(1):
        yield from tokens_of(_SECTION.format(n=n))


class Fault(StrEnum):
    """The provider fault of a fake model, as spelled in its id."""

    NONE = ""
    REFUSE = "refuse"
    LIMIT = "429"
    STALL = "stall"
    DROP = "drop"
    MALFORMED = "malformed"


_ID = re.compile(r"fake(?::(?P<fault>[a-z0-9]+?))??(?::(?P<tokens>\d{1,6})x(?P<interval>\d{1,5}))?")
_ECHO = re.compile(r"echo: (.*)", re.DOTALL)
_RETRY_SECONDS = 20


class FakeModel:
    """A model with a deterministic answer.

    If the last message contains `echo: `, the answer is exactly the text behind it. With a fault
    in the middle of an answer, half of the tokens come before it.

    Args:
        fault: The fault, if any.
        tokens: The length of the answer.
        interval: Milliseconds from token to token; 0 is as fast as the event loop turns.
        idle_seconds: How long a stalled answer hangs.
        model_id: The id; empty for one made from the other arguments.

    Attributes:
        calls: How many answers were requested.
        open: How many of them are running.
        prompt: The prompt of the last one.
    """

    def __init__(
        self,
        fault: Fault = Fault.NONE,
        *,
        tokens: int = 120,
        interval: int = 10,
        idle_seconds: float = 30,
        model_id: str = "",
    ) -> None:
        self.id = model_id or ":".join(filter(None, ("fake", fault, f"{tokens}x{interval}")))
        self.name = self.id.replace("fake", "Fake", 1)
        self.calls = 0
        self.open = 0
        self.prompt: tuple[PromptMessage, ...] = ()
        self._fault = fault
        self._tokens = tokens
        self._interval = interval / 1000
        self._idle_seconds = idle_seconds

    @classmethod
    def from_id(cls, model_id: str, *, idle_seconds: float = 30) -> "FakeModel | None":
        """The fake model that an id describes; None if it describes none."""
        match = _ID.fullmatch(model_id)
        if match is None:
            return None
        try:
            fault = Fault(match["fault"] or "")
        except ValueError:
            return None
        if match["tokens"] is None:
            return cls(fault, idle_seconds=idle_seconds, model_id=model_id)
        return cls(
            fault,
            tokens=int(match["tokens"]),
            interval=int(match["interval"]),
            idle_seconds=idle_seconds,
            model_id=model_id,
        )

    async def stream(
        self, prompt: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Delta]:
        """See `Model.stream`."""
        self.calls += 1
        self.open += 1
        self.prompt = tuple(prompt)
        try:
            if self._fault is Fault.REFUSE:
                raise Failure.API_KEY.error(self.name)
            if self._fault is Fault.LIMIT:
                raise Failure.RATE_LIMIT.error(self.name, _RETRY_SECONDS)
            answer = list(self._answer())
            length = len(answer)
            if self._fault:
                answer = answer[: length // 2]
            elif max_tokens is not None:
                answer = answer[:max_tokens]
            async for delta in self._paced(answer):
                yield delta
            await self._raise_fault()
            yield Usage(sum(len(message.text) for message in prompt) // 4, len(answer))
            yield Finish("stop" if len(answer) == length else "length")
        finally:
            self.open -= 1

    def _answer(self) -> Iterator[str]:
        echo = _ECHO.search(self.prompt[-1].text) if self.prompt else None
        return tokens_of(echo[1]) if echo else islice(markdown_tokens(), self._tokens)

    async def _paced(self, answer: list[str]) -> AsyncGenerator[TextDelta]:
        now = asyncio.get_running_loop().time
        start = now()
        for position, token in enumerate(answer):
            # relative to the start, so that one late token does not delay the rest
            await asyncio.sleep(max(0.0, start + position * self._interval - now()))
            yield TextDelta(token)

    async def _raise_fault(self) -> None:
        match self._fault:
            case Fault.STALL:
                await asyncio.sleep(self._idle_seconds)
                raise Failure.STALLED.error(self.name)
            case Fault.DROP:
                raise Failure.CUT_OFF.error(self.name)
            case Fault.MALFORMED:
                raise Failure.MALFORMED.error(self.name)
