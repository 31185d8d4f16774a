"""The calls of models: retries, alternatives, health and limits."""

import ast
import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import (
    Event,
    Finish,
    NativeItemAdded,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from chat_app.core.parts import notice_part
from chat_app.db.tables import PRIVATE
from chat_app.llm.base import CallOptions, ModelInfo, PromptMessage, ProviderError, text_message
from chat_app.llm.errors import Failure
from chat_app.llm.health import FAILURES, HealthMonitor
from chat_app.llm.prices import Prices
from chat_app.llm.registry import Models
from chat_app.runs.calls import ModelCalls, Requester, cap_call_options
from chat_app.settings import ConfigError, read_settings
from chat_app.usage.ledger import CountedCall
from testing.fake_provider import DONE, STREAM_HEAD, finish, held_open, serve, streamed, text
from testing.model_rules import allowed_models

ROOT = Path(__file__).resolve().parents[2] / "chat_app"

CALLERS = ("llm/", "runs/calls.py")
"""The modules that may reach the `stream` of a model."""
NO_MODELS = {
    ("api/anthropic_messages.py", "body"),  # whether a client wants a stream
    ("api/chat_completions.py", "body"),
    ("api/model_responses.py", "body"),
    ("api/requests.py", "request"),  # the body of an HTTP request
    ("core/http_out.py", "response"),  # the body of an HTTP response
}
"""What else has a `stream`, by file and name."""
LOOKUPS = ("getattr", "attrgetter", "methodcaller")

PROMPT = (text_message("user", "hi"),)
GOOD = (TextDelta("a"), TextDelta("b"), Finish("stop"))
BROKEN = Failure.SERVER.error("One")
UNREACHABLE = Failure.UNREACHABLE.error("One")
REQUESTER = Requester(Principal(UUID(int=1), UUID(int=2)), PRIVATE, "api")
CHANGED = PartAdded(notice_part("model_changed"))
NATIVE = NativeItemAdded("p/x", {"type": "reasoning"})

Step = Event | Exception | asyncio.Event


class ListedModel:
    """A model whose calls do what the test lists, one after the other."""

    def __init__(self, model_id: str, *calls: Sequence[Step]) -> None:
        self.id = model_id
        self.name = model_id.title()
        self.info = ModelInfo()
        self.asked: list[CallOptions] = []
        self.open = 0
        self.called = asyncio.Event()
        self._calls = list(calls)

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions
    ) -> AsyncGenerator[Event]:
        self.asked.append(options)
        self.open += 1
        self.called.set()
        try:
            for step in self._calls.pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        finally:
            self.open -= 1


class Caller:
    """Calls the first of some models; the others are its alternatives."""

    def __init__(self, *models: ListedModel, **settings: Any) -> None:
        self.models = models
        self.health = HealthMonitor()
        self.bounds: list[tuple[float, float]] = []
        self.pauses: list[float] = []
        self.paused = asyncio.Event()
        self.options: dict[str, CallOptions] = {}
        registry: Any = SimpleNamespace(
            health=self.health, prices=Prices({}), fallbacks_of=lambda _: models[1:]
        )
        wanted = read_settings(_env_file=None, **settings)
        self.recorded: list[CountedCall] = []
        calls = ModelCalls(
            *(registry, wanted, lambda *given: self.recorded.append(given[-1])),
            sleep=self._sleep,
            jitter=self._jitter,
        )
        self.calls = calls.by(allowed_models(registry))

    def options_for(self, model: Any) -> CallOptions:
        return self.options.get(model.id, CallOptions())

    def _jitter(self, low: float, high: float) -> float:
        self.bounds.append((low, high))
        return high / 4

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.paused.set()
        await asyncio.sleep(0)

    async def ask(self) -> tuple[str, list[Event]]:
        """Which model answered, and what."""
        model: Any = self.models[0]
        async with self.calls.answer(model, PROMPT, self.options_for, REQUESTER) as call:
            return call.model.id, [event async for event in call]

    async def fail(self) -> str:
        """The message code of the failure of a call."""
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        return caught.value.message_code


def counts(*models: ListedModel) -> list[int]:
    """How often each model was called; no call is still open."""
    assert [model.open for model in models] == [0] * len(models)
    return [len(model.asked) for model in models]


async def test_a_call_that_fails_before_its_first_token_is_repeated() -> None:
    one = ListedModel("one", [UNREACHABLE], [BROKEN], GOOD)
    caller = Caller(one)
    assert await caller.ask() == ("one", list(GOOD))
    assert counts(one) == [3]
    assert caller.health.of("one").error == ""


async def test_pauses_are_random_and_their_bound_doubles() -> None:
    caller = Caller(ListedModel("one", [BROKEN], [BROKEN], [BROKEN], [BROKEN]), chat_retries=3)
    assert await caller.fail() == "provider_error"
    assert caller.bounds == [(0.0, 0.5), (0.0, 1.0), (0.0, 2.0)]
    assert caller.pauses == [0.125, 0.25, 0.5]


async def test_no_retry_when_the_operator_wants_none() -> None:
    one = ListedModel("one", [BROKEN])
    assert await Caller(one, chat_retries=0).fail() == "provider_error"
    assert counts(one) == [1]


@pytest.mark.parametrize(
    "first", [TextDelta("a"), ReasoningDelta("a"), ToolCallDelta("c", "n", "")]
)
async def test_after_the_first_token_nothing_is_called_again(first: Event) -> None:
    one, two = ListedModel("one", [first, Failure.CUT_OFF.error("One")]), ListedModel("two", GOOD)
    caller = Caller(one, two)
    assert await caller.fail() == "cut_off"
    assert counts(one, two) == [1, 0]
    assert caller.health.of("one").error == "cut_off"


@pytest.mark.parametrize(
    "failure", [Failure.API_KEY, Failure.QUOTA, Failure.MODEL, Failure.SLOW, Failure.WITHHELD]
)
async def test_what_cannot_pass_is_not_repeated(failure: Failure) -> None:
    one = ListedModel("one", [failure.error("One")])
    assert await Caller(one).fail() == failure.value[1]
    assert counts(one) == [1]


async def test_a_short_pause_that_the_provider_asks_for_is_kept() -> None:
    one = ListedModel("one", [Failure.RATE_LIMIT.error("One", retry_after=3)], GOOD)
    caller = Caller(one)
    assert await caller.ask() == ("one", list(GOOD))
    assert caller.pauses == [3.125]


async def test_a_long_pause_that_the_provider_asks_for_is_not_waited_for() -> None:
    one = ListedModel("one", [Failure.RATE_LIMIT.error("One", retry_after=20)])
    caller = Caller(one)
    assert await caller.fail() == "rate_limited"
    assert (counts(one), caller.pauses) == ([1], [])


async def test_alternatives_are_called_in_their_order() -> None:
    one = ListedModel("one", [Failure.API_KEY.error("One")])
    two = ListedModel("two", [Failure.QUOTA.error("Two")])
    three, four = ListedModel("three", GOOD), ListedModel("four")
    assert await Caller(one, two, three, four).ask() == ("three", list(GOOD))
    assert counts(one, two, three, four) == [1, 1, 1, 0]


async def test_a_model_that_does_not_begin_in_time_is_not_waited_for_twice() -> None:
    one, two = ListedModel("one", [Failure.SLOW.error("One")]), ListedModel("two", GOOD)
    assert await Caller(one, two).ask() == ("two", list(GOOD))
    assert counts(one, two) == [1, 1]


async def test_when_all_fail_the_failure_is_that_of_the_model_that_was_asked() -> None:
    one = ListedModel("one", [Failure.QUOTA.error("One")])
    two = ListedModel("two", [Failure.WITHHELD.error("Two")])
    three = ListedModel("three", [Failure.API_KEY.error("Three")])
    assert await Caller(one, two, three).fail() == "quota_exhausted"
    assert counts(one, two, three) == [1, 1, 1]


async def test_when_only_the_prompt_is_too_long_for_an_alternative_the_failure_says_so() -> None:
    one = ListedModel("one", [Failure.QUOTA.error("One")])
    two = ListedModel("two", [Failure.CONTEXT.error("Two")])
    three = ListedModel("three", [Failure.API_KEY.error("Three")])
    assert await Caller(one, two, three).fail() == "context_too_long"
    assert counts(one, two, three) == [1, 1, 1]


@pytest.mark.parametrize("failure", [Failure.CONTEXT, Failure.WITHHELD, Failure.REQUEST])
async def test_a_request_that_a_model_rejects_goes_to_no_alternative(failure: Failure) -> None:
    one, two = ListedModel("one", [failure.error("One")]), ListedModel("two", GOOD)
    assert await Caller(one, two).fail() == failure.value[1]
    assert counts(one, two) == [1, 0]


async def test_an_answer_without_a_token_is_an_answer() -> None:
    one, two = ListedModel("one", [Usage(1, 0), Finish("content-filter")]), ListedModel("two")
    assert await Caller(one, two).ask() == ("one", [Usage(1, 0), Finish("content-filter")])
    assert counts(one, two) == [1, 0]


async def test_nothing_of_a_call_that_failed_is_kept() -> None:
    one = ListedModel(
        "one", [CHANGED, TextDelta(""), NATIVE, Usage(9, 9), BROKEN], [CHANGED, *GOOD]
    )
    assert await Caller(one).ask() == ("one", [CHANGED, *GOOD])


async def test_a_call_that_sends_no_token_for_long_is_not_held_back_without_bound() -> None:
    endless = [TextDelta("")] * 1_000
    waiting = asyncio.Event()
    one = ListedModel("one", [*endless, waiting, *GOOD])
    caller = Caller(one)
    async with caller.calls.answer(one, PROMPT, caller.options_for, REQUESTER) as call:  # pyright: ignore[reportArgumentType]
        assert await anext(call) == TextDelta("")


async def test_a_model_that_fails_is_called_last_until_it_has_rested() -> None:
    one = ListedModel("one", *[[Failure.QUOTA.error("One")]] * (FAILURES + 1))
    two = ListedModel("two", *[GOOD] * (FAILURES + 1), [Failure.API_KEY.error("Two")])
    caller = Caller(one, two)
    for _ in range(FAILURES + 1):
        assert (await caller.ask())[0] == "two"
    assert counts(one, two) == [FAILURES, FAILURES + 1]
    assert await caller.fail() == "quota_exhausted", "when nothing else answers, it is tried"
    assert counts(one, two) == [FAILURES + 1, FAILURES + 2]


async def test_an_answer_that_ends_well_ends_the_row_of_failures() -> None:
    broken = [[BROKEN]] * (FAILURES - 1)
    one = ListedModel("one", *broken, GOOD, *broken)
    caller = Caller(one, chat_retries=0)
    for _ in broken:
        await caller.fail()
    await caller.ask()
    assert caller.health.of("one").error == ""
    for _ in broken:
        await caller.fail()
    assert caller.health.of("one").state == "closed"


async def test_a_model_without_alternatives_is_called_whatever_its_health() -> None:
    one = ListedModel("one", *[[BROKEN]] * FAILURES, GOOD)
    caller = Caller(one, chat_retries=0)
    for _ in range(FAILURES):
        await caller.fail()
    assert caller.health.of("one").state == "open"
    assert await caller.ask() == ("one", list(GOOD))
    assert caller.health.of("one").state == "closed"


async def test_a_call_that_is_cancelled_while_it_waits_is_closed() -> None:
    one = ListedModel("one", [asyncio.Event()])
    task = asyncio.create_task(Caller(one).ask())
    await one.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counts(one) == [1]


async def test_a_call_that_is_cancelled_in_a_pause_is_not_repeated() -> None:
    one = ListedModel("one", *[[BROKEN]] * 5, GOOD)
    caller = Caller(one, chat_retries=5)
    task = asyncio.create_task(caller.ask())
    await caller.paused.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counts(one) == [1]


async def test_a_call_that_is_left_early_is_closed_and_says_nothing_bad() -> None:
    one = ListedModel("one", [TextDelta("a"), asyncio.Event()])
    caller = Caller(one)
    async with caller.calls.answer(one, PROMPT, caller.options_for, REQUESTER) as call:  # pyright: ignore[reportArgumentType]
        assert await anext(call) == TextDelta("a")
    assert counts(one) == [1]
    assert caller.health.of("one").error == ""


async def test_what_an_answer_can_do_without_is_asked_for_once() -> None:
    one, two = ListedModel("one", [BROKEN]), ListedModel("two", GOOD)
    caller = Caller(one, two)
    with pytest.raises(ProviderError):
        async with caller.calls.once(one, PROMPT, CallOptions(), REQUESTER):  # pyright: ignore[reportArgumentType]
            pass
    assert counts(one, two) == [1, 0]


async def test_every_call_keeps_to_the_operators_limits() -> None:
    one = ListedModel("one", [Failure.QUOTA.error("One")], GOOD)
    two = ListedModel("two", GOOD)
    caller = Caller(one, two, chat_max_tokens=100)
    await caller.ask()
    async with caller.calls.once(one, PROMPT, CallOptions(max_tokens=9), REQUESTER):  # pyright: ignore[reportArgumentType]
        pass
    asked = [options.max_tokens for options in (*one.asked, *two.asked)]
    assert asked == [100, 9, 100]


async def test_an_alternative_is_asked_for_what_it_can_do() -> None:
    one, two = ListedModel("one", [Failure.QUOTA.error("One")]), ListedModel("two", GOOD)
    caller = Caller(one, two)
    caller.options = {"one": CallOptions(effort="high"), "two": CallOptions(temperature=0.5)}
    await caller.ask()
    [asked], [asked_instead] = one.asked, two.asked
    assert (asked.effort, asked.temperature) == ("high", None)
    assert (asked_instead.effort, asked_instead.temperature) == (None, 0.5)


def test_no_call_exceeds_what_the_operator_allows() -> None:
    settings = read_settings(
        _env_file=None, chat_max_tokens=100, chat_max_temperature=1, chat_max_effort="low"
    )
    too_much = CallOptions(max_tokens=101, temperature=1.5, effort="xhigh", cache_key="k")
    assert cap_call_options(too_much, settings) == CallOptions(100, 1, "low", cache_key="k")
    little = CallOptions(max_tokens=99, temperature=0.5, effort="minimal")
    assert cap_call_options(little, settings) == little
    assert cap_call_options(CallOptions(), settings) == CallOptions(max_tokens=100)


async def test_an_alternative_answers_within_its_time_when_a_provider_dies() -> None:
    dead, answering = held_open(), streamed(text("a"), finish(), DONE)
    async with serve(dead) as one, serve(answering) as two, serve(held_open(STREAM_HEAD)) as three:
        providers = [
            {"name": name, "base_url": provider.url, "models": ["x"]}
            for name, provider in (("one", one), ("two", two), ("three", three))
        ]
        settings = read_settings(
            _env_file=None,
            embedded_model=False,
            chat_providers=providers,
            chat_first_token_seconds=0.3,
            chat_fallbacks={"one/x": ["three/x", "two/x"]},
        )
        models = Models(settings)
        calls = ModelCalls(models, settings, lambda *_: None).by(allowed_models(models))
        ask = (models.get("one/x"), PROMPT, lambda _: CallOptions(), REQUESTER)
        async with calls.answer(*ask) as call:
            assert (call.model.id, await anext(call)) == ("two/x", TextDelta("a"))
        assert [len(provider.requests) for provider in (one, two, three)] == [1, 1, 1]
        await models.close()


@pytest.mark.parametrize("fallbacks", [{"one": ["nope"]}, {"nope": ["fake"]}, {"*": ["*"]}])
def test_an_alternative_that_is_not_there_stops_the_start(fallbacks: dict[str, list[str]]) -> None:
    settings = read_settings(
        _env_file=None,
        embedded_model=False,
        fake_models=True,
        chat_providers=[{"name": "p", "base_url": "http://localhost:1/v1", "models": ["one"]}],
        chat_fallbacks=fallbacks,
    )
    with pytest.raises(ConfigError, match="CHAT_FALLBACKS: there is no model"):
        Models(settings)


def test_a_star_stands_for_every_model_without_an_entry() -> None:
    models = Models(
        read_settings(
            _env_file=None,
            embedded_model=False,
            fake_models=True,
            chat_fallbacks={"*": ["fake", "fake:think"], "fake:429": []},
        )
    )

    def fallbacks_of(model_id: str) -> list[str]:
        return [model.id for model in models.fallbacks_of(model_id)]

    assert fallbacks_of("fake:drop") == ["fake", "fake:think"]
    assert fallbacks_of("fake") == ["fake:think"]
    assert fallbacks_of("fake:429") == []


def streams_of(source: str) -> set[str]:
    """What a module reaches the `stream` of, by any way of writing it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "stream":
            found.add(ast.unparse(node.value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in LOOKUPS:
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if "stream" in names:
                found.add(ast.unparse(node))
    return found


def test_models_are_called_in_one_module_only() -> None:
    found = {
        (name, owner)
        for path in ROOT.rglob("*.py")
        if not (name := path.relative_to(ROOT).as_posix()).startswith(CALLERS)
        for owner in streams_of(path.read_text())
    }
    assert found == NO_MODELS


@pytest.mark.parametrize(
    "source",
    [
        "async for event in model.stream(prompt): pass",
        "events = aclosing(self._models.default().stream(prompt))",
        "call = partial(model.stream, prompt)",
        "call = getattr(model, 'stream')",
        "call = operator.methodcaller('stream', prompt)",
    ],
)
def test_a_call_elsewhere_is_found_however_it_is_written(source: str) -> None:
    assert streams_of(source)
