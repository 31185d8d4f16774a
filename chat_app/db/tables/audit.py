"""The tables of the audit log, and the triggers that keep its sealed rows."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Connection,
    Identity,
    Index,
    UniqueConstraint,
    event,
    insert,
)
from sqlmodel import Field

from chat_app.db.tables.base import LARGE, Owned, Table, metadata, partial_index
from chat_app.db.tables.users import User


class AuditEvent(Table, table=True):
    """An entry of the audit log: who did what to whom, and from where. See `chat_app.audit`.

    It names no table, so it outlives what it is about. `actor` is the `AuditIdentity` of a user or
    a word such as `system`, `subject` the same or the id of a row; `network` is the /24 or the /64
    of the client; `details` is canonical JSON. The last four columns are empty until one writer
    seals the row; triggers refuse a new row that has a seal, and a change of a sealed one. `seq`
    counts sealed rows without a gap, `seal` is made with the key `key_id`, and `anchor_seal` with
    the key before it, in the one row that a change of keys writes.
    """

    __table_args__ = (
        UniqueConstraint("seq"),
        Index("ix_audit_event_action_id", "action", "id"),
        Index("ix_audit_event_actor_id", "actor", "id"),
        Index("ix_audit_event_subject_id", "subject", "id"),
        Index("ix_audit_event_org_id_id", "org_id", "id"),
        partial_index("ix_audit_event_unsealed", "id", where="seal IS NULL"),
    )

    # in the order in which the rows were written
    id: int | None = Field(
        default=None,
        sa_column=Column(LARGE, Identity(), primary_key=True),
    )
    at: datetime
    action: str = Field(max_length=40)
    actor: str = Field(max_length=40)
    subject_kind: str = Field(default="", max_length=20)
    subject: str = Field(default="", max_length=40)
    org_id: UUID | None = None
    network: str = Field(default="", max_length=50)
    request_id: str = Field(default="", max_length=100)
    details: str = ""
    seq: int | None = Field(default=None, sa_type=BigInteger)
    seal: str | None = Field(default=None, max_length=64)
    key_id: str | None = Field(default=None, max_length=16)
    anchor_seal: str | None = Field(default=None, max_length=64)


_REFUSED = "A sealed row of the audit log cannot be changed."
_PRESEALED = "A row of the audit log is added without a seal."
_HAS_SEAL = "coalesce(new.seal, new.key_id, new.anchor_seal) IS NOT NULL OR new.seq IS NOT NULL"
_AUDIT_TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event "
        f"WHEN old.seal IS NOT NULL BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
        "CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
        "CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event "
        f"WHEN {_HAS_SEAL} BEGIN SELECT RAISE(ABORT, '{_PRESEALED}'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF TG_OP = 'INSERT' THEN RAISE EXCEPTION '{_PRESEALED}'; END IF; "
        f"RAISE EXCEPTION '{_REFUSED}'; END $$",
        "CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event FOR EACH ROW "
        "WHEN (old.seal IS NOT NULL) EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event FOR EACH ROW "
        "EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event FOR EACH ROW "
        f"WHEN ({_HAS_SEAL}) EXECUTE FUNCTION refuse_audit_change()",
    ),
}
for _dialect, _statements in _AUDIT_TRIGGERS.items():
    for _statement in _statements:
        _made = DDL(_statement).execute_if(dialect=_dialect)
        event.listen(metadata.tables["audit_event"], "after_create", _made)


class AuditIdentity(Owned, table=True):
    """The random id that stands for a user in the audit log; it is deleted with the user.

    A scoped session reads it and never writes it.
    """

    owner_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    audit_id: str = Field(max_length=36, unique=True)


@event.listens_for(User, "after_insert")
def _identify(_mapper: object, connection: Connection, user: User) -> None:
    row = {"owner_id": user.id, "audit_id": str(uuid4())}
    connection.execute(insert(metadata.tables["audit_identity"]), row)
