"""Store what programs name a thread by and keep with it, whether it is archived, and which messages
they appended.
"""

import sqlalchemy as sa

from alembic import op

revision: str = '0015'
down_revision: str | None = '0014'
branch_labels: str | None = None
depends_on: str | None = None

_STATUS_INDEX = 'ix_thread_owner_id_status_updated_at_id'
_EXTERNAL_INDEX = 'uq_thread_owner_id_external_id'


def upgrade() -> None:
    with op.batch_alter_table('thread') as batch_op:
        batch_op.add_column(
            sa.Column('status', sa.String(length=10), server_default='regular', nullable=False)
        )
        batch_op.add_column(sa.Column('external_id', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('custom', sa.JSON(), server_default='{}', nullable=False))
    with op.batch_alter_table('message') as batch_op:
        batch_op.add_column(
            sa.Column('origin', sa.String(length=10), server_default='', nullable=False)
        )
    op.create_index(_STATUS_INDEX, 'thread', ['owner_id', 'status', 'updated_at', 'id'])
    is_live = sa.text('deleted_at IS NULL')
    op.create_index(
        _EXTERNAL_INDEX,
        'thread',
        ['owner_id', 'external_id'],
        unique=True,
        sqlite_where=is_live,
        postgresql_where=is_live,
    )


def downgrade() -> None:
    for name in (_EXTERNAL_INDEX, _STATUS_INDEX):
        op.drop_index(name, 'thread')
    with op.batch_alter_table('message') as batch_op:
        batch_op.drop_column('origin')
    with op.batch_alter_table('thread') as batch_op:
        for name in ('custom', 'external_id', 'status'):
            batch_op.drop_column(name)
