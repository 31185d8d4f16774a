"""Sample conversations: fixed, so that the pictures stay the same."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.db.engine import Database
from chat_app.db.tables import Message, Thread
from chat_app.seed import principal_by_email
from chat_app.settings import read_settings

Talk = tuple[str, ...]

TIDES = (
    "Why are there two high tides a day, and not just one?",
    """\
Because the Earth is stretched on **both** sides at once.

The Moon pulls harder on the near side of the Earth than on its centre, and harder on the centre \
than on the far side. What matters for the tides is only this *difference*:

1. **Facing the Moon**, the water is pulled ahead of the Earth: a bulge.
2. **On the far side**, the Earth is pulled ahead of the water: a second bulge.

The Earth turns underneath, so most coasts pass through both in a little over a day.

| Tide | When it happens | Range |
| --- | --- | ---: |
| Spring tide | full and new moon | large |
| Neap tide | half moon | small |
""",
    "Nice. Can you show me how to work out the time of the next one?",
    """\
A good first guess needs a single number: the Moon comes back to the same place in the sky after \
24 hours and 50 minutes, so two high tides lie half of that apart.

```python
from datetime import datetime, timedelta

BETWEEN_TIDES = timedelta(hours=12, minutes=25)

def next_high_tide(last: datetime, now: datetime) -> datetime:
    \"\"\"Count on from a high tide that somebody saw.\"\"\"
    passed = (now - last) // BETWEEN_TIDES
    return last + (passed + 1) * BETWEEN_TIDES
```

Bays and river mouths shift it by up to an hour, so check it against the local table once.
""",
)

COVER = (
    "How do I work out the time of the next high tide?",
    """\
The Moon comes back to the same place in the sky after **24 hours and 50 minutes**, and there are \
two high tides in that time. So count on in steps of half of it:

```python
from datetime import datetime, timedelta

BETWEEN_TIDES = timedelta(hours=12, minutes=25)

def next_high_tide(last: datetime, now: datetime) -> datetime:
    \"\"\"Count on from a high tide that somebody saw.\"\"\"
    passed = (now - last) // BETWEEN_TIDES
    return last + (passed + 1) * BETWEEN_TIDES
```

Bays and river mouths shift it by up to an hour:

- compare it with the local table *once*,
- then add the difference every time.
""",
)

_OTHERS: tuple[tuple[str, float], ...] = (
    ("A birthday dinner for six", 3),
    ("Polite ways to say no", 5),
    ("Grouping words by their anagrams", 26),
    ("Sourdough that does not rise", 29),
    ("Three days in Lisbon", 31),
    ("What a mortgage really costs", 70),
    ("Learning to read music", 95),
    ("Tomatoes on a north balcony", 120),
    ("A letter to the landlord", 170),
    ("Regular expressions, gently", 200),
    ("Names for a grey cat", 260),
)

WIDE = "\n".join(
    [
        "Here is the whole year in one table.\n",
        "| Town | " + " | ".join(f"Month {n}" for n in range(1, 13)) + " | Remark |",
        "| --- |" + " ---: |" * 12 + " --- |",
        *(
            f"| {town} | "
            + " | ".join(f"{(row * 7 + n * 13) % 31 + 1}.{n % 10} °C" for n in range(1, 13))
            + " | measured at the harbour, in the shade, at noon |"
            for row, town in enumerate(("Aberdeen", "Bergen", "Cuxhaven", "Den Helder", "Esbjerg"))
        ),
        "\nThe numbers are averages.",
    ]
)
CODE = "Three hundred lines:\n\n```python\n{}\n```\n\nThat was all of it.".format(
    "\n".join(
        f"def step_{n}(value: int) -> int:\n    return value + {n}  # number {n}\n"
        for n in range(100)
    )
)
TASKS = """\
A short list for tomorrow:

- [x] Buy flour, water and *patience*
- [ ] Feed the starter **twice**
- [ ] Bake before noon

> The first step is the one that counts.

Then read <https://example.org/a/very/long/address/that/does/not/end/for/a/long/time/at/all> and \
rest.
"""
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 12


async def tell(data: Path, email: str, title: str, talk: Talk, *, hours_ago: float = 0) -> UUID:
    """Put one conversation into a user's account.

    Args:
        data: The data folder of the program.
        email: Whose account.
        title: The thread's title.
        talk: Question, answer, question, answer.
        hours_ago: When its last message was.

    Returns:
        The thread.
    """
    database = Database(read_settings(data_dir=data).sqlalchemy_url)
    try:
        who = await principal_by_email(database, email)
        return await _store(database, who, title, talk, hours_ago)
    finally:
        await database.close()


async def tell_all(data: Path, email: str) -> UUID:
    """Fill an account with a list of some days; the thread worth reading comes first."""
    for title, hours in reversed(_OTHERS):
        await tell(data, email, title, (title, "Let us begin."), hours_ago=hours)
    return await tell(data, email, "Why there are two high tides", TIDES)


async def _store(
    database: Database, who: Principal, title: str, talk: Talk, hours_ago: float
) -> UUID:
    end = utc_now() - timedelta(hours=hours_ago)
    thread = Thread(owner_id=who.user_id, title=title, title_origin="model", model="")
    rows: list[Message] = []
    for place, text in enumerate(talk):
        rows.append(
            Message(
                owner_id=who.user_id,
                thread_id=thread.id,
                parent_id=rows[-1].id if rows else None,
                role="assistant" if place % 2 else "user",
                parts=[{"type": "text", "text": text}],
                created_at=end - timedelta(seconds=20 * (len(talk) - place)),
            )
        )
    thread.head_id = rows[-1].id
    thread.created_at, thread.updated_at = rows[0].created_at, end
    async with database.write(who) as session:
        session.add(thread)
        await session.flush()
        session.add_all(rows)
    return thread.id
