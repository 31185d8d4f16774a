"""Fake models: deterministic Markdown answers and provider faults, for tests and benchmarks.

Tokens have about the size of real ones, 4.6 bytes, so that costs per token compare.

An id is `fake`, then any of these, in this order, separated by colons:

- `think` or `think40`: so many tokens of reasoning before the answer; 40 if no number is given;
- an ending: `refuse`, `429`, `stall`, `drop` and `malformed` are faults, and the last three strike
  after half of all tokens; `length` and `content-filter` end the answer with that finish reason;
- `120x10`: so many tokens of text, and the milliseconds from token to token.

So `fake:think40:drop:0x10` breaks off in the middle of its reasoning, `fake:content-filter:0x0` is
withheld without a word, and `fake:think40:length:0x0` reaches the limit before it answers.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from enum import StrEnum
from itertools import count, islice

from chat_app.core.events import (
    Event,
    Finish,
    FinishReason,
    PartDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from chat_app.llm.base import DEFAULT_OPTIONS, CallOptions, Effort, ModelInfo, PromptMessage
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


def reasoning_tokens() -> Iterator[str]:
    """Endless reasoning, token by token."""
    yield from tokens_of("The user asks for a **steady** answer. ")
    for n in count(1):
        yield from tokens_of(f"Step {n}: compare version {n} with the one before it.\n\n")


class Ending(StrEnum):
    """How the answer of a fake model ends, as spelled in its id."""

    NONE = ""
    REFUSE = "refuse"
    LIMIT = "429"
    STALL = "stall"
    DROP = "drop"
    MALFORMED = "malformed"
    LENGTH = "length"
    CONTENT_FILTER = "content-filter"


_FINISH_REASONS: dict[Ending, FinishReason] = {
    Ending.NONE: "stop",
    Ending.LENGTH: "length",
    Ending.CONTENT_FILTER: "content-filter",
}
_DEFAULT_REASONING = 40
_DEFAULT_TOKENS = 120
_DEFAULT_INTERVAL = 10
_ID = re.compile(
    r"fake(?P<think>:think(?P<reasoning>\d{1,6})?)?(?::(?P<ending>[a-z0-9-]+?))??"
    r"(?::(?P<tokens>\d{1,6})x(?P<interval>\d{1,5}))?"
)
_THINK = re.compile(r"think: (.*?)(?=\s*echo: |$)", re.DOTALL)
_CUT_OFF = re.compile(r"Your last answer was cut off\b")
_CALL = re.compile(r"call: (.*)", re.DOTALL)
_CALLED = re.compile(r"([\w-]+) (\{.*?\})")
_ECHO = re.compile(r"echo: (.*)", re.DOTALL)
_RETRY_SECONDS = 20
_WINDOW = 32_768
_EFFORTS: dict[Effort, float] = {"none": 0, "low": 0.5, "medium": 1, "high": 2}
"""How much longer the reasoning is that an effort asks for."""


class FakeModel:
    """A model with a deterministic answer.

    If the question contains `echo: `, the answer is exactly the text behind it. If it contains
    `think: ` and the model reasons, the reasoning is the text between that and `echo: `. Otherwise
    its length follows the thinking effort that is asked for. Told that its last answer was cut off,
    it says what is missing of it.

    If the question contains `call: `, the answer calls the tool that is named behind it, once or
    more, each time with the arguments that follow as JSON: `call: add {"a": 1} add {"a": 2}`. If
    the prompt ends with results of tools, the answer is these, one a line.

    Args:
        ending: How the answer ends.
        reasoning: The length of the reasoning, in tokens; 0 for a model that does not reason.
        tokens: The length of the answer after it.
        interval: Milliseconds from token to token; 0 is as fast as the event loop turns.
        idle_seconds: How long a stalled answer hangs.
        model_id: The id; empty for one made from the other arguments.

    Attributes:
        calls: How many answers were requested.
        open: How many of them are running.
        prompt: The prompt of the last one.
        options: Its options.
    """

    def __init__(
        self,
        ending: Ending = Ending.NONE,
        *,
        reasoning: int = 0,
        tokens: int = _DEFAULT_TOKENS,
        interval: int = _DEFAULT_INTERVAL,
        idle_seconds: float = 30,
        model_id: str = "",
    ) -> None:
        think = f"think{reasoning}" if reasoning else ""
        pace = f"{tokens}x{interval}"
        self.id = model_id or ":".join(filter(None, ("fake", think, ending, pace)))
        self.name = self.id.replace("fake", "Fake", 1)
        self.calls = 0
        self.open = 0
        self.prompt: tuple[PromptMessage, ...] = ()
        self.options = DEFAULT_OPTIONS
        efforts = tuple(_EFFORTS) if reasoning else ()
        self.info = ModelInfo(_WINDOW, images=True, tools=True, efforts=efforts)
        self._ending = ending
        self._reasoning = reasoning
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
            ending = Ending(match["ending"] or "")
        except ValueError:
            return None
        reasoning = int(match["reasoning"] or _DEFAULT_REASONING) if match["think"] else 0
        return cls(
            ending,
            reasoning=reasoning,
            tokens=int(match["tokens"] or _DEFAULT_TOKENS),
            interval=int(match["interval"] or _DEFAULT_INTERVAL),
            idle_seconds=idle_seconds,
            model_id=model_id,
        )

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.calls += 1
        self.open += 1
        self.prompt, self.options = tuple(prompt), options
        try:
            if self._ending is Ending.REFUSE:
                raise Failure.API_KEY.error(self.name)
            if self._ending is Ending.LIMIT:
                raise Failure.RATE_LIMIT.error(self.name, _RETRY_SECONDS)
            answer = [*self._thoughts(), *self._answer()]
            reason = _FINISH_REASONS.get(self._ending)
            calls = list(self._calls())
            if reason is None:
                answer = answer[: len(answer) // 2]
            elif options.max_tokens is not None and options.max_tokens < len(answer):
                answer, reason = answer[: options.max_tokens], "length"
            async for delta in self._paced(answer):
                yield delta
            if reason is None:
                await self._raise_fault()
                return
            for call_id, name, arguments in calls:
                for piece in tokens_of(arguments):
                    yield ToolCallDelta(call_id, name, piece)
                yield ToolCallEnd(call_id)
            yield self._usage(answer)
            yield Finish("tool-calls" if calls and reason == "stop" else reason)
        finally:
            self.open -= 1

    def _thoughts(self) -> Iterator[ReasoningDelta]:
        length = round(self._reasoning * _EFFORTS.get(self.options.effort or "medium", 1))
        think = _THINK.search(self._question) if length else None
        tokens = tokens_of(think[1]) if think else islice(reasoning_tokens(), length)
        return map(ReasoningDelta, tokens)

    def _calls(self) -> Iterator[tuple[str, str, str]]:
        """The id, the tool and the arguments of each call that the question asks for."""
        asked = _CALL.search(self._question)
        if asked is None or not self.options.tools or self._results():
            return
        for number, (name, arguments) in enumerate(_CALLED.findall(asked[1])):
            yield f"call_{number}", name, arguments

    def _results(self) -> list[str]:
        """The results of tools at the end of the prompt."""
        last = self.prompt[-1] if self.prompt else None
        if last is None or last.role != "assistant":
            return []
        return [
            str(part.get("result", part.get("error")))
            for part in last.parts
            if part["type"] == "tool-call" and part["state"] in ("done", "failed")
        ]

    def _answer(self) -> Iterator[TextDelta]:
        if results := self._results():
            return map(TextDelta, tokens_of("\n".join(results)))
        if any(self._calls()):
            return iter(())
        echo = _ECHO.search(self._question)
        tokens = tokens_of(echo[1]) if echo else islice(markdown_tokens(), self._tokens)
        if _CUT_OFF.match(self._question) and len(self.prompt) > 1:
            whole, said = "".join(tokens), self.prompt[-2].text
            tokens = tokens_of(whole[len(said) :] if whole.startswith(said) else whole)
        return map(TextDelta, tokens)

    @property
    def _question(self) -> str:
        asked = (message.text for message in reversed(self.prompt) if message.role == "user")
        return next(asked, "")

    def _usage(self, answer: Sequence[PartDelta]) -> Usage:
        input_tokens = sum(message.size for message in self.prompt) // 4
        if not self._reasoning:
            return Usage(input_tokens, len(answer))
        thoughts = sum(isinstance(delta, ReasoningDelta) for delta in answer)
        return Usage(input_tokens, len(answer), thoughts, cached_input_tokens=input_tokens // 2)

    async def _paced(self, answer: Sequence[PartDelta]) -> AsyncGenerator[PartDelta]:
        now = asyncio.get_running_loop().time
        start = now()
        for position, delta in enumerate(answer):
            # relative to the start, so that one late token does not delay the rest
            await asyncio.sleep(max(0.0, start + position * self._interval - now()))
            yield delta

    async def _raise_fault(self) -> None:
        match self._ending:
            case Ending.STALL:
                await asyncio.sleep(self._idle_seconds)
                raise Failure.STALLED.error(self.name)
            case Ending.DROP:
                raise Failure.CUT_OFF.error(self.name)
            case Ending.MALFORMED:
                raise Failure.MALFORMED.error(self.name)
