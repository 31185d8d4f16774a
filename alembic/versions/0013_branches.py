"""Store which branch of a thread was chosen when, and which are deleted."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes

from alembic import op

revision: str = '0013'
down_revision: str | None = '0012'
branch_labels: str | None = None
depends_on: str | None = None

_INDEXES = {
    'ix_message_root': ('thread_id', 'parent_id IS NULL'),
    'ix_message_deleted_at': ('deleted_at', 'deleted_at IS NOT NULL'),
}


def upgrade() -> None:
    with op.batch_alter_table('message') as batch_op:
        batch_op.add_column(sa.Column('chosen_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column('deleted_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    for name, (column, condition) in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, 'message', [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, 'message')
    with op.batch_alter_table('message') as batch_op:
        batch_op.drop_column('deleted_at')
        batch_op.drop_column('chosen_at')
