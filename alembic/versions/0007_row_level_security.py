"""Let PostgreSQL itself keep users' rows apart, beside the filter of the program.

The roles that see every row beside the owner of the tables are named after each migration
(chat_app/db/postgres_roles.py), because the settings name them. SQLite has no roles.
"""

from alembic import op

revision: str = '0007'
down_revision: str | None = '0006'
branch_labels: str | None = None
depends_on: str | None = None

_TABLES = ('thread', 'message', 'run', 'run_event')
_OWN = "owner_id = nullif(current_setting('app.user_id', true), '')::uuid"


def upgrade() -> None:
    if op.get_context().dialect.name != 'postgresql':
        return
    for table in _TABLES:
        op.execute(f'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE {table} FORCE ROW LEVEL SECURITY')
        op.execute(f'CREATE POLICY owner_rows ON {table} USING ({_OWN})')
        # The owner too is bound by FORCE: without this a data migration would change no row.
        op.execute(
            f'CREATE POLICY every_row ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)'
        )


def downgrade() -> None:
    if op.get_context().dialect.name != 'postgresql':
        return
    for table in _TABLES:
        op.execute(f'DROP POLICY IF EXISTS every_row ON {table}')
        op.execute(f'DROP POLICY IF EXISTS owner_rows ON {table}')
        op.execute(f'ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE {table} DISABLE ROW LEVEL SECURITY')
