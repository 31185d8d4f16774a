"""The prompt of a run: the stored branch as the messages that a model gets.

A summary in the branch stands for the messages above the one that it names; they are not read.
An answer that a program appended is sent to no model: no model said so.
"""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.parts import SummaryPart, summary_of
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import BRANCH_OF_PROMPT, SHORT_BRANCH_OF_PROMPT
from chat_app.llm.base import PromptMessage
from chat_app.runs.calls import asked_model

_BATCH = 40
"""Messages read at a time, so that what a summary covers is hardly read."""
_BATCH_BYTES = 2_000_000
"""The same in bytes; reasoning counts, though it is in no prompt."""
_MAX_BYTES = 8_000_000
"""What is above so much text is covered by the next summary without being read."""
_SHORT_BYTES = 32_000
"""How many bytes are read at most in a transaction that writes: other writers wait for its end."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A stored branch, as far as a model needs it.

    Args:
        messages: The messages that no summary covers, the oldest first.
        summary: What stands for those above; None if that is nothing.
        previous_model: The id of the model that was asked for the answer above, or that gave the
            answer to continue; empty for none.
    """

    messages: tuple[PromptMessage, ...]
    summary: SummaryPart | None
    previous_model: str


async def read_prompt(db: Database, principal: Principal, leaf: UUID) -> StoredPrompt:
    """Read the branch of a message, up to the newest summary or the root.

    Args:
        db: The database.
        principal: The owner of the thread.
        leaf: The message to answer, or the answer to continue.
    """
    prompt, _ = await db.query(principal, partial(_read, leaf))
    return prompt


def read_short_prompt(transaction: Transaction, leaf: UUID) -> StoredPrompt | None:
    """Read a short branch within a transaction; None for one with more than `_SHORT_BYTES`.

    Args:
        transaction: Restricted to the owner of the thread.
        leaf: The message to answer, or the answer to continue.
    """
    prompt, is_whole = _read(leaf, transaction, is_short=True)
    return prompt if is_whole else None


def _read(
    leaf: UUID, transaction: Transaction, *, is_short: bool = False
) -> tuple[StoredPrompt, bool]:
    """The prompt, and whether that is all of it: with `is_short`, only one batch is read."""
    statement, max_bytes = BRANCH_OF_PROMPT, _BATCH_BYTES
    if is_short:
        statement, max_bytes = SHORT_BRANCH_OF_PROMPT, _SHORT_BYTES
    prompt: list[PromptMessage] = []
    summary: SummaryPart | None = None
    previous_model, until, size = "", None, 0
    start: UUID | None = leaf
    while start is not None and start != until and size < _MAX_BYTES:
        messages = transaction.all(statement, leaf=start, limit=_BATCH, max_bytes=max_bytes)
        if not messages:
            break
        start = messages[-1][0]
        for _, message_id, role, parts, status, model, native, origin in messages:
            if summary is None and (summary := summary_of(parts)):
                until = UUID(summary["until"])
            is_invented = role == "assistant" and origin == "client"
            if role == "assistant" and not is_invented:
                asked = model if message_id == leaf else asked_model(parts, model)
                previous_model = previous_model or asked
            if message_id == until:
                start = None
                break
            if role in ("user", "assistant") and not is_invented:
                # only an answer that is continued can be running
                status = "stopped" if status == "running" else status
                message = PromptMessage(
                    role, tuple(parts), status, model, tuple(native or ()), message_id
                )
                size += message.size
                prompt.append(message)
        if is_short:
            break
    is_whole = start is None or start == until
    return StoredPrompt(tuple(prompt[::-1]), summary, previous_model), is_whole
