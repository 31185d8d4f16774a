"""Store what clients report: runs, feedback, events and scores."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import op

revision: str = '0017'
down_revision: str | None = '0016'
branch_labels: str | None = None
depends_on: str | None = None

_INDEXES = {
    'ix_client_report_owner_id_size': ['owner_id', 'size'],
    'ix_client_report_thread_id': ['thread_id'],
    'ix_client_report_message_id': ['message_id'],
    'ix_client_report_created_at': ['created_at'],
}


def upgrade() -> None:
    op.create_table(
        'client_report',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('kind', AutoString(length=10), nullable=False),
        sa.Column('thread_id', sa.Uuid(), nullable=True),
        sa.Column('message_id', sa.Uuid(), nullable=True),
        sa.Column('content', sa.JSON(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['message_id', 'owner_id'],
            ['message.id', 'message.owner_id'],
            name=op.f('fk_client_report_message_id_owner_id_message'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['owner_id'],
            ['user.id'],
            name=op.f('fk_client_report_owner_id_user'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['thread_id', 'owner_id'],
            ['thread.id', 'thread.owner_id'],
            name=op.f('fk_client_report_thread_id_owner_id_thread'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_client_report')),
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, 'client_report', columns)
    is_feedback = sa.text("kind = 'feedback'")
    op.create_index(
        'uq_client_report_feedback',
        'client_report',
        ['owner_id', 'message_id'],
        unique=True,
        sqlite_where=is_feedback,
        postgresql_where=is_feedback,
    )


def downgrade() -> None:
    op.drop_index('uq_client_report_feedback', 'client_report')
    for name in _INDEXES:
        op.drop_index(name, 'client_report')
    op.drop_table('client_report')
