"""Sample conversations: fill an account for demos, measurements and tests."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from chat_app.auth.account.disable import find_user
from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock, utc_now
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread

_BATCH = 500
_INTERVAL = timedelta(minutes=20)
_MODEL = "fake"

_TOPICS = (
    "a rainy weekend",
    "sorting a list of names",
    "the history of tea",
    "growing tomatoes on a balcony",
    "prime numbers",
    "a short trip to the coast",
    "reading a large file",
    "learning to juggle",
    "repairing a bicycle",
    "the phases of the moon",
    "writing a polite refusal",
)
_ANSWERS = (
    "Here is a plan for **{topic}**:\n\n1. Begin small.\n2. Write down what you see.\n"
    "3. Stop while it is still fun.\n\n> The first step is the one that counts.",
    "Think of {topic} in three parts.\n\n| Part | Time | Effort |\n| --- | ---: | --- |\n"
    "| Before | 10 min | low |\n| During | 45 min | medium |\n| After | 5 min | low |\n",
    "A little Python helps with {topic}:\n\n```python\ndef steps(items):\n"
    '    """Number the items."""\n'
    '    return [f"{{i}}. {{item}}" for i, item in enumerate(items, 1)]\n'
    "```\n\nCall `steps` with your own list.",
    "### About {topic}\n\n- It is older than most people think.\n- It rewards *patience*.\n"
    "- Nobody does it perfectly.\n\nAsk for more detail on any of these.",
)


async def principal_by_email(db: Database, email: str) -> Principal:
    """A principal for the user with this email, without a sign-in.

    Raises:
        UserNotFound: No user has this email.
        InvalidInput: It is not a valid email.
    """
    return Principal(await find_user(db, email), uuid4())


async def seed_threads(
    db: Database, principal: Principal, count: int, *, messages: int = 2, clock: Clock = utc_now
) -> None:
    """Create threads of questions and answers, 20 minutes apart.

    Args:
        db: The database.
        principal: The owner.
        count: Number of threads.
        messages: Messages of each; a question, an answer, and so on.
        clock: The time of the newest thread.
    """
    now = clock()
    for first in range(0, count, _BATCH):
        conversations = [
            _conversation(principal.user_id, number, messages, now - _INTERVAL * number)
            for number in range(first, min(first + _BATCH, count))
        ]
        await _store(db, principal, conversations)


async def seed_messages(
    db: Database, principal: Principal, count: int, *, clock: Clock = utc_now
) -> UUID:
    """Create one thread with alternating questions and answers.

    Args:
        db: The database.
        principal: The owner.
        count: Number of messages.
        clock: The time of the last message.

    Returns:
        The id of the thread.
    """
    thread, messages = _conversation(principal.user_id, 0, count, clock())
    thread.title = f"A thread of {count} messages"
    await _store(db, principal, [(thread, messages)])
    return thread.id


def _conversation(
    owner_id: UUID, number: int, count: int, ended_at: datetime
) -> tuple[Thread, list[Message]]:
    """A thread with one branch of messages, a second apart; the last one is its head."""
    topic = _TOPICS[number % len(_TOPICS)]
    title = f"{topic[0].upper()}{topic[1:]}, part {number // len(_TOPICS) + 1}"
    thread = Thread(owner_id=owner_id, title=title, title_origin="model", model=_MODEL)
    rows: list[Message] = []
    for index in range(count):
        exchange = number + index // 2
        topic = _TOPICS[exchange % len(_TOPICS)]
        is_user = index % 2 == 0
        text = (
            f"What should I know about {topic}? (question {index // 2 + 1})"
            if is_user
            else _ANSWERS[exchange % len(_ANSWERS)].format(topic=topic)
        )
        rows.append(
            Message(
                owner_id=owner_id,
                thread_id=thread.id,
                parent_id=rows[-1].id if rows else None,
                role="user" if is_user else "assistant",
                parts=[{"type": "text", "text": text}],
                model="" if is_user else _MODEL,
                created_at=ended_at - timedelta(seconds=count - 1 - index),
            )
        )
    thread.head_id = rows[-1].id if rows else None
    thread.created_at = rows[0].created_at if rows else ended_at
    thread.updated_at = ended_at
    return thread, rows


async def _store(
    db: Database, principal: Principal, conversations: list[tuple[Thread, list[Message]]]
) -> None:
    # A row references earlier rows, so the order of the lists is the order of the inserts.
    messages = [message for _, rows in conversations for message in rows]
    async with db.write(principal) as session:
        session.add_all([thread for thread, _ in conversations])
        await session.flush()
        for first in range(0, len(messages), _BATCH):
            session.add_all(messages[first : first + _BATCH])
            await session.flush()
