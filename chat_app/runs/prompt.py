"""What a model is shown: the server's own record of the branch, never the client's."""

from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.llm.base import PromptMessage, fit_context
from chat_app.threads.queries import branch_above

_STEP = 40
"""Messages read at a time, so that a long thread is not read whole."""


async def build_prompt(
    db: Database, principal: Principal, leaf: UUID, *, system: str, max_chars: int
) -> tuple[PromptMessage, ...]:
    """The conversation that ends with a question, oldest turn first, as much as fits.

    Args:
        db: The database.
        principal: Whose it is.
        leaf: The question.
        system: What is said to the model before it; empty for nothing.
        max_chars: The most characters in all turns together.
    """
    talk: list[PromptMessage] = []
    room = max_chars
    start: UUID | None = leaf
    async with db.read(principal) as session:
        while start is not None and room > 0:
            messages = await branch_above(session, start, _STEP)
            for message in messages:
                text = message.text
                if text and message.role in ("user", "assistant"):
                    room -= len(text)
                    talk.append(
                        PromptMessage("user" if message.role == "user" else "assistant", text)
                    )
            start = messages[-1].parent_id if len(messages) == _STEP else None
    talk.reverse()
    head = (PromptMessage("system", system),) if system else ()
    return fit_context((*head, *talk), max_chars)
