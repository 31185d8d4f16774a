"""Store who may read a member's chats of an organisation, and which ones were read.

The version before does not know these tables; it lets no admin read.
"""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import op

revision: str = '0026'
down_revision: str | None = '0025'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'reading_grant',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('reader_id', sa.Uuid(), nullable=True),
        sa.Column('org_id', sa.Uuid(), nullable=True),
        sa.Column('reader_name', AutoString(length=100), nullable=False),
        sa.Column('reader_email', AutoString(length=254), nullable=False),
        sa.Column('role', AutoString(length=10), nullable=False),
        sa.Column('session_id', sa.Uuid(), nullable=False),
        sa.Column('reason', AutoString(length=500), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.Column('until', UTCDateTime(), nullable=False),
        sa.Column('listed_at', UTCDateTime(), nullable=True),
        sa.Column('ended_at', UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['owner_id'],
            ['user.id'],
            name=op.f('fk_reading_grant_owner_id_user'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['reader_id'],
            ['user.id'],
            name=op.f('fk_reading_grant_reader_id_user'),
            ondelete='SET NULL',
        ),
        sa.ForeignKeyConstraint(
            ['org_id'],
            ['organisation.id'],
            name=op.f('fk_reading_grant_org_id_organisation'),
            ondelete='SET NULL',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_reading_grant')),
        sa.UniqueConstraint('id', 'owner_id', name=op.f('uq_reading_grant_id_owner_id')),
    )
    op.create_index('ix_reading_grant_reader_id', 'reading_grant', ['reader_id'])
    op.create_index('ix_reading_grant_org_id', 'reading_grant', ['org_id'])
    op.create_index('ix_reading_grant_session_id', 'reading_grant', ['session_id'])
    op.create_index(
        'ix_reading_grant_owner_id_created_at_id',
        'reading_grant',
        ['owner_id', 'created_at', 'id'],
    )
    is_open = sa.text('ended_at IS NULL')
    op.create_index(
        'ix_reading_grant_until',
        'reading_grant',
        ['until'],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        'thread_reading',
        sa.Column('grant_id', sa.Uuid(), nullable=False),
        sa.Column('thread_id', sa.Uuid(), nullable=False),
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('first_read_at', UTCDateTime(), nullable=False),
        sa.Column('last_read_at', UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['grant_id', 'owner_id'],
            ['reading_grant.id', 'reading_grant.owner_id'],
            name=op.f('fk_thread_reading_grant_id_owner_id_reading_grant'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('grant_id', 'thread_id', name=op.f('pk_thread_reading')),
    )
    op.create_index(
        'ix_thread_reading_owner_id_thread_id', 'thread_reading', ['owner_id', 'thread_id']
    )


def downgrade() -> None:
    op.drop_table('thread_reading')
    op.drop_table('reading_grant')
