"""Store for whom a model is on or off; without a row it is on."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString

from alembic import op

revision: str = '0027'
down_revision: str | None = '0026'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        'model_rule',
        sa.Column('model', AutoString(length=200), nullable=False),
        sa.Column('org_id', sa.Uuid(), nullable=False),
        sa.Column('role', AutoString(length=10), nullable=False),
        sa.Column('allowed', sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint('model', 'org_id', 'role', name=op.f('pk_model_rule')),
    )
    op.create_index('ix_model_rule_org_id', 'model_rule', ['org_id'])
    # the chats of an organisation are counted for its admins
    op.create_index('ix_thread_org_id', 'thread', ['org_id'])


def downgrade() -> None:
    op.drop_index('ix_thread_org_id', 'thread')
    op.drop_index('ix_model_rule_org_id', 'model_rule')
    op.drop_table('model_rule')
