"""Store who may create an account, as a site admin chose."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString

from alembic import op

revision: str = '0024'
down_revision: str | None = '0023'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'sign_up_choice',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('mode', AutoString(length=10), nullable=False),
        sa.Column('domains', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_up_choice')),
    )


def downgrade() -> None:
    op.drop_table('sign_up_choice')
