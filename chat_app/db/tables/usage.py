"""The table of the usage ledger."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from chat_app.db.tables.base import Owned

NO_USER = UUID(int=0)
"""The `owner_id` of what deleted accounts have used."""


class UsageLedger(Owned, table=True):
    """What calls of models took: a row for each UTC day, user, organisation, model and purpose.

    It names no table, so it outlives threads and organisations; what a deleted account took is
    added to the rows of `NO_USER`. `purpose` is a `usage.ledger.Purpose`. Tokens are those that
    providers have reported; `unreported_calls` is how many of the calls they reported none of.
    """

    __table_args__ = (Index("ix_usage_ledger_day", "day"),)

    owner_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    org_id: UUID = Field(primary_key=True)
    model: str = Field(max_length=200, primary_key=True)
    purpose: str = Field(max_length=20, primary_key=True)
    calls: int = Field(default=0, sa_type=BigInteger)
    failed_calls: int = Field(default=0, sa_type=BigInteger)
    unreported_calls: int = Field(default=0, sa_type=BigInteger)
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    cached_input_tokens: int = Field(default=0, sa_type=BigInteger)
    reasoning_tokens: int = Field(default=0, sa_type=BigInteger)
