"""Index what a message tree is made of, so that reading one reads no texts.

SQLite stores the columns of a row in order, and those after a long text are behind it.
"""

from alembic import op

revision: str = '0016'
down_revision: str | None = '0015'
branch_labels: str | None = None
depends_on: str | None = None

_COLUMNS = (
    'thread_id', 'owner_id', 'deleted_at', 'created_at', 'size', 'chosen_at', 'id', 'parent_id',
)


def upgrade() -> None:
    op.create_index('ix_message_tree', 'message', list(_COLUMNS))


def downgrade() -> None:
    op.drop_index('ix_message_tree', 'message')
