"""Store the size of each message, for limits that would otherwise read every message."""

import sqlalchemy as sa

from alembic import op

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    with op.batch_alter_table('message') as batch_op:
        batch_op.add_column(sa.Column('size', sa.Integer(), server_default='0', nullable=False))
    op.execute('UPDATE message SET size = length(CAST(parts AS TEXT))')
    op.create_index('ix_message_owner_id_size', 'message', ['owner_id', 'size'])


def downgrade() -> None:
    op.drop_index('ix_message_owner_id_size', 'message')
    with op.batch_alter_table('message') as batch_op:
        batch_op.drop_column('size')
