"""Store every kind of run event, why an answer ended, and the tokens of reasoning and cache."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes

from alembic import op

revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # on both databases this only renames; a batch would copy the table
    op.alter_column('run_event', 'text', new_column_name='payload')
    for table in ('message', 'run'):
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(
                sa.Column(
                    'finish_reason',
                    sqlmodel.sql.sqltypes.AutoString(length=20),
                    server_default='',
                    nullable=False,
                )
            )
    with op.batch_alter_table('run') as batch_op:
        batch_op.add_column(sa.Column('reasoning_tokens', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('cached_input_tokens', sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('run') as batch_op:
        batch_op.drop_column('cached_input_tokens')
        batch_op.drop_column('reasoning_tokens')
    for table in ('message', 'run'):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column('finish_reason')
    # the revision before knows two kinds of event
    op.execute("DELETE FROM run_event WHERE kind NOT IN ('text', 'reasoning')")
    op.alter_column('run_event', 'payload', new_column_name='text')
