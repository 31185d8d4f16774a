"""Count what calls of models take: a row for each day, user, organisation, model and purpose.

The ledger begins empty: tokens of earlier runs stay with those. The version before adds nothing to
it, so what that serves beside or after this one is not counted.
"""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString

from alembic import op

revision: str = '0022'
down_revision: str | None = '0021'
branch_labels: str | None = None
depends_on: str | None = None

_KEY = ('owner_id', 'day', 'org_id', 'model', 'purpose')
_COUNTERS = (
    *('calls', 'failed_calls', 'unreported_calls'),
    *('input_tokens', 'output_tokens', 'cached_input_tokens', 'reasoning_tokens'),
)


def upgrade() -> None:
    op.create_table(
        'usage_ledger',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('org_id', sa.Uuid(), nullable=False),
        sa.Column('model', AutoString(length=200), nullable=False),
        sa.Column('purpose', AutoString(length=20), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTERS),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f('pk_usage_ledger')),
    )
    op.create_index('ix_usage_ledger_day', 'usage_ledger', ['day'])


def downgrade() -> None:
    op.drop_index('ix_usage_ledger_day', 'usage_ledger')
    op.drop_table('usage_ledger')
