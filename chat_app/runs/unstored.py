"""Answers that are stored nowhere: their client has the conversation, and sends all of it."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.errors import RateLimited
from chat_app.core.events import Event, Finish, PartLocator, Usage
from chat_app.db.tables import PRIVATE
from chat_app.llm.base import CallOptions, Model, PromptMessage
from chat_app.runs.calls import ModelCall, ModelCalls, Requester
from chat_app.runs.create import RUNS_RETRY_SECONDS
from chat_app.runs.model_access import ModelAccess
from chat_app.runs.size_limit import SizeLimit
from chat_app.settings import Settings
from chat_app.threads.user_limits import UserLimits


@dataclass(frozen=True, slots=True)
class UnstoredAnswer:
    """An answer that has begun.

    Args:
        model: The model that answers: the one that was asked, or an alternative.
        events: What it sends, as much as fits into an answer.
    """

    model: Model
    events: AsyncGenerator[Event]


class UnstoredAnswers:
    """Answers prompts of programs; they count like messages and runs, and together with them.

    Args:
        calls: Calls the models.
        limits: How many messages a user may send.
        settings: How many answers may run for a user, and how long one may be.
        count_runs: How many runs of a user are active.
        access: Finds the models that users may call.
    """

    def __init__(
        self,
        calls: ModelCalls,
        limits: UserLimits,
        settings: Settings,
        count_runs: Callable[[UUID], int],
        access: ModelAccess,
    ) -> None:
        self._calls = calls
        self._limits = limits
        self._settings = settings
        self._count_runs = count_runs
        self._access = access
        self._active: Counter[UUID] = Counter()

    def count(self, user_id: UUID) -> int:
        """How many of these answers are running for a user."""
        return self._active[user_id]

    @asynccontextmanager
    async def answer(
        self,
        principal: Principal,
        model: Model,
        prompt: Sequence[PromptMessage],
        options: CallOptions,
    ) -> AsyncGenerator[UnstoredAnswer]:
        """Ask a model. Leaving the context closes the connection to the provider.

        Args:
            principal: The user.
            model: The model.
            prompt: What it gets, the oldest message first.
            options: How to answer; the operator's caps apply.

        Raises:
            RateLimited: Too many answers are running, or too many messages were sent.
            ContextTooLong: The prompt is too long for the model.
            ProviderError: The model failed, and so did its alternatives; or it is off.
        """
        user = principal.user_id
        running = self._active[user] + self._count_runs(user)
        if running >= self._settings.runs_per_user:
            raise RateLimited(
                f"{running} answers are running, which is the limit. Wait for one to finish.",
                RUNS_RETRY_SECONDS,
            )
        self._active[user] += 1
        try:
            async with self._limits.call(user):
                pass
            calls = self._calls.by(await self._access.of(principal))
            requester = Requester(principal, PRIVATE, "api")
            async with calls.answer(model, prompt, lambda _: options, requester) as call:
                yield UnstoredAnswer(call.model, _fitting(call, self._settings.answer_bytes))
        finally:
            self._active[user] -= 1
            if not self._active[user]:
                del self._active[user]


async def _fitting(call: ModelCall, max_bytes: int) -> AsyncGenerator[Event]:
    """What fits of an answer; one that is cut off ends with the reason `size`."""
    size, locator, parts = SizeLimit(max_bytes), PartLocator(), 0
    async for event in call:
        index = locator.locate(event)
        begins_part = index == parts
        parts += begins_part
        if index is None and isinstance(event, Usage):
            call.count(event)
        fitting = size.fit(event, begins_part=begins_part)
        if fitting is not None:
            yield fitting
        if size.is_exceeded:
            yield Finish("size")
            return
