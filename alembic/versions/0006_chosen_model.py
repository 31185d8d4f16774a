"""Store the model that a user has chosen for new chats."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes

from alembic import op

revision: str = '0006'
down_revision: str | None = '0005'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    with op.batch_alter_table('user') as batch_op:
        batch_op.add_column(
            sa.Column(
                'chosen_model',
                sqlmodel.sql.sqltypes.AutoString(length=200),
                server_default='',
                nullable=False,
            )
        )


def downgrade() -> None:
    with op.batch_alter_table('user') as batch_op:
        batch_op.drop_column('chosen_model')
