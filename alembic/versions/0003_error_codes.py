"""Store a failed answer's error as a code and parameters instead of an English sentence."""

import re

import sqlalchemy as sa

from alembic import context, op

revision: str = '0003'
down_revision: str | None = '0002'
branch_labels: str | None = None
depends_on: str | None = None

_SENTENCES = {
    "api_key_rejected": "The provider of {model} refused the key of this app.",
    "model_not_offered": "The provider does not offer the model {model}.",
    "quota_exhausted": "The account of this app at the provider of {model} is used up.",
    "context_too_long": "This conversation is too long for {model}. Start a new chat.",
    "request_rejected": "The provider of {model} refused the request.",
    "provider_moved": "The provider of {model} has moved. Its address in the settings is old.",
    "rate_limited": "{model} is busy or its limit is reached. Try again {when}.",
    "provider_error": "The provider of {model} has a fault. Try again in a moment.",
    "provider_unreachable": "The provider of {model} cannot be reached.",
    "first_token_timeout": "{model} did not begin to answer in time.",
    "idle_timeout": "{model} stopped sending in the middle of its answer.",
    "cut_off": "The answer of {model} broke off before its end.",
    "error_in_stream": "The provider of {model} had a fault in the middle of the answer.",
    "malformed_response": "The provider of {model} sent something that is not an answer.",
    "embedded_not_started": "The model on this machine could not be started.",
    "empty_answer": "The model sent an empty answer. Try again, or choose another model.",
    "internal_error": "Something went wrong here while the answer was written. Try again.",
    "not_saved": "The answer could not be saved, so it was stopped. Try again in a moment.",
    "database_busy": "The database is busy; try again in a moment.",
    "database_full": "The disk is full; nothing was saved.",
    "database_unreachable": "The database cannot be reached; nothing was saved.",
    "unknown": "{text}",
}
"""The sentences of the revisions before, by code. The last one keeps any other text."""

_FIELDS = {
    r"\{model\}": r"(?P<model>.+)",
    r"\{when\}": r"in (?:a moment|(?P<retry_after>\d+) seconds?)",
    r"\{text\}": r"(?P<text>.*)",
}
_TABLES = tuple(
    sa.table(
        name,
        sa.column("id", sa.Uuid),
        sa.column("error", sa.String),
        sa.column("error_params", sa.JSON),
    )
    for name in ("message", "run")
)


def _pattern(sentence: str) -> re.Pattern[str]:
    pattern = re.escape(sentence)
    for field, group in _FIELDS.items():
        pattern = pattern.replace(field, group)
    return re.compile(pattern, re.DOTALL)


def _code_of(sentence: str) -> tuple[str, dict[str, object]]:
    """The code and the parameters of a stored sentence."""
    for code, known in _SENTENCES.items():
        if match := _pattern(known).fullmatch(sentence):
            params: dict[str, object] = {k: v for k, v in match.groupdict().items() if v}
            if seconds := match.groupdict().get("retry_after"):
                params["retry_after"] = int(seconds)
            return code, params
    raise AssertionError("The last pattern matches any text.")


def _sentence_of(code: str, params: dict[str, object]) -> str:
    """The sentence of a code; the code itself if an older program had none for it."""
    seconds = params.get("retry_after")
    when = f"in {seconds} second{'' if seconds == 1 else 's'}" if seconds else "in a moment"
    try:
        return _SENTENCES[code].format(**params, when=when)[:300]
    except KeyError:
        return code


def upgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table.name) as batch_op:
            batch_op.add_column(
                sa.Column('error_params', sa.JSON(), server_default='{}', nullable=False)
            )
        if context.is_offline_mode():
            _keep_as_text(table)
            continue
        connection = op.get_bind()
        failed = sa.select(table.c.id, table.c.error).where(table.c.error != "")
        for row_id, sentence in connection.execute(failed).all():
            code, params = _code_of(sentence)
            connection.execute(
                sa.update(table)
                .where(table.c.id == row_id)
                .values(error=code, error_params=params)
            )


def _keep_as_text(table: sa.TableClause) -> None:
    """In SQL alone: every sentence becomes the parameter of `unknown`."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    json_object = sa.func.json_object if is_sqlite else sa.func.json_build_object
    op.execute(
        sa.update(table)
        .where(table.c.error != "")
        .values(error="unknown", error_params=json_object("text", table.c.error))
    )


def downgrade() -> None:
    for table in _TABLES:
        if not context.is_offline_mode():
            connection = op.get_bind()
            failed = sa.select(table.c.id, table.c.error, table.c.error_params)
            for row_id, code, params in connection.execute(failed.where(table.c.error != "")).all():
                connection.execute(
                    sa.update(table)
                    .where(table.c.id == row_id)
                    .values(error=_sentence_of(code, params))
                )
        with op.batch_alter_table(table.name) as batch_op:
            batch_op.drop_column('error_params')
