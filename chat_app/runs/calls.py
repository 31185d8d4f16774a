"""The calls of models: every answer and every title is asked for here.

No other module outside `llm/` reaches the `stream` of a model; a test reads the source for that. So
what holds for every call has one place.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from chat_app.core.events import Event
from chat_app.llm.base import Model, PromptMessage


def call_model(
    model: Model, prompt: Sequence[PromptMessage], *, max_tokens: int
) -> AsyncGenerator[Event]:
    """Call a model; see `Model.stream`.

    Args:
        model: The model.
        prompt: What it gets, the oldest message first.
        max_tokens: The most tokens to answer with; a provider may send more.
    """
    # a model's iterator can be closed; only a generator's type says so
    return cast(AsyncGenerator[Event], model.stream(prompt, max_tokens=max_tokens))
