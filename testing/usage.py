"""Rows of the usage ledger, without the calls that they would come from."""

from datetime import date
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.tables import PRIVATE, UsageLedger


async def add_usage(
    db: Database,
    who: Principal,
    day: date,
    *,
    model: str = "fake:50x0",
    purpose: str = "answer",
    org_id: UUID = PRIVATE,
    calls: int = 1,
    **counts: int,
) -> None:
    """Store a row of a user."""
    row = UsageLedger(
        owner_id=who.user_id, day=day, org_id=org_id, model=model, purpose=purpose, calls=calls
    )
    for name, count in counts.items():
        setattr(row, name, count)
    async with db.write(who) as session:
        session.add(row)
