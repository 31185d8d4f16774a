"""The calls of models: every answer and every title is asked for here.

No other module outside `llm/` reaches the `stream` of a model; a test reads the source for that. So
what holds for every call has one place.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from chat_app.core.events import Event
from chat_app.llm.base import CallOptions, Model, PromptMessage


def call_model(
    model: Model, prompt: Sequence[PromptMessage], options: CallOptions
) -> AsyncGenerator[Event]:
    """Call a model; see `Model.stream`.

    Args:
        model: The model.
        prompt: What it gets, the oldest message first.
        options: How it is to answer; a provider may send more tokens than the limit.
    """
    # a model's iterator can be closed; only a generator's type says so
    return cast(AsyncGenerator[Event], model.stream(prompt, options))
