"""Store organisations, who belongs to them, and which organisation a thread and its rows are in.

What is there already is private: `org_id` gets the nil UUID. The key from a row to its thread, and
from a log to its run, gets `org_id` too. The version before knows no organisations and goes on
writing private threads; what it would add to a thread of an organisation, that key refuses.

On SQLite no table is made anew: a column with a constant default changes no row, and a foreign key
is nothing but text in the schema (https://sqlite.org/lang_altertable.html#otheralter).
"""

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import context, op

revision: str = '0020'
down_revision: str | None = '0019'
branch_labels: str | None = None
depends_on: str | None = None

_PRIVATE = '0' * 32
_IN_ORGANISATION = ('thread', 'message', 'run', 'run_event', 'client_report', 'search_entry')
_PARENTS = {
    'message': 'thread',
    'run': 'thread',
    'client_report': 'thread',
    'search_entry': 'thread',
    'run_event': 'run',
}
_INDEXES = {
    'ix_thread_list': ('thread', ['owner_id', 'org_id', 'status', 'updated_at', 'id']),
    'ix_message_stored': ('message', ['owner_id', 'org_id', 'size']),
    'ix_message_tree': (
        'message',
        [
            *('thread_id', 'owner_id', 'org_id', 'deleted_at', 'created_at', 'size'),
            *('chosen_at', 'id', 'parent_id'),
        ],
    ),
    'ix_client_report_stored': ('client_report', ['owner_id', 'org_id', 'size']),
}
_INDEXES_BEFORE = {
    'ix_message_owner_id_size': ('message', ['owner_id', 'size']),
    'ix_message_tree': (
        'message',
        [
            *('thread_id', 'owner_id', 'deleted_at', 'created_at', 'size', 'chosen_at'),
            *('id', 'parent_id'),
        ],
    ),
    'ix_client_report_owner_id_size': ('client_report', ['owner_id', 'size']),
}

# An entry moves with its thread: its key is written, and nothing that is indexed.
_TERMS = "'_' || {0}.owner_id || ' _' || {0}.role || ' ' || {0}.tokens"
_REINDEX = (
    'BEGIN INSERT INTO search_index (search_index, rowid, terms) '
    f"VALUES ('delete', old.id, {_TERMS.format('old')}); "
    'INSERT INTO search_index (rowid, terms) '
    f'VALUES (new.id, {_TERMS.format("new")}); END'
)
_TRIGGER = (
    'CREATE TRIGGER search_entry_changed AFTER UPDATE OF id, role, tokens ON search_entry '
    f'{_REINDEX}'
)
_TRIGGER_BEFORE = f'CREATE TRIGGER search_entry_changed AFTER UPDATE ON search_entry {_REINDEX}'
_IS_OWNER = "owner = nullif(current_setting('app.user_id', true), '')::uuid"
_FUNCTIONS = (
    'CREATE OR REPLACE FUNCTION stored_bytes(owner uuid, row_bytes bigint) '
    'RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ '
    'SELECT ((SELECT coalesce(sum(size), 0) + count(*) * row_bytes FROM message '
    'WHERE owner_id = owner) + (SELECT count(*) * row_bytes FROM thread '
    f'WHERE owner_id = owner))::bigint WHERE {_IS_OWNER} $$',
    'CREATE OR REPLACE FUNCTION stored_report_bytes(owner uuid, row_bytes bigint) '
    'RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$ '
    'SELECT (SELECT coalesce(sum(size), 0) + count(*) * row_bytes FROM client_report '
    f'WHERE owner_id = owner)::bigint WHERE {_IS_OWNER} $$',
    'CREATE OR REPLACE FUNCTION lock_membership(owner uuid, org uuid) '
    'RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$ '
    'SELECT true FROM organisation JOIN membership ON membership.org_id = organisation.id '
    f'WHERE organisation.id = org AND membership.user_id = owner AND {_IS_OWNER} '
    'FOR KEY SHARE OF organisation $$',
)


def upgrade() -> None:
    op.create_table(
        'organisation',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('name', AutoString(length=100), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.Column('allows_admin_reading', sa.Boolean(), server_default='0', nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_organisation')),
    )
    op.create_table(
        'membership',
        sa.Column('user_id', sa.Uuid(), nullable=False),
        sa.Column('org_id', sa.Uuid(), nullable=False),
        sa.Column('role', AutoString(length=10), nullable=False),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['org_id'],
            ['organisation.id'],
            name=op.f('fk_membership_org_id_organisation'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['user_id'], ['user.id'], name=op.f('fk_membership_user_id_user'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('user_id', 'org_id', name=op.f('pk_membership')),
    )
    op.create_index('ix_membership_org_id', 'membership', ['org_id'])
    op.create_table(
        'invitation',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('token_hash', AutoString(length=64), nullable=False),
        sa.Column('org_id', sa.Uuid(), nullable=False),
        sa.Column('email', AutoString(length=254), nullable=False),
        sa.Column('role', AutoString(length=10), nullable=False),
        sa.Column('invited_by', sa.Uuid(), nullable=True),
        sa.Column('created_at', UTCDateTime(), nullable=False),
        sa.Column('expires_at', UTCDateTime(), nullable=False),
        sa.Column('accepted_at', UTCDateTime(), nullable=True),
        sa.Column('revoked_at', UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['invited_by'],
            ['user.id'],
            name=op.f('fk_invitation_invited_by_user'),
            ondelete='SET NULL',
        ),
        sa.ForeignKeyConstraint(
            ['org_id'],
            ['organisation.id'],
            name=op.f('fk_invitation_org_id_organisation'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_invitation')),
        sa.UniqueConstraint('token_hash', name=op.f('uq_invitation_token_hash')),
    )
    op.create_index('ix_invitation_email', 'invitation', ['email'])
    op.create_index('ix_invitation_invited_by', 'invitation', ['invited_by'])
    is_open = sa.text('accepted_at IS NULL AND revoked_at IS NULL')
    op.create_index(
        'uq_invitation_org_id_email',
        'invitation',
        ['org_id', 'email'],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    for table in _IN_ORGANISATION:
        op.add_column(
            table, sa.Column('org_id', sa.Uuid(), server_default=_PRIVATE, nullable=False)
        )
    _replace_indexes(_INDEXES_BEFORE, _INDEXES)
    for parent in ('thread', 'run'):
        op.create_index(_key_of(parent), parent, ['id', 'owner_id', 'org_id'], unique=True)
    _replace_keys(with_organisation=True)
    if op.get_context().dialect.name == 'sqlite':
        op.execute('DROP TRIGGER search_entry_changed')
        op.execute(_TRIGGER)
    else:
        for statement in _FUNCTIONS:
            op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        op.execute('DROP TRIGGER search_entry_changed')
        op.execute(_TRIGGER_BEFORE)
    else:
        op.execute('DROP FUNCTION lock_membership(uuid, uuid)')
        op.execute('DROP FUNCTION stored_report_bytes(uuid, bigint)')
        op.execute('DROP FUNCTION stored_bytes(uuid, bigint)')
    _replace_keys(with_organisation=False)
    for parent in ('thread', 'run'):
        op.drop_index(_key_of(parent), parent)
    _replace_indexes(_INDEXES, _INDEXES_BEFORE)
    for table in _IN_ORGANISATION:
        op.drop_column(table, 'org_id')
    for index in ('uq_invitation_org_id_email', 'ix_invitation_invited_by', 'ix_invitation_email'):
        op.drop_index(index, 'invitation')
    op.drop_table('invitation')
    op.drop_index('ix_membership_org_id', 'membership')
    op.drop_table('membership')
    op.drop_table('organisation')


def _key_of(parent: str) -> str:
    return f'uq_{parent}_id_owner_id_org_id'


def _replace_indexes(before: dict[str, tuple[str, list[str]]], after: dict[str, tuple[str, list[str]]]) -> None:
    for name, (table, _) in before.items():
        op.drop_index(name, table)
    for name, (table, columns) in after.items():
        op.create_index(name, table, columns)


def _replace_keys(*, with_organisation: bool) -> None:
    """Replace the key from each row to its parent by the one with, or without, the organisation."""
    if op.get_context().dialect.name != 'sqlite':
        for child, parent in _PARENTS.items():
            name, columns, on_update = _key(child, parent, not with_organisation)
            op.drop_constraint(name, child, type_='foreignkey')
        for child, parent in _PARENTS.items():
            name, columns, on_update = _key(child, parent, with_organisation)
            remote = ['id', *columns[1:]]
            op.create_foreign_key(
                name, child, parent, columns, remote, ondelete='CASCADE', onupdate=on_update
            )
        return
    op.execute('PRAGMA writable_schema = ON')
    for child, parent in _PARENTS.items():
        before = _key_text(child, parent, not with_organisation)
        after = _key_text(child, parent, with_organisation)
        op.execute(
            f"UPDATE sqlite_master SET sql = replace(sql, '{before}', '{after}') "
            f"WHERE type = 'table' AND name = '{child}'"
        )
    op.execute('PRAGMA writable_schema = RESET')
    if not context.is_offline_mode():
        _check_keys(with_organisation)


def _key(child: str, parent: str, with_organisation: bool) -> tuple[str, list[str], str | None]:
    """The name, the columns and the ON UPDATE of the key from a row to its parent."""
    columns = [f'{parent}_id', 'owner_id', *(['org_id'] if with_organisation else [])]
    name = f'fk_{child}_{"_".join(columns)}_{parent}'
    return name, columns, 'CASCADE' if with_organisation else None


def _key_text(child: str, parent: str, with_organisation: bool) -> str:
    name, columns, on_update = _key(child, parent, with_organisation)
    remote = ', '.join(['id', *columns[1:]])
    text = (
        f'CONSTRAINT {name} FOREIGN KEY({", ".join(columns)}) REFERENCES {parent} ({remote}) '
        'ON DELETE CASCADE'
    )
    return f'{text} ON UPDATE {on_update}' if on_update else text


def _check_keys(with_organisation: bool) -> None:
    """Refuse to go on if the schema of a SQLite file is written in another way than was expected.

    The number of the schema tells other connections to read it again.
    """
    connection = op.get_bind()
    for child, parent in _PARENTS.items():
        rows = connection.exec_driver_sql(f'PRAGMA foreign_key_list({child})').all()
        columns = {row[3] for row in rows if row[2] == parent}
        if columns != set(_key(child, parent, with_organisation)[1]):
            raise RuntimeError(f'the table {child} has no key to {parent} as it should be')
    version = connection.exec_driver_sql('PRAGMA schema_version').scalar_one()
    connection.exec_driver_sql(f'PRAGMA schema_version = {version + 1}')
