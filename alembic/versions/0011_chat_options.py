"""Store what a user chooses for the answers of a thread, and for those of new chats."""

import sqlalchemy as sa

from alembic import op

revision: str = '0011'
down_revision: str | None = '0010'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'chat_defaults',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('options', sa.JSON(), server_default='{}', nullable=False),
        sa.ForeignKeyConstraint(
            ['owner_id'],
            ['user.id'],
            name=op.f('fk_chat_defaults_owner_id_user'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('owner_id', name=op.f('pk_chat_defaults')),
    )
    with op.batch_alter_table('thread') as batch_op:
        batch_op.add_column(sa.Column('options', sa.JSON(), server_default='{}', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('thread') as batch_op:
        batch_op.drop_column('options')
    op.drop_table('chat_defaults')
