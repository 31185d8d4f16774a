"""The calls of models: every answer and every title is asked for here.

Until the first token nothing of an answer has been shown. So a call that fails before it is
repeated after a pause, and then made to the model's alternatives, in the order of CHAT_FALLBACKS.
After it the answer belongs to its model, and ends where the provider failed. Each outcome counts
for the health of the model, and each call, retries included, for the usage of who asked.

A call is made for a user, and only of a model that is on for them (`model_access`).

No other module outside `llm/` reaches the `stream` of a model; a test reads the source for that.
"""

import asyncio
import random
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.clock import Sleep, retry
from chat_app.core.events import Event, NativeItemAdded, PartAdded, ReasoningDelta, TextDelta, Usage
from chat_app.core.parts import NoticePart, Part, notice_part
from chat_app.llm.base import (
    EFFORTS,
    CallOptions,
    Model,
    PromptMessage,
    ProviderError,
    nearest_effort,
)
from chat_app.llm.errors import ContextTooLong
from chat_app.llm.health import is_request_fault, retry_after
from chat_app.llm.registry import Models
from chat_app.runs.model_access import AllowedModels
from chat_app.settings import Settings
from chat_app.threads.options import allowed_efforts
from chat_app.usage.ledger import CountedCall, Purpose

_PAUSE_SECONDS = 0.5
"""The longest pause before the first retry; it doubles with each further one."""
_MAX_WAIT_SECONDS = 5.0
"""A provider that asks for a longer pause is not called again."""
_MAX_HELD = 64
"""Events without a token that are held back at most, so that they need no memory without bound."""
_FALLBACK = "model_fallback"
"""The code of the notice that an alternative answers."""
_PASSING = frozenset(
    {
        "rate_limited",
        "provider_error",
        "provider_unreachable",
        "cut_off",
        "error_in_stream",
        "malformed_response",
    }
)
"""Message codes of failures that the next attempt may not have."""


@dataclass(frozen=True, slots=True)
class Requester:
    """For whom models are called, and what for: each call counts for the usage of a user.

    Args:
        principal: The user.
        org_id: The organisation of the thread; `PRIVATE` for none.
        purpose: What the calls are for.
        calls: Where each call of a run is noted when it begins: the end of the run adds them to the
            ledger. None where no run is: each is added as it ends.
    """

    principal: Principal
    org_id: UUID
    purpose: Purpose
    calls: list[CountedCall] | None = None


class ModelCall:
    """A call that has begun: an iterator of what the model sends.

    Whoever iterates passes each `Usage` to `count`: to look at every event here would cost each
    token.

    Args:
        model: The model that answers: the one that was asked for, or an alternative.
        held: The events up to the first token.
        stream: The rest.
        counted: What the ledger counts of it.
    """

    def __init__(
        self,
        model: Model,
        held: deque[Event],
        stream: AsyncGenerator[Event],
        counted: CountedCall,
    ) -> None:
        self.model = model
        self.counted = counted
        self._held = held
        self._stream = stream
        self._next = stream.__anext__

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    # no coroutine of its own, which each token would pay for
    def __anext__(self) -> Awaitable[Event]:
        return _ready(self._held.popleft()) if self._held else self._next()

    def count(self, usage: Usage) -> None:
        """The provider has reported the tokens of the call; a later report replaces it."""
        self.counted.usage = usage

    async def aclose(self) -> None:
        """Close the connection to the provider."""
        await self._stream.aclose()


class ModelCalls:
    """Calls models, for users who may call them.

    Args:
        models: The models, their alternatives and their health.
        settings: The retries, and the limits of every call.
        record: Called with who asked, the organisation and each call that belongs to no run, when
            it has ended.
        sleep: Makes the pauses before retries.
        jitter: A random number between two, for the lengths of the pauses: calls that failed
            together are not repeated together.
    """

    def __init__(
        self,
        models: Models,
        settings: Settings,
        record: Callable[[Principal, UUID, CountedCall], None],
        *,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._models = models
        self._settings = settings
        self._record = record
        self._sleep = sleep
        self._jitter = jitter

    def by(self, allowed: AllowedModels) -> "UserCalls":
        """The calls of a user in the chats of an organisation.

        Args:
            allowed: The models that they may call; nothing else is called.
        """
        return UserCalls(self, allowed)

    def can_call(self, model: Model) -> bool:
        """Whether a model is not known to fail just now."""
        return self._models.health.can_call(model.id)

    @asynccontextmanager
    async def _call(
        self,
        allowed: AllowedModels,
        asked: Model,
        prompt: Sequence[PromptMessage],
        options_for: Callable[[Model], CallOptions],
        requester: Requester,
        *,
        is_needed: bool,
    ) -> AsyncGenerator[ModelCall]:
        """Call a model that a user may call, or its alternatives, as far as they may call those.

        Args:
            allowed: The models that the user may call.
            asked: The model.
            prompt: What it gets.
            options_for: What is asked of it.
            requester: For whom.
            is_needed: Whether a failure leads to retries and alternatives.
        """
        if not allowed.allows(asked):
            raise ProviderError("refused", "model_switched_off", model=asked.name)
        candidates, retries = [asked], 0
        if is_needed:
            others = self._models.fallbacks_of(asked.id)
            candidates += [model for model in others if allowed.allows(model)]
            retries = self._settings.chat_retries

        async def begin(model: Model) -> ModelCall:
            options = cap_call_options(options_for(model), self._settings)
            counted = CountedCall(model.id, requester.purpose)
            if requester.calls is not None:
                requester.calls.append(counted)
            try:
                return await _begin(model, prompt, options, counted)
            except BaseException:
                self._ended(requester, counted)
                raise

        call = await self._begin_first(candidates, begin, retries)
        health, model = self._models.health, call.model
        try:
            yield call
        except ProviderError as error:
            call.counted.has_failed = True
            health.failed(model.id, error)
            raise
        else:
            health.succeeded(model.id)
        finally:
            self._ended(requester, call.counted)
            await call.aclose()

    def _ended(self, requester: Requester, call: CountedCall) -> None:
        """Count a call that has ended, but for one of a run: the end of that adds it."""
        if requester.calls is None:
            self._record(requester.principal, requester.org_id, call)

    async def _begin_first(
        self,
        candidates: Sequence[Model],
        begin: Callable[[Model], Awaitable[ModelCall]],
        retries: int,
    ) -> ModelCall:
        """The call of the first candidate that answers; those that are known to fail come last.

        When none does, the failure is that of the model that was asked, unless the prompt was too
        long for an alternative: with a shorter one, it may answer.
        """
        health, asked = self._models.health, candidates[0]
        errors: dict[str, ProviderError] = {}
        for model in sorted(candidates, key=lambda model: not health.can_call(model.id)):
            attempts = retries if health.can_call(model.id) and not model.info.acts else 0
            try:
                return await self._begin_or_retry(model, begin, attempts)
            except ProviderError as error:
                if model is asked and is_request_fault(error):
                    raise
                errors[model.id] = error
        too_long = (error for error in errors.values() if isinstance(error, ContextTooLong))
        raise next(too_long, errors[asked.id])

    async def _begin_or_retry(
        self, model: Model, begin: Callable[[Model], Awaitable[ModelCall]], retries: int
    ) -> ModelCall:
        health = self._models.health
        wait = 0.0

        def should_retry(error: Exception) -> bool:
            nonlocal wait
            if not isinstance(error, ProviderError) or error.message_code not in _PASSING:
                return False
            wait = retry_after(error)
            return wait <= _MAX_WAIT_SECONDS

        pauses = (self._jitter(0.0, _PAUSE_SECONDS * 2**number) for number in range(retries))
        health.started(model.id)
        self._models.prices.preload(model.id)
        try:
            call = await retry(
                partial(begin, model),
                pauses,
                should_retry=should_retry,
                sleep=lambda pause: self._sleep(wait + pause),
            )
        except ProviderError as error:
            health.failed(model.id, error)
            raise
        except BaseException:
            health.cancelled(model.id)
            raise
        health.answering(model.id)
        return call


class UserCalls:
    """Calls models for a user in the chats of an organisation.

    Args:
        calls: Calls models.
        allowed: The models that the user may call, by the rules of one moment: what has begun by
            then goes on when a model is switched off.
    """

    def __init__(self, calls: ModelCalls, allowed: AllowedModels) -> None:
        self._calls = calls
        self._allowed = allowed

    def answer(
        self,
        model: Model,
        prompt: Sequence[PromptMessage],
        options_for: Callable[[Model], CallOptions],
        requester: Requester,
    ) -> AbstractAsyncContextManager[ModelCall]:
        """Call a model, or its alternatives if it fails before its first token.

        An alternative that is off for the user is skipped. Leaving the context closes the
        connection to the provider.

        Args:
            model: The model.
            prompt: What it gets, the oldest message first.
            options_for: What is asked of it, or of an alternative; see `cap_call_options`.
            requester: For whom.

        Raises:
            ContextTooLong: The prompt was too long for the model, or for an alternative when none
                answered.
            ProviderError: The model failed, and so did its alternatives; or it is off.
        """
        return self._calls._call(
            self._allowed, model, prompt, options_for, requester, is_needed=True
        )

    def once(
        self,
        model: Model,
        prompt: Sequence[PromptMessage],
        options: CallOptions,
        requester: Requester,
    ) -> AbstractAsyncContextManager[ModelCall]:
        """Call a model without retries and alternatives, for what an answer can do without.

        Args:
            model: The model.
            prompt: What it gets, the oldest message first.
            options: What is asked of it; see `cap_call_options`.
            requester: For whom.

        Raises:
            ProviderError: The model failed, or is off.
        """
        return self._calls._call(
            self._allowed, model, prompt, lambda _: options, requester, is_needed=False
        )

    def can_call(self, model: Model) -> bool:
        """Whether a model is not known to fail just now."""
        return self._calls.can_call(model)


def cap_call_options(options: CallOptions, settings: Settings) -> CallOptions:
    """What may be asked of a model: what the operator allows of what is asked."""
    most, highest = settings.chat_max_tokens, settings.chat_max_temperature
    efforts = allowed_efforts(EFFORTS, settings)
    return replace(
        options,
        max_tokens=min(options.max_tokens or most, most),
        temperature=None if options.temperature is None else min(options.temperature, highest),
        effort=None if options.effort is None else nearest_effort(options.effort, efforts),
    )


def fallback_notice(asked: Model, answering: Model) -> NoticePart:
    """The notice that an alternative answers in the place of the model that was asked for."""
    return notice_part(
        _FALLBACK,
        before=asked.name,
        after=answering.name,
        before_id=asked.id,
        after_id=answering.id,
    )


def asked_model(parts: Iterable[Part], answered: str) -> str:
    """The id of the model that was asked for an answer.

    Args:
        parts: Of the answer.
        answered: The id of the model that gave it.
    """
    before, after = _last_fallback(parts)
    return before if after == answered else answered


def answering_model(parts: Iterable[Part], asked: str) -> str:
    """The id of the model that gave an answer, or the rest of one, also where its server was lost.

    Args:
        parts: Those that the run added to the answer.
        asked: The id of the model that was asked for them.
    """
    before, after = _last_fallback(parts)
    return after if before == asked else asked


def _last_fallback(parts: Iterable[Part]) -> tuple[str, str]:
    """The ids of the model that was asked for and the one that answered; empty without a notice."""
    found = "", ""
    for part in parts:
        if part["type"] == "notice" and part["code"] == _FALLBACK:
            found = str(part["params"]["before_id"]), str(part["params"]["after_id"])
    return found


async def _ready(event: Event) -> Event:
    return event


async def _begin(
    model: Model, prompt: Sequence[PromptMessage], options: CallOptions, counted: CountedCall
) -> ModelCall:
    """Call a model and wait for its first token, or its end.

    Raises:
        ProviderError: It failed before.
    """
    # a model's iterator can be closed; only a generator's type says so
    stream = cast(AsyncGenerator[Event], model.stream(prompt, options))
    held: deque[Event] = deque()
    try:
        async for event in stream:
            held.append(event)
            if isinstance(event, Usage):
                counted.usage = event
            if _shows_something(event) or len(held) == _MAX_HELD:
                break
    except ProviderError:
        counted.has_failed = True
        raise
    return ModelCall(model, held, stream, counted)


def _shows_something(event: Event) -> bool:
    """Whether an event is of the answer itself, so that no other model can give it any more."""
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            return bool(text)
        case PartAdded(part):
            return part["type"] != "notice"
        case Usage() | NativeItemAdded():
            return False
        case _:
            return True
