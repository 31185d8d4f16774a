"""Store the size of each message, for limits that would otherwise read every message."""

import json
from typing import Any

import sqlalchemy as sa

from alembic import context, op

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | None = None
depends_on: str | None = None

_BATCH = 1_000
_MESSAGE = sa.table(
    "message",
    sa.column("id", sa.Uuid),
    sa.column("parts", sa.JSON),
    sa.column("size", sa.Integer),
)


def _size_of(parts: list[Any]) -> int:
    """The size of the parts in bytes: their text as UTF-8, everything else as JSON."""
    return sum(
        len(part["text"].encode("utf-8", "surrogatepass"))
        if part["type"] in ("text", "reasoning")
        else len(json.dumps(part))
        for part in parts
    )


def _measure() -> None:
    """Give each message the size of its parts, so many rows at a time."""
    connection = op.get_bind()
    rows = sa.select(_MESSAGE.c.id, _MESSAGE.c.parts).order_by(_MESSAGE.c.id).limit(_BATCH)
    store = (
        sa.update(_MESSAGE)
        .where(_MESSAGE.c.id == sa.bindparam("row_id"))
        .values(size=sa.bindparam("bytes"))
    )
    batch = connection.execute(rows).all()
    while batch:
        sizes = [{"row_id": row_id, "bytes": _size_of(parts)} for row_id, parts in batch]
        connection.execute(store, sizes)
        batch = connection.execute(rows.where(_MESSAGE.c.id > batch[-1].id)).all()


def upgrade() -> None:
    with op.batch_alter_table('message') as batch_op:
        batch_op.add_column(sa.Column('size', sa.Integer(), server_default='0', nullable=False))
    if context.is_offline_mode():  # in SQL alone; escapes of other alphabets count too much
        op.execute('UPDATE message SET size = length(CAST(parts AS TEXT))')
    else:
        _measure()
    op.create_index('ix_message_owner_id_size', 'message', ['owner_id', 'size'])


def downgrade() -> None:
    op.drop_index('ix_message_owner_id_size', 'message')
    with op.batch_alter_table('message') as batch_op:
        batch_op.drop_column('size')
