"""Keep an audit log, whose sealed rows cannot be changed."""

import uuid

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from alembic import context, op

revision: str = '0019'
down_revision: str | None = '0018'
branch_labels: str | None = None
depends_on: str | None = None

_BATCH = 1_000
_REFUSED = 'A sealed row of the audit log cannot be changed.'
_PRESEALED = 'A row of the audit log is added without a seal.'
_HAS_SEAL = 'coalesce(new.seal, new.key_id, new.anchor_seal) IS NOT NULL OR new.seq IS NOT NULL'
_SQLITE = (
    'CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event WHEN old.seal IS NOT NULL '
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
    'CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event '
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END",
    'CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event '
    f"WHEN {_HAS_SEAL} BEGIN SELECT RAISE(ABORT, '{_PRESEALED}'); END",
)
_POSTGRESQL = (
    'CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ '
    f"BEGIN IF TG_OP = 'INSERT' THEN RAISE EXCEPTION '{_PRESEALED}'; END IF; "
    f"RAISE EXCEPTION '{_REFUSED}'; END $$",
    'CREATE TRIGGER audit_event_changed BEFORE UPDATE ON audit_event FOR EACH ROW '
    'WHEN (old.seal IS NOT NULL) EXECUTE FUNCTION refuse_audit_change()',
    'CREATE TRIGGER audit_event_removed BEFORE DELETE ON audit_event FOR EACH ROW '
    'EXECUTE FUNCTION refuse_audit_change()',
    'CREATE TRIGGER audit_event_added BEFORE INSERT ON audit_event FOR EACH ROW '
    f'WHEN ({_HAS_SEAL}) EXECUTE FUNCTION refuse_audit_change()',
)
_USER = sa.table('user', sa.column('id', sa.Uuid))
_IDENTITY = sa.table(
    'audit_identity', sa.column('owner_id', sa.Uuid), sa.column('audit_id', sa.String)
)


def upgrade() -> None:
    op.create_table(
        'audit_event',
        sa.Column(
            'id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), sa.Identity(), nullable=False
        ),
        sa.Column('at', UTCDateTime(), nullable=False),
        sa.Column('action', AutoString(length=40), nullable=False),
        sa.Column('actor', AutoString(length=40), nullable=False),
        sa.Column('subject_kind', AutoString(length=20), nullable=False),
        sa.Column('subject', AutoString(length=40), nullable=False),
        sa.Column('org_id', sa.Uuid(), nullable=True),
        sa.Column('network', AutoString(length=50), nullable=False),
        sa.Column('request_id', AutoString(length=100), nullable=False),
        sa.Column('details', AutoString(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=True),
        sa.Column('seal', AutoString(length=64), nullable=True),
        sa.Column('key_id', AutoString(length=16), nullable=True),
        sa.Column('anchor_seal', AutoString(length=64), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_event')),
        sa.UniqueConstraint('seq', name=op.f('uq_audit_event_seq')),
    )
    for column in ('action', 'actor', 'subject', 'org_id'):
        op.create_index(f'ix_audit_event_{column}_id', 'audit_event', [column, 'id'])
    is_unsealed = sa.text('seal IS NULL')
    op.create_index(
        'ix_audit_event_unsealed',
        'audit_event',
        ['id'],
        sqlite_where=is_unsealed,
        postgresql_where=is_unsealed,
    )
    op.create_table(
        'audit_identity',
        sa.Column('owner_id', sa.Uuid(), nullable=False),
        sa.Column('audit_id', AutoString(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ['owner_id'],
            ['user.id'],
            name=op.f('fk_audit_identity_owner_id_user'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('owner_id', name=op.f('pk_audit_identity')),
        sa.UniqueConstraint('audit_id', name=op.f('uq_audit_identity_audit_id')),
    )
    for statement in _SQLITE if _is_sqlite() else _POSTGRESQL:
        op.execute(statement)
    if not context.is_offline_mode():  # the first start of a server does it then
        _identify_users()


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == 'sqlite'


def _identify_users() -> None:
    connection = op.get_bind()
    for some in connection.execute(sa.select(_USER.c.id)).scalars().partitions(_BATCH):
        rows = [{'owner_id': one, 'audit_id': str(uuid.uuid4())} for one in some]
        connection.execute(sa.insert(_IDENTITY), rows)


def downgrade() -> None:
    op.drop_table('audit_identity')
    op.drop_table('audit_event')
    if not _is_sqlite():
        op.execute('DROP FUNCTION refuse_audit_change')
