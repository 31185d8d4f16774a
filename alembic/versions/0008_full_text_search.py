"""Index the words of titles and messages for full-text search."""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import context, op
from chat_app.core.search_tokens import token_text

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: str | None = None
depends_on: str | None = None

_BATCH = 1_000
_MAX_TOKEN_BYTES = 1_000_000
_SQLITE = (
    "CREATE VIRTUAL TABLE search_index USING fts5 "
    "(terms, content='', columnsize=0, detail=none, tokenize=\"ascii tokenchars '_'\")",
    "CREATE TRIGGER search_entry_added AFTER INSERT ON search_entry BEGIN "
    "INSERT INTO search_index (rowid, terms) "
    "VALUES (new.id, '_' || new.owner_id || ' _' || new.role || ' ' || new.tokens); END",
    "CREATE TRIGGER search_entry_removed AFTER DELETE ON search_entry BEGIN "
    "INSERT INTO search_index (search_index, rowid, terms) "
    "VALUES ('delete', old.id, '_' || old.owner_id || ' _' || old.role || ' ' || old.tokens); END",
    "CREATE TRIGGER search_entry_changed AFTER UPDATE ON search_entry BEGIN "
    "INSERT INTO search_index (search_index, rowid, terms) "
    "VALUES ('delete', old.id, '_' || old.owner_id || ' _' || old.role || ' ' || old.tokens); "
    "INSERT INTO search_index (rowid, terms) "
    "VALUES (new.id, '_' || new.owner_id || ' _' || new.role || ' ' || new.tokens); END",
)

_POSTGRESQL = (
    "CREATE INDEX search_index ON search_entry USING gin (array_to_tsvector(array_remove("
    "string_to_array('_' || replace(owner_id::text, '-', '') || "
    "' _' || role || ' ' || tokens, ' '), '')))",
    "CREATE FUNCTION search_hits(owner uuid, terms text) RETURNS TABLE (id bigint) "
    "LANGUAGE sql STABLE ROWS 50 SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
    "SELECT id FROM search_entry WHERE array_to_tsvector(array_remove("
    "string_to_array('_' || replace(owner_id::text, '-', '') || "
    "' _' || role || ' ' || tokens, ' '), '')) "
    "@@ CAST('''_' || replace(owner::text, '-', '') || ''' & ' || terms AS tsquery) "
    "AND owner_id = owner AND owner = nullif(current_setting('app.user_id', true), '')::uuid "
    "$$",
)

_ENTRY = sa.table(
    "search_entry",
    sa.column("owner_id", sa.Uuid),
    sa.column("thread_id", sa.Uuid),
    sa.column("message_id", sa.Uuid),
    sa.column("role", sa.String),
    sa.column("created_at", UTCDateTime),
    sa.column("tokens", sa.String),
)
_THREAD = sa.table(
    "thread",
    sa.column("id", sa.Uuid),
    sa.column("owner_id", sa.Uuid),
    sa.column("title", sa.String),
    sa.column("created_at", UTCDateTime),
)
_MESSAGE = sa.table(
    "message",
    sa.column("id", sa.Uuid),
    sa.column("owner_id", sa.Uuid),
    sa.column("thread_id", sa.Uuid),
    sa.column("role", sa.String),
    sa.column("parts", sa.JSON),
    sa.column("created_at", UTCDateTime),
)


def upgrade() -> None:
    op.create_table(
        'search_entry',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column(
            'id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), sa.Identity(), nullable=False
        ),
        sa.Column('thread_id', sa.Uuid(), nullable=False),
        sa.Column('message_id', sa.Uuid(), nullable=True),
        sa.Column('role', AutoString(length=10), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.Column('tokens', AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ['message_id', 'owner_id'],
            ['message.id', 'message.owner_id'],
            name=op.f('fk_search_entry_message_id_owner_id_message'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['thread_id', 'owner_id'],
            ['thread.id', 'thread.owner_id'],
            name=op.f('fk_search_entry_thread_id_owner_id_thread'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_search_entry')),
    )
    op.create_index('ix_search_entry_thread_id', 'search_entry', ['thread_id'])
    op.create_index('ix_search_entry_message_id', 'search_entry', ['message_id'])
    for statement in _SQLITE if _is_sqlite() else _POSTGRESQL:
        op.execute(statement)
    if not context.is_offline_mode():  # SQL alone cannot split what was written before
        _index_what_is_there()


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == 'sqlite'


def _index_what_is_there() -> None:
    """Write the entries of every title and message, the oldest first, so many at a time."""
    connection = op.get_bind()
    titled = sa.select(_THREAD).where(_THREAD.c.title != "")
    threads = titled.order_by(_THREAD.c.created_at, _THREAD.c.id)
    with connection.execute(threads.execution_options(yield_per=_BATCH)) as rows:
        for batch in rows.partitions():
            _store(
                {
                    "owner_id": row.owner_id,
                    "thread_id": row.id,
                    "message_id": None,
                    "role": "title",
                    "created_at": row.created_at,
                    "tokens": token_text(row.title),
                }
                for row in batch
            )
    messages = sa.select(_MESSAGE).order_by(_MESSAGE.c.created_at, _MESSAGE.c.id)
    with connection.execute(messages.execution_options(yield_per=_BATCH)) as rows:
        for batch in rows.partitions():
            _store(
                {
                    "owner_id": row.owner_id,
                    "thread_id": row.thread_id,
                    "message_id": row.id,
                    "role": row.role,
                    "created_at": row.created_at,
                    "tokens": token_text(_text_of(row.parts), _MAX_TOKEN_BYTES),
                }
                for row in batch
            )


def _text_of(parts):
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _store(entries) -> None:
    if with_words := [entry for entry in entries if entry["tokens"]]:
        op.get_bind().execute(sa.insert(_ENTRY), with_words)


def downgrade() -> None:
    if not _is_sqlite():
        op.execute('DROP FUNCTION search_hits')
        op.execute('DROP INDEX search_index')
    else:
        for trigger in ('added', 'removed', 'changed'):
            op.execute(f'DROP TRIGGER search_entry_{trigger}')
        op.execute('DROP TABLE search_index')
    op.drop_index('ix_search_entry_message_id', 'search_entry')
    op.drop_index('ix_search_entry_thread_id', 'search_entry')
    op.drop_table('search_entry')
