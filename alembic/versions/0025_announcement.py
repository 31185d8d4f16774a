"""Store announcements, and who has dismissed which text of them."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import op

revision: str = '0025'
down_revision: str | None = '0024'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'announcement',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('text', AutoString(length=500), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('starts_at', UTCDateTime(), nullable=True),
        sa.Column('ends_at', UTCDateTime(), nullable=True),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_announcement')),
    )
    op.create_index('ix_announcement_created_at_id', 'announcement', ['created_at', 'id'])
    op.create_index('ix_announcement_ends_at', 'announcement', ['ends_at'])
    op.create_table(
        'announcement_dismissal',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('announcement_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['announcement_id'],
            ['announcement.id'],
            name=op.f('fk_announcement_dismissal_announcement_id_announcement'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['owner_id'],
            ['user.id'],
            name=op.f('fk_announcement_dismissal_owner_id_user'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint(
            'owner_id', 'announcement_id', name=op.f('pk_announcement_dismissal')
        ),
    )
    op.create_index(
        'ix_announcement_dismissal_announcement_id', 'announcement_dismissal', ['announcement_id']
    )


def downgrade() -> None:
    op.drop_index('ix_announcement_dismissal_announcement_id', 'announcement_dismissal')
    op.drop_table('announcement_dismissal')
    op.drop_index('ix_announcement_ends_at', 'announcement')
    op.drop_index('ix_announcement_created_at_id', 'announcement')
    op.drop_table('announcement')
