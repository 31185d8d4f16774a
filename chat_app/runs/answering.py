"""From a model into the log."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from chat_app.llm.base import Delta, Model, ReasoningDelta, TextDelta, Turn, Usage
from chat_app.runs.log import RunLog
from chat_app.runs.settle import Outcome

EMPTY = "The model sent an empty answer. Try again, or choose another model."

_WAITING_CHARS = 64_000
"""A model further ahead of the disk than this is made to wait."""
_FAIR = 64
"""Deltas after which the event loop gets a turn, however fast the model is."""


async def answer(model: Model, turns: Sequence[Turn], log: RunLog, *, max_tokens: int) -> Outcome:
    """Add a model's answer to a log. Cancelling this closes the connection to the provider.

    Args:
        model: Who answers.
        turns: What it is shown.
        log: Where it goes; not flushed at the end.
        max_tokens: The most tokens to answer with.

    Raises:
        ProviderError: The provider failed; the log has what came before.
        NotSaved: The log could not be written.
    """
    usage: Usage | None = None
    said = False
    # A model's iterator can be closed; only a generator's type says so.
    stream = cast(AsyncGenerator[Delta], model.stream(turns, max_tokens=max_tokens))
    async with aclosing(stream) as deltas:
        count = 0
        async for delta in deltas:
            match delta:
                case TextDelta(text):
                    log.add("text", text)
                    said = said or bool(text)
                case ReasoningDelta(text):
                    log.add("reasoning", text)
                case Usage():
                    usage = delta
            count += 1
            if log.waiting > _WAITING_CHARS:
                await log.flush()
            elif count % _FAIR == 0:
                await asyncio.sleep(0)
    return Outcome("complete", "", usage) if said else Outcome("failed", EMPTY, usage)
