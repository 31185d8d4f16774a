"""Store the signals of commands for the server, which takes them out."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import op

revision: str = '0023'
down_revision: str | None = '0022'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'outbox_signal',
        sa.Column(
            'id',
            sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),
            sa.Identity(),
            nullable=False,
        ),
        sa.Column('topic', AutoString(length=100), nullable=False),
        sa.Column('signal', sa.JSON(), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox_signal')),
    )


def downgrade() -> None:
    op.drop_table('outbox_signal')
