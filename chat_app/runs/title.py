"""Asking a model what to call a thread."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.db.tables import Message, Thread
from chat_app.llm.base import Model, TextDelta, Turn
from chat_app.threads.parts import text_of
from chat_app.threads.titles import AUTOMATIC_LENGTH, cleaned

_SYSTEM = "You give conversations a short title."
_ASK = (
    "Write a title of two to five words for a conversation that begins with the message below. "
    "Answer with the title only.\n\n"
)
_SHOWN = 1_000
"""Characters of the message that the model is shown."""
_MAX_TOKENS = 24


async def untitled_question(
    session: AsyncSession, thread_id: UUID, question_id: UUID
) -> str | None:
    """The text to name a thread after, when it is the thread's first and nobody has named it.

    Args:
        session: A session that sees the thread.
        thread_id: The thread.
        question_id: The message that was just answered.
    """
    thread = await session.get(Thread, thread_id)
    question = await session.get(Message, question_id)
    if thread is None or question is None:
        return None
    wanted = thread.title_origin == "start" and thread.deleted_at is None
    return text_of(question.parts) if wanted and question.parent_id is None else None


async def suggested_title(model: Model, question: str) -> str | None:
    """What a model would call a conversation, or None when it says nothing usable.

    Args:
        model: Who is asked.
        question: The first message of the conversation.

    Raises:
        ProviderError: The provider failed.
    """
    said = ""
    async for delta in model.stream(_turns(question), max_tokens=_MAX_TOKENS):
        if isinstance(delta, TextDelta) and len(said) <= 4 * AUTOMATIC_LENGTH:
            said += delta.text
    return cleaned(said)


def _turns(question: str) -> Sequence[Turn]:
    return Turn("system", _SYSTEM), Turn("user", _ASK + question[:_SHOWN])
