"""The prompt of a run: the stored branch as the messages that a model gets."""

from dataclasses import dataclass
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.parts import has_notice
from chat_app.db.engine import Database
from chat_app.llm.base import PromptMessage, fit_context
from chat_app.threads.queries import branch_above

_BATCH = 40
"""Messages read at a time, so that a long thread is not read whole."""
_BATCH_BYTES = 2_000_000
"""The same in bytes; reasoning counts, though it is in no prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model gets, and what was found on the way.

    Args:
        messages: The messages, oldest first.
        trimmed: Whether older messages were left out.
        previous_model: The id of the model of the answer above; empty if there is none.
        notices: The codes of the notices in the answers above that are not repeated.
    """

    messages: tuple[PromptMessage, ...]
    trimmed: bool
    previous_model: str
    notices: frozenset[str]


async def build_prompt(
    db: Database, principal: Principal, leaf: UUID, *, system: str, max_chars: int
) -> Prompt:
    """The messages a model gets: the stored branch, as much of it as fits.

    Args:
        db: The database.
        principal: The owner of the thread.
        leaf: The user's message to answer.
        system: The system prompt; empty for none.
        max_chars: The most characters in all messages together.
    """
    prompt: list[PromptMessage] = []
    notices: set[str] = set()
    previous_model = ""
    remaining = max_chars
    start: UUID | None = leaf
    async with db.read(principal) as session:
        while start is not None and remaining > 0:
            messages = await branch_above(session, start, _BATCH, _BATCH_BYTES)
            for message in messages:
                if message.role == "assistant":
                    previous_model = previous_model or message.model
                    if has_notice(message.parts, "context_trimmed"):
                        notices.add("context_trimmed")
                if message.text and message.role in ("user", "assistant"):
                    remaining -= len(message.text)
                    role = "user" if message.role == "user" else "assistant"
                    prompt.append(PromptMessage(role, message.text))
            start = messages[-1].parent_id
    if system:
        prompt.append(PromptMessage("system", system))
    messages = fit_context(prompt[::-1], max_chars)
    trimmed = start is not None or len(messages) < len(prompt)
    return Prompt(messages, trimmed, previous_model, frozenset(notices))
