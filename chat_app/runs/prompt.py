"""The prompt of a run: the stored branch as the messages that a model gets."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.parts import has_notice
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import BRANCH_OF_PROMPT
from chat_app.llm.base import PromptMessage, fit_context, text_message
from chat_app.runs.calls import asked_model

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
        previous_model: The id of the model that was asked for the answer above; empty for none.
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
    return await db.query(principal, partial(_read_prompt, leaf, system, max_chars))


def _read_prompt(leaf: UUID, system: str, max_chars: int, transaction: Transaction) -> Prompt:
    prompt: list[PromptMessage] = []
    notices: set[str] = set()
    previous_model = ""
    remaining = max_chars
    start: UUID | None = leaf
    while start is not None and remaining > 0:
        messages = transaction.all(
            BRANCH_OF_PROMPT, leaf=start, limit=_BATCH, max_bytes=_BATCH_BYTES
        )
        if not messages:
            break
        start = messages[-1][0]
        for _, message_id, role, parts, status, model, native in messages:
            if role == "assistant":
                previous_model = previous_model or asked_model(parts, model)
                if has_notice(parts, "context_trimmed"):
                    notices.add("context_trimmed")
            if role in ("user", "assistant"):
                message = PromptMessage(
                    role, tuple(parts), status, model, tuple(native or ()), message_id
                )
                remaining -= message.size
                prompt.append(message)
    if system:
        prompt.append(text_message("system", system))
    fitting = fit_context(prompt[::-1], max_chars)
    trimmed = start is not None or len(fitting) < len(prompt)
    return Prompt(fitting, trimmed, previous_model, frozenset(notices))
