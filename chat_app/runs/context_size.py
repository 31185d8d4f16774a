"""How much of a model's context window a conversation uses, and how much of it may be sent.

The figure is that of the last answer: what its provider has counted, and an estimate for what came
after. So it costs the same however long the conversation is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal
from uuid import UUID

from cachetools import LRUCache

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.core.events import Usage
from chat_app.core.parts import Part, SummaryPart, summary_of
from chat_app.db.engine import Database
from chat_app.db.tables import ACTIVE
from chat_app.llm.base import Model, text_message
from chat_app.llm.registry import Models
from chat_app.runs.compact import summary_message, to_cover
from chat_app.runs.context import TokenRates, message_size, parts_size, prompt_limit
from chat_app.runs.follow import run_metrics, runs_of
from chat_app.runs.prompt import StoredPrompt, read_prompt
from chat_app.settings import Settings
from chat_app.threads.options import NO_OPTIONS, system_prompt
from chat_app.threads.queries import thread_row
from chat_app.threads.views import MessageView, Window

_NEAR = 0.85
"""The share of what is sent at most from which a summary is near."""
_BRANCHES = 10_000
"""Branches whose size is kept, because no provider has counted them."""

Level = Literal["", "near", "full"]
"""Whether older messages are summarised soon, or at the next question."""


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """How much of the context window a branch uses, in tokens.

    Args:
        used: By the branch, as far as it is sent.
        limit: How much is sent at most; beyond it, older messages are summarised.
        whole: What `used` is a share of: the window of the model, or `limit` where the window is
            not known or the operator's limit is lower.
        is_window: Whether `whole` is the window.
        is_estimate: Whether no provider has counted `used`.
    """

    used: int
    limit: int
    whole: int
    is_window: bool
    is_estimate: bool

    @property
    def level(self) -> Level:
        """Whether older messages are summarised soon, or at the next question."""
        if self.used >= self.limit:
            return "full"
        return "near" if self.used >= _NEAR * self.limit else ""


@dataclass(frozen=True, slots=True)
class SummaryOutlook:
    """What a summary stands for, and what another one could.

    Args:
        summarized: How many messages a summary covers.
        can_summarize: Whether there are older messages that are worth another one.
    """

    summarized: int
    can_summarize: bool


class ContextSizes:
    """How much of conversations is sent to models, and how much there is of them.

    Args:
        db: The database.
        models: The models, for their windows.
        settings: The limits.
    """

    def __init__(self, db: Database, models: Models, settings: Settings) -> None:
        self._db = db
        self._models = models
        self._settings = settings
        self._rates = TokenRates()
        self._sizes: LRUCache[tuple[UUID, int, int], int] = LRUCache(_BRANCHES)

    async def prompt_limit(self, model: Model) -> int:
        """The most bytes that the messages of a call of a model may have."""
        return prompt_limit(
            await self._models.context_window(model),
            self._rates.bytes_per_token(model.id),
            max_tokens=self._settings.chat_max_tokens,
            max_bytes=self._settings.chat_context_chars,
        )

    def observe(self, model: Model, prompt_bytes: int, usage: Usage) -> None:
        """Learn from the usage of a call how many bytes a token of a model has.

        Args:
            model: The model.
            prompt_bytes: The size of what was sent.
            usage: What the provider counted.
        """
        self._rates.observe(model.id, prompt_bytes, usage.input_tokens)

    async def usage(
        self, principal: Principal, window: Window, model: Model
    ) -> ContextUsage | None:
        """How much of the window of a model the branch uses that a window of messages ends.

        Args:
            principal: The owner.
            window: The newest messages of the thread.
            model: The model that is to answer next.

        Returns:
            None when there are no messages.
        """
        messages = window.messages
        if not messages:
            return None
        rate = self._rates.bytes_per_token(model.id)
        tokens, size = await self._measure(principal, messages)
        if not tokens:
            system = system_prompt(window.thread.options or NO_OPTIONS, self._settings)
            size += message_size(text_message("system", system)) if system else 0
        limit = await self.prompt_limit(model)
        most = math.floor(limit / rate)
        known = self._models.known_window(model)
        is_window = known is not None and limit >= prompt_limit(
            known, rate, max_tokens=self._settings.chat_max_tokens
        )
        return ContextUsage(
            used=tokens + math.ceil(size / rate),
            limit=most,
            whole=known if is_window and known is not None else most,
            is_window=is_window,
            is_estimate=not tokens,
        )

    async def outlook(self, principal: Principal, thread_id: UUID) -> SummaryOutlook:
        """What is summarised of a thread, and what could be. Reads what the next prompt has.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
        """
        _, stored = await self._read(principal, thread_id)
        if stored is None:
            return SummaryOutlook(0, can_summarize=False)
        summarized = stored.summary["count"] if stored.summary else 0
        can_summarize = bool(to_cover(stored)) and stored.messages[-1].role == "assistant"
        return SummaryOutlook(summarized, can_summarize)

    async def answer_to_compact(self, principal: Principal, thread_id: UUID) -> UUID:
        """The last answer of a thread, which gets a summary of the messages above its question.

        Raises:
            NotFound: The thread is missing, foreign or deleted.
            InvalidInput: There is nothing to summarize.
        """
        head, stored = await self._read(principal, thread_id)
        if head is None or stored is None or not to_cover(stored):
            raise InvalidInput("There are no older messages to summarize yet.")
        return head

    async def _read(
        self, principal: Principal, thread_id: UUID
    ) -> tuple[UUID | None, StoredPrompt | None]:
        async with self._db.read(principal) as session:
            head = (await thread_row(session, thread_id)).head_id
        return head, None if head is None else await read_prompt(self._db, principal, head)

    async def _measure(
        self, principal: Principal, messages: Sequence[MessageView]
    ) -> tuple[int, int]:
        """The tokens that a provider has counted, and the bytes of what no provider has counted.

        Args:
            principal: The owner.
            messages: The newest of the branch, the oldest first; at least one.
        """
        counted = await self._counted(principal, messages)
        found = self._walk(messages, counted)
        if found is not None:
            return found
        # no provider has counted it: read it once, and keep what that has told
        settled = [message for message in messages if message.status not in ACTIVE]
        if not settled:
            return 0, 0
        stored = await read_prompt(self._db, principal, settled[-1].id)
        size = sum(map(message_size, stored.messages)) + _summary_size(stored.summary)
        self._sizes[_key(settled[-1])] = size
        return 0, size + sum(
            parts_size(message.parts) for message in messages[messages.index(settled[-1]) + 1 :]
        )

    async def _counted(
        self, principal: Principal, messages: Sequence[MessageView]
    ) -> dict[UUID, int]:
        """The tokens of the prompts and of the answers whose last run has reported them."""
        answers = [message.id for message in messages if message.role == "assistant"]
        async with self._db.read(principal) as session:
            last = {run.message_id: run for run in await runs_of(session, answers)}
        reported = {message_id: run_metrics(run).usage for message_id, run in last.items()}
        return {
            message_id: usage.input_tokens + usage.output_tokens
            for message_id, usage in reported.items()
            if usage is not None
        }

    def _walk(
        self, messages: Sequence[MessageView], counted: Mapping[UUID, int]
    ) -> tuple[int, int] | None:
        """What `_measure` returns, if these messages tell it."""
        size, until = 0, None
        for message in reversed(messages):
            if str(message.id) == until:
                return 0, size
            if until is None:
                summary = summary_of(message.parts)
                if message.id in counted and (summary is None or _is_answered(message.parts)):
                    return counted[message.id], size
                if (known := self._sizes.get(_key(message))) is not None:
                    return 0, size + known
                if summary is not None:
                    until = summary["until"]
                    size += _summary_size(summary)
            if message.role != "assistant" or message.origin != "client":
                size += parts_size(message.parts)
        return None if messages[0].parent_id is not None else (0, size)


def _is_answered(parts: Sequence[Part]) -> bool:
    """Whether the last summary was in the prompt of the answer, as some of that follows it."""
    after = takewhile(lambda kind: kind != "summary", (part["type"] for part in reversed(parts)))
    return any(kind != "notice" for kind in after)


def _summary_size(summary: SummaryPart | None) -> int:
    return 0 if summary is None else message_size(summary_message(summary["text"]))


def _key(message: MessageView) -> tuple[UUID, int, int]:
    """Names a branch by its last message, as long as that does not change."""
    return message.id, len(message.parts), len(message.text)
