"""Let a search on PostgreSQL begin with what was written last; let passkeys count beyond 2^31.

The index gets the block of each entry as a term, and `search_hits` reads the newest blocks first.
The function of the version before stays, and uses the new index.
"""

import sqlalchemy as sa

from alembic import op

revision: str = '0010'
down_revision: str | None = '0009'
branch_labels: str | None = None
depends_on: str | None = None

_TERMS = (
    "array_to_tsvector(array_remove(string_to_array('_' || replace({0}owner_id::text, '-', '') || "
    "' _' || replace({0}owner_id::text, '-', '') || '.' || ({0}id >> 10)::text || "
    "' _' || replace({0}owner_id::text, '-', '') || '..' || ({0}id >> 16)::text || "
    "' _' || {0}role || ' ' || {0}tokens, ' '), ''))"
)
_POSTGRESQL = (
    f"CREATE INDEX search_index ON search_entry USING gin ({_TERMS.format('')}) "
    "WITH (gin_pending_list_limit = 128)",
    "CREATE INDEX search_index_owner ON search_entry (owner_id, id)",
    "CREATE FUNCTION search_hits(owner uuid, terms text, upto bigint, most integer) "
    "RETURNS TABLE (id bigint) LANGUAGE plpgsql STABLE ROWS 100 SECURITY DEFINER "
    "SET search_path FROM CURRENT SET enable_seqscan = off AS $$ "
    "DECLARE mine text := '_' || replace(owner::text, '-', ''); "
    "newest bigint; oldest bigint; block text; size integer; hits bigint[]; "
    "BEGIN "
    "IF owner IS DISTINCT FROM nullif(current_setting('app.user_id', true), '')::uuid THEN "
    "RETURN; END IF; "
    "IF most <= 1000 THEN "
    "newest := (SELECT entry.id FROM search_entry entry "
    "WHERE entry.owner_id = owner AND entry.id <= upto "
    "ORDER BY entry.owner_id DESC, entry.id DESC LIMIT 1); "
    "oldest := (SELECT entry.id FROM search_entry entry "
    "WHERE entry.owner_id = owner AND entry.id <= upto "
    "ORDER BY entry.owner_id DESC, entry.id DESC OFFSET most * 20 LIMIT 1); "
    "IF (newest >> 10) - (oldest >> 10) < 32 THEN block := mine || '.'; size := 10; "
    "ELSIF (newest >> 16) - (oldest >> 16) < 32 THEN block := mine || '..'; size := 16; "
    "END IF; END IF; "
    "IF size IS NOT NULL THEN "
    "hits := ARRAY(WITH hit AS MATERIALIZED (SELECT entry.id, entry.owner_id "
    f"FROM search_entry entry WHERE {_TERMS.format('entry.')} @@ CAST(terms || ' & (' || "
    "(SELECT string_agg('''' || block || number || '''', ' | ') "
    "FROM generate_series(oldest >> size, newest >> size) number) || ')' AS tsquery)) "
    "SELECT hit.id FROM hit WHERE hit.owner_id = owner AND hit.id <= upto "
    "ORDER BY hit.id DESC LIMIT most); "
    "IF cardinality(hits) = most THEN RETURN QUERY SELECT unnest(hits); RETURN; END IF; "
    "END IF; "
    "RETURN QUERY WITH hit AS MATERIALIZED (SELECT entry.id, entry.owner_id "
    f"FROM search_entry entry WHERE {_TERMS.format('entry.')} "
    "@@ CAST('''' || mine || ''' & ' || terms AS tsquery)) "
    "SELECT hit.id FROM hit WHERE hit.owner_id = owner AND hit.id <= upto "
    "ORDER BY hit.id DESC LIMIT most; "
    "END $$",
)
_BEFORE = (
    "array_to_tsvector(array_remove(string_to_array('_' || replace(owner_id::text, '-', '') || "
    "' _' || role || ' ' || tokens, ' '), ''))"
)


def upgrade() -> None:
    if op.get_context().dialect.name != 'postgresql':
        return  # SQLite reads the newest hits first, and its integers have 64 bits
    op.execute('DROP INDEX search_index')
    for statement in _POSTGRESQL:
        op.execute(statement)
    op.execute(
        "CREATE OR REPLACE FUNCTION search_hits(owner uuid, terms text) RETURNS TABLE (id bigint) "
        "LANGUAGE sql STABLE ROWS 50 SET search_path FROM CURRENT AS $$ "
        "SELECT search_hits(owner, terms, 9223372036854775807, NULL) $$"
    )
    op.alter_column(
        'passkey', 'sign_count', existing_type=sa.Integer(), type_=sa.BigInteger()
    )


def downgrade() -> None:
    if op.get_context().dialect.name != 'postgresql':
        return
    op.alter_column(
        'passkey',
        'sign_count',
        existing_type=sa.BigInteger(),
        type_=sa.Integer(),
        postgresql_using='least(sign_count, 2147483647)',
    )
    op.execute('DROP FUNCTION search_hits(uuid, text, bigint, integer)')
    op.execute('DROP INDEX search_index_owner')
    op.execute('DROP INDEX search_index')
    op.execute(f'CREATE INDEX search_index ON search_entry USING gin ({_BEFORE})')
    op.execute(
        "CREATE OR REPLACE FUNCTION search_hits(owner uuid, terms text) RETURNS TABLE (id bigint) "
        "LANGUAGE sql STABLE ROWS 50 SECURITY DEFINER SET search_path FROM CURRENT AS $$ "
        f"SELECT id FROM search_entry WHERE {_BEFORE} "
        "@@ CAST('''_' || replace(owner::text, '-', '') || ''' & ' || terms AS tsquery) "
        "AND owner_id = owner AND owner = nullif(current_setting('app.user_id', true), '')::uuid "
        "$$"
    )
