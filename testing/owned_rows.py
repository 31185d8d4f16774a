"""Users in a database, each with a row of their own in every table of users' rows."""

# pyright: reportCallIssue=false
# A row gets its `owner_id` from the scoped session, not from its constructor.

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.db.engine import Database
from chat_app.db.tables import (
    PRIVATE,
    Announcement,
    AnnouncementDismissal,
    ChatDefaults,
    ClientReport,
    Message,
    ReadingGrant,
    Run,
    RunEvent,
    Thread,
    ThreadReading,
    UsageLedger,
    User,
)


@dataclass(frozen=True)
class Person:
    """A principal and the ids of what it owns."""

    principal: Principal
    thread_id: UUID
    message_id: UUID
    run_id: UUID


async def make_person(db: Database, name: str) -> Person:
    """Store a person whose every row carries their name."""
    user = User(email=f"{name}@chat.example", name=name)
    announcement = Announcement(text=f"{name} announcement")
    async with db.system("auth", write=True) as session:
        session.add_all([user, announcement])
    principal = Principal(user.id, uuid4())
    thread = Thread(title=f"{name} thread")
    message = Message(
        thread_id=thread.id, role="user", parts=[{"type": "text", "text": f"{name} text"}]
    )
    run = Run(
        thread_id=thread.id,
        message_id=message.id,
        session_id=principal.credential_id,
        model=f"{name} model",
    )
    event = RunEvent(run_id=run.id, seq=1, kind="text", payload=f"{name} event")
    defaults = ChatDefaults(options={"instructions": f"{name} instructions"})
    report = ClientReport(
        kind="run", thread_id=thread.id, content={"output_text": f"{name} report"}, size=100
    )
    usage = UsageLedger(
        day=date(2026, 1, 1), org_id=PRIVATE, model=f"{name} model", purpose="answer", calls=1
    )
    dismissal = AnnouncementDismissal(announcement_id=announcement.id, version=1)
    async with db.write(principal) as session:
        for row in (thread, message, run, event, defaults, report, usage, dismissal):
            session.add(row)
            await session.flush()
    now = utc_now()
    grant = ReadingGrant(
        owner_id=user.id,
        reader_name=f"{name} reader",
        reader_email=f"{name}.reader@example.org",
        role="admin",
        session_id=uuid4(),
        reason=f"{name} reason",
        created_at=now,
        until=now + timedelta(hours=1),
    )
    reading = ThreadReading(
        grant_id=grant.id,
        thread_id=thread.id,
        owner_id=user.id,
        first_read_at=now,
        last_read_at=now,
    )
    async with db.system("grants", write=True) as session:
        session.add(grant)
        await session.flush()
        session.add(reading)
    return Person(principal, thread.id, message.id, run.id)
