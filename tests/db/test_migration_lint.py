"""Each revision leaves the version before it able to work, or is marked as the contract step."""

from pathlib import Path

import pytest

from testing.generated_rows import REVISIONS, SCRIPT
from testing.migration_lint import lint

BEFORE_THE_RULE = {"0004": ["renames run_event.text"]}
"""From when no server ran beside one of another version."""


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_version_before_can_live_with_a_revision(revision: str) -> None:
    source = Path(SCRIPT.get_revision(revision).path).read_text()
    earlier = REVISIONS[: REVISIONS.index(revision)]
    assert lint(source, earlier=earlier) == BEFORE_THE_RULE.get(revision, [])


def revision(*statements: str, head: str = "") -> str:
    """The text of a revision with these statements."""
    body = "".join(f"    {statement}\n" for statement in statements)
    return (
        f"import sqlalchemy as sa\nfrom alembic import context, op\n{head}\ndef upgrade():\n{body}"
    )


REFUSED = {
    "op.drop_table('totp')": "drops the table totp",
    "op.drop_column('run', 'model')": "drops run.model",
    "op.batch_alter_table('run').__enter__().drop_column('model')": "drops run.model",
    "op.rename_table('run', 'answer')": "renames the table run",
    "op.alter_column('run', 'model', new_column_name='llm')": "renames run.model",
    "op.alter_column('run', 'model', nullable=False)": "makes run.model NOT NULL",
    "op.alter_column('run', 'model', server_default=None)": "drops the server default of run.model",
    "op.alter_column('run', 'model', type_=sa.String(9), existing_type=sa.String(10))": (
        "makes the type of run.model narrower, or names no existing_type"
    ),
    "op.alter_column('run', 'n', type_=sa.Integer(), existing_type=sa.BigInteger())": (
        "makes the type of run.n narrower, or names no existing_type"
    ),
    "op.alter_column('run', 'model', type_=sa.Text())": (
        "makes the type of run.model narrower, or names no existing_type"
    ),
    "op.add_column('run', sa.Column('kind', sa.String(9), nullable=False))": (
        "adds run.kind, which is NOT NULL without a server default"
    ),
    "op.add_column('run', sa.Column('kind', sa.String(9), unique=True, server_default=''))": (
        "makes run.kind unique"
    ),
    "op.create_unique_constraint('uq', 'run', ['message_id'])": "adds a constraint to run",
    "op.create_check_constraint('ck', 'run', 'last_seq > 0')": "adds a constraint to run",
    "op.create_foreign_key('fk', 'run', 'totp', ['model'], ['secret'])": "adds a constraint to run",
    "op.create_index('ix', 'run', ['message_id'], unique=True)": "adds a unique index to run",
    "op.add_column('run', sa.Column('kind', sa.Uuid, server_default='', nullable=False)); "
    "op.create_foreign_key('fk', 'run', 'totp', ['model', 'kind'], ['secret', 'kind'])": (
        "adds a constraint to run"
    ),
    "op.add_column('run', sa.Column('kind', sa.Uuid, server_default='', nullable=False)); "
    "op.drop_constraint('fk', 'run', type_='foreignkey'); "
    "op.create_foreign_key('fk', 'run', 'totp', ['kind'], ['kind'])": "adds a constraint to run",
    "op.create_table('more', sa.Column('id', sa.Uuid, sa.ForeignKey('user.id')))": (
        "keeps the version before from deleting rows of user: no ON DELETE"
    ),
    "op.execute('ALTER TABLE run DROP COLUMN n')": "executes: ALTER TABLE run DROP COLUMN n",
    "context.is_offline_mode() or op.get_bind().exec_driver_sql('alter table run rename to x')": (
        "executes: alter table run rename to x"
    ),
    "if op.get_context().dialect.name == 'sqlite': op.drop_table('totp')": "drops the table totp",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_it_cannot_live_with_is_refused_unless_it_is_a_contract(statement: str) -> None:
    problem = REFUSED[statement]
    assert lint(revision(statement), earlier=["0001"]) == [problem]
    marked = revision(statement, head="contract_of: str = '0001'\n")
    assert lint(marked, earlier=["0001"]) == []
    unknown = "contract_of names 0001, which is no earlier revision"
    assert lint(marked, earlier=[]) == [unknown]


@pytest.mark.parametrize(
    "statements",
    [
        ["op.add_column('run', sa.Column('kind', sa.String(9), nullable=True))"],
        ["op.add_column('run', sa.Column('kind', sa.Text, server_default='', nullable=False))"],
        ["op.alter_column('run', 'model', type_=sa.String(11), existing_type=sa.String(10))"],
        ["op.alter_column('run', 'n', type_=sa.BigInteger(), existing_type=sa.Integer())"],
        ["op.alter_column('run', 'model', nullable=True, server_default='')"],
        ["op.create_index('ix', 'run', ['message_id'])", "op.drop_index('ix_run_status', 'run')"],
        [
            "op.create_table('more', sa.Column('id', sa.Uuid, primary_key=True))",
            "op.create_index('ix', 'more', ['id'], unique=True)",
            "op.alter_column('more', 'id', nullable=False)",
        ],
        [
            "op.add_column('run', sa.Column('kind_id', sa.Uuid, nullable=True))",
            "op.create_foreign_key('fk', 'run', 'kind', ['kind_id'], ['id'])",
        ],
        [
            "op.add_column('run', sa.Column('kind', sa.Uuid, server_default='', nullable=False))",
            "op.create_index('uq', 'run', ['id', 'kind'], unique=True)",
            "op.drop_constraint('fk', 'run', type_='foreignkey')",
            "op.create_foreign_key('fk', 'run', 'totp', ['model', 'kind'], ['secret', 'kind'])",
        ],
        ["op.execute('ALTER TABLE run ENABLE ROW LEVEL SECURITY')"],
        ["op.execute(\"UPDATE run SET model = 'x'\")"],
    ],
)
def test_what_only_adds_is_allowed(statements: list[str]) -> None:
    assert lint(revision(*statements), earlier=[]) == []


def test_a_contract_of_nothing_is_refused() -> None:
    source = revision("pass", head="contract_of: str = '0001'\n")
    assert lint(source, earlier=["0001"]) == ["it is no contract of 0001: nothing in it needs that"]
