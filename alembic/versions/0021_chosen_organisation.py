"""Store in which organisation a user's new tabs begin; until one is chosen, in none."""

import sqlalchemy as sa

from alembic import op

revision: str = '0021'
down_revision: str | None = '0020'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column(
        'membership', sa.Column('is_chosen', sa.Boolean(), server_default='0', nullable=False)
    )


def downgrade() -> None:
    op.drop_column('membership', 'is_chosen')
