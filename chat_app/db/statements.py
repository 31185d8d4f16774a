"""The prepared statements of the hot paths: a session, a list, a send, a run, its log and its end.

A column that is added to `thread`, `message` or `run` is named here too: these rows are not written
by the ORM, so no default of a model and no listener of a flush fills it.
"""

from typing import Any

from sqlalchemy import (
    Column,
    String,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from chat_app.db import owner_functions
from chat_app.db.prepared import (
    Prepared,
    PreparedAddition,
    PreparedAppend,
    PreparedInsert,
    PreparedMove,
)
from chat_app.db.tables import ACTIVE, metadata

THREADS = metadata.tables["thread"]
MESSAGES = metadata.tables["message"]
CHAT_DEFAULTS = metadata.tables["chat_defaults"]
RUNS = metadata.tables["run"]
EVENTS = metadata.tables["run_event"]
ENTRIES = metadata.tables["search_entry"]
USERS = metadata.tables["user"]
SESSIONS = metadata.tables["auth_session"]
MEMBERSHIPS = metadata.tables["membership"]
API_KEYS = metadata.tables["api_key"]
DENIED = metadata.tables["denied_session"]
AUDIT_EVENTS = metadata.tables["audit_event"]
USAGE = metadata.tables["usage_ledger"]


def _id(name: str):
    return bindparam(name, type_=Uuid())


def _new(*columns: Column[Any]) -> dict[Column[Any], Any]:
    """Sets each column to the parameter `new_` and its name."""
    return {column: bindparam(f"new_{column.name}", type_=column.type) for column in columns}


MESSAGE_OF_CLIENT = Prepared(
    select(
        MESSAGES.c.id,
        MESSAGES.c.thread_id,
        MESSAGES.c.parts,
        MESSAGES.c.role,
        MESSAGES.c.deleted_at,
        MESSAGES.c.origin,
    ).where(MESSAGES.c.client_id == bindparam("client_id"))
)
"""The message that was sent or appended under a client id."""

FIRST_RUN_OF_QUESTION = Prepared(
    select(RUNS.c.id, RUNS.c.message_id)
    .join(MESSAGES, MESSAGES.c.id == RUNS.c.message_id)
    .where(MESSAGES.c.parent_id == _id("message_id"))
    .order_by(RUNS.c.created_at, RUNS.c.id)
    .limit(1)
)
"""The first run that answered a message."""

THREAD_OF_EXTERNAL_ID = Prepared(
    select(THREADS.c.id).where(
        THREADS.c.external_id == bindparam("external_id"), THREADS.c.deleted_at.is_(None)
    )
)
"""The thread that a program named so."""

THREAD_TO_SEND_TO = Prepared(
    # the lock serialises two sends where writers run side by side (PostgreSQL)
    select(
        THREADS.c.title,
        THREADS.c.title_origin,
        THREADS.c.model,
        THREADS.c.head_id,
        THREADS.c.options,
        THREADS.c.org_id,
    )
    .where(THREADS.c.id == _id("thread_id"), THREADS.c.deleted_at.is_(None))
    .with_for_update()
)
"""A thread that is not deleted, locked."""

OPTIONS_OF_NEW_CHATS = Prepared(select(CHAT_DEFAULTS.c.options))
"""What new chats of the user begin with."""

MESSAGE_TO_ANSWER = Prepared(
    select(
        MESSAGES.c.thread_id,
        MESSAGES.c.parent_id,
        MESSAGES.c.role,
        MESSAGES.c.status,
        MESSAGES.c.model,
    ).where(MESSAGES.c.id == _id("message_id"), MESSAGES.c.deleted_at.is_(None))
)
"""What a run needs of the message that it is about."""

MESSAGE_TO_CONTINUE = Prepared(
    select(
        MESSAGES.c.thread_id,
        MESSAGES.c.parent_id,
        MESSAGES.c.role,
        MESSAGES.c.status,
        MESSAGES.c.finish_reason,
        MESSAGES.c.model,
        MESSAGES.c.parts,
        MESSAGES.c.size,
    ).where(MESSAGES.c.id == _id("message_id"), MESSAGES.c.deleted_at.is_(None))
)
"""What an answer that goes on has."""

CONTINUE_MESSAGE = Prepared(
    update(MESSAGES)
    .where(MESSAGES.c.id == _id("message_id"))
    .values(status="running", finish_reason="", error="", error_params={})
)
"""An answer goes on."""

DELETE_ENTRY = Prepared(delete(ENTRIES).where(ENTRIES.c.message_id == _id("message_id")))
"""Search does not find a message while it is written."""

ACTIVE_THREADS = Prepared(
    select(RUNS.c.thread_id).where(or_(*(RUNS.c.status == status for status in ACTIVE)))
)
"""The threads in which an answer is being written."""

PAGE_OF_THREADS = Prepared(
    select(
        THREADS.c.id,
        THREADS.c.title,
        THREADS.c.title_origin,
        THREADS.c.model,
        THREADS.c.created_at,
        THREADS.c.updated_at,
        THREADS.c.status,
        THREADS.c.external_id,
        THREADS.c.custom,
        THREADS.c.org_id,
    )
    .where(
        THREADS.c.org_id == _id("of_org"),
        THREADS.c.deleted_at.is_(None),
        THREADS.c.status == bindparam("status"),
    )
    # a row comparison, so that the index is entered at the cursor
    .where(
        tuple_(THREADS.c.updated_at, THREADS.c.id)
        < tuple_(bindparam("before", type_=THREADS.c.updated_at.type), _id("before_id"))
    )
    .order_by(THREADS.c.updated_at.desc(), THREADS.c.id.desc())
    .limit(bindparam("limit"))
)
"""Threads of an organisation, or private ones, of a status, by last activity, newest first, that
come after a sort key."""

STORED_BYTES = Prepared(select(owner_functions.stored_bytes()))
"""How much a user stores, wherever it is."""

STORED_REPORT_BYTES = Prepared(select(owner_functions.stored_report_bytes()))
"""How much a user's clients have reported, wherever it is."""

LOCK_MEMBERSHIP = Prepared(select(owner_functions.lock_membership()))
"""Whether a user belongs to an organisation; it is not deleted before the transaction ends."""

INSERT_THREAD = PreparedInsert(THREADS)
INSERT_MESSAGE = PreparedInsert(MESSAGES)
INSERT_RUN = PreparedInsert(RUNS)
INSERT_EVENT = PreparedInsert(EVENTS, is_repeatable=True)
INSERT_ENTRY = PreparedInsert(ENTRIES)
ADD_USAGE = PreparedAddition(USAGE)

CONTINUE_THREAD = Prepared(
    update(THREADS)
    .where(THREADS.c.id == _id("thread_id"))
    .values(
        title=bindparam("new_title"),
        model=bindparam("new_model"),
        head_id=_id("new_head"),
        updated_at=bindparam("now", type_=THREADS.c.updated_at.type),
        status="regular",
    )
)
"""A thread gets another message and its answer; that brings it back from the archive."""

TOUCH_THREAD = Prepared(
    # a transaction that began before must fail where writers run side by side (PostgreSQL)
    update(THREADS).where(THREADS.c.id == _id("thread_id")).values(head_id=THREADS.c.head_id)
)
"""A thread is written as it is: one that is locked, while something is added to its last answer."""

MOVE_THREAD = PreparedMove(
    update(THREADS).where(THREADS.c.id == _id("thread_id")).values(org_id=_id("org_id"))
)
"""A thread moves into an organisation, or out of one; its rows follow it by their keys."""

START_RUN = Prepared(
    update(RUNS)
    .where(RUNS.c.id == _id("run_id"), RUNS.c.status == "queued")
    .values(status="running", first_event_at=bindparam("now", type_=RUNS.c.first_event_at.type))
)
"""A run got its first token."""

RUN_TO_END = Prepared(
    select(
        RUNS.c.message_id,
        RUNS.c.model,
        RUNS.c.status,
        RUNS.c.created_at,
        RUNS.c.first_event_at,
        MESSAGES.c.owner_id,
        MESSAGES.c.org_id,
        MESSAGES.c.thread_id,
        MESSAGES.c.created_at.label("message_created_at"),
        MESSAGES.c.status.label("message_status"),
        MESSAGES.c.parts,
        MESSAGES.c.native,
    )
    .join(MESSAGES, MESSAGES.c.id == RUNS.c.message_id)
    .where(RUNS.c.id == _id("run_id"))
)
"""What the end of a run needs of it, and of an answer that it adds to."""

END_OF_RUN = Prepared(
    select(
        RUNS.c.status,
        RUNS.c.finish_reason,
        RUNS.c.error,
        RUNS.c.error_params,
        RUNS.c.last_seq,
        RUNS.c.finished_at,
        RUNS.c.cost_nanodollars,
        RUNS.c.input_tokens,
        RUNS.c.output_tokens,
        RUNS.c.reasoning_tokens,
        RUNS.c.cached_input_tokens,
        MESSAGES.c.parts,
    )
    .join(MESSAGES, MESSAGES.c.id == RUNS.c.message_id)
    .where(RUNS.c.id == _id("run_id"))
)
"""How a run ended, and the parts of its answer."""

EVENTS_OF_RUN = Prepared(
    select(EVENTS.c.seq, EVENTS.c.kind, EVENTS.c.payload)
    .where(EVENTS.c.run_id == _id("run_id"))
    .order_by(EVENTS.c.seq)
)
"""The log of a run."""

DELETE_EVENTS = Prepared(delete(EVENTS).where(EVENTS.c.run_id == _id("run_id")))

END_MESSAGE = Prepared(
    update(MESSAGES)
    .where(MESSAGES.c.id == _id("message_id"))
    .values(
        _new(
            MESSAGES.c.model,
            MESSAGES.c.parts,
            MESSAGES.c.native,
            MESSAGES.c.size,
            MESSAGES.c.status,
            MESSAGES.c.finish_reason,
            MESSAGES.c.error,
            MESSAGES.c.error_params,
        )
    )
)
"""An answer gets what its log folds to."""

CHANGE_PARTS = Prepared(
    update(MESSAGES)
    .where(MESSAGES.c.id == _id("message_id"))
    .values(_new(MESSAGES.c.parts, MESSAGES.c.size))
)
"""An answer that has ended gets another part, and keeps its end."""

END_RUN = Prepared(
    update(RUNS)
    .where(RUNS.c.id == _id("run_id"))
    .values(
        _new(
            RUNS.c.model,
            RUNS.c.status,
            RUNS.c.finish_reason,
            RUNS.c.error,
            RUNS.c.error_params,
            RUNS.c.last_seq,
            RUNS.c.finished_at,
            RUNS.c.input_tokens,
            RUNS.c.output_tokens,
            RUNS.c.reasoning_tokens,
            RUNS.c.cached_input_tokens,
            RUNS.c.cost_nanodollars,
        )
    )
)
"""A run is over."""


def _branch(*, exceeds: bool) -> Prepared:
    """The messages from one up to the root.

    Args:
        exceeds: Whether the message that exceeds `max_bytes` is read too, as the last one.
    """
    first = (
        select(
            MESSAGES.c.id,
            MESSAGES.c.parent_id,
            literal(1).label("depth"),
            MESSAGES.c.size.label("total"),
        )
        .where(MESSAGES.c.id == _id("leaf"))
        .cte("branch", recursive=True)
    )
    parent = MESSAGES.alias("parent")
    chain = first.union_all(
        select(parent.c.id, parent.c.parent_id, first.c.depth + 1, first.c.total + parent.c.size)
        .where(parent.c.id == first.c.parent_id)
        .where(first.c.depth < bindparam("limit"))
        .where(first.c.total < bindparam("max_bytes"))
    )
    found = (
        select(
            MESSAGES.c.parent_id,
            MESSAGES.c.id,
            MESSAGES.c.role,
            MESSAGES.c.parts,
            MESSAGES.c.status,
            MESSAGES.c.model,
            MESSAGES.c.native,
            MESSAGES.c.origin,
        )
        .join(chain, chain.c.id == MESSAGES.c.id)
        .order_by(chain.c.depth)
    )
    return Prepared(found if exceeds else found.where(chain.c.total <= bindparam("max_bytes")))


BRANCH_OF_PROMPT = _branch(exceeds=True)
"""The messages from one up to the root, the newest first, until they have `max_bytes` together; at
least one."""

SHORT_BRANCH_OF_PROMPT = _branch(exceeds=False)
"""The messages from one up to the root, the newest first, as many as fit; perhaps none."""

LOST_RUNS = Prepared(
    select(RUNS.c.id)
    .where(or_(*(RUNS.c.status == status for status in ACTIVE)), RUNS.c.id > _id("last"))
    .order_by(RUNS.c.id)
    .limit(bindparam("limit"))
)
"""Active runs, by their ids from one on, for the start."""


_MEMBERSHIPS = (
    select(
        func.aggregate_strings(
            cast(MEMBERSHIPS.c.org_id, String(36)) + ":" + MEMBERSHIPS.c.role,
            # as text of SQL: a value would be written into it at each execution
            literal_column("','"),  # pyright: ignore[reportArgumentType]
        )
    )
    .where(MEMBERSHIPS.c.user_id == USERS.c.id)
    .scalar_subquery()
)
"""Where a user belongs, and as what, in one text (`auth.principal.memberships_of`)."""

_SESSION_ID = _id("session_id")
_USER_AND_SESSION = (
    USERS.c.id,
    USERS.c.email,
    USERS.c.name,
    USERS.c.session_epoch,
    USERS.c.role,
    _MEMBERSHIPS,
    SESSIONS.c.id,
    SESSIONS.c.token_hash,
    SESSIONS.c.last_seen_at,
    SESSIONS.c.authenticated_at,
    SESSIONS.c.idle_expires_at,
    SESSIONS.c.expires_at,
    SESSIONS.c.remember,
    SESSIONS.c.method,
    SESSIONS.c.provider,
    SESSIONS.c.claims,
    SESSIONS.c.revoked_at,
)
"""The columns of `auth.sessions.models`: six of the user, then those of the session."""

SESSION_OF_TOKEN = Prepared(
    select(*_USER_AND_SESSION)
    .join_from(SESSIONS, USERS, USERS.c.id == SESSIONS.c.user_id)
    .where(SESSIONS.c.token_hash == bindparam("token_hash"), USERS.c.disabled_at.is_(None))
)
"""The session with a token and its user, who is not disabled; live or not."""

SESSION_OF_JWT = Prepared(
    select(*_USER_AND_SESSION)
    .join_from(USERS, SESSIONS, SESSIONS.c.id == _SESSION_ID, isouter=True)
    .where(
        USERS.c.id == _id("user_id"),
        USERS.c.disabled_at.is_(None),
        USERS.c.session_epoch == bindparam("epoch"),
        ~select(DENIED.c.session_id).where(DENIED.c.session_id == _SESSION_ID).exists(),
    )
)
"""The user of an encrypted JWT that is not denied, and its session, if that is stored."""

SESSION_BY_ID = Prepared(
    select(*_USER_AND_SESSION)
    .join_from(SESSIONS, USERS, USERS.c.id == SESSIONS.c.user_id)
    .where(
        SESSIONS.c.id == _SESSION_ID,
        SESSIONS.c.revoked_at.is_(None),
        SESSIONS.c.idle_expires_at > bindparam("now", type_=SESSIONS.c.idle_expires_at.type),
        USERS.c.disabled_at.is_(None),
    )
)
"""A live session and its user, who is not disabled."""

_KEY_AND_USER = (
    select(
        *(USERS.c.id, USERS.c.email, USERS.c.name, _MEMBERSHIPS),
        *(API_KEYS.c.id, API_KEYS.c.scopes, API_KEYS.c.expires_at, API_KEYS.c.last_used_at),
    )
    .join_from(API_KEYS, USERS, USERS.c.id == API_KEYS.c.user_id)
    .where(USERS.c.disabled_at.is_(None))
)
KEY_OF_TOKEN = Prepared(_KEY_AND_USER.where(API_KEYS.c.token_hash == bindparam("token_hash")))
"""The API key with a token and its user, who is not disabled; expired or not."""
KEY_BY_ID = Prepared(
    _KEY_AND_USER.where(API_KEYS.c.id == bindparam("key_id", type_=API_KEYS.c.id.type))
)
"""An API key and its user, who is not disabled; expired or not."""

USE_SESSION = Prepared(
    update(SESSIONS)
    .where(SESSIONS.c.id == _SESSION_ID, SESSIONS.c.revoked_at.is_(None))
    .values(_new(SESSIONS.c.last_seen_at, SESSIONS.c.idle_expires_at))
)
"""A session that is not revoked was used."""
USE_KEY = Prepared(
    update(API_KEYS)
    .where(API_KEYS.c.id == bindparam("key_id", type_=API_KEYS.c.id.type))
    .values(_new(API_KEYS.c.last_used_at))
)
"""An API key was used."""

APPEND_AUDIT_EVENT = PreparedAppend()
"""A new row of the audit log, not sealed yet."""

AUDIT_HEAD = Prepared(
    select(AUDIT_EVENTS.c.seq, AUDIT_EVENTS.c.seal, AUDIT_EVENTS.c.key_id)
    .where(AUDIT_EVENTS.c.seq.is_not(None))
    .order_by(AUDIT_EVENTS.c.seq.desc())
    .limit(1)
)
"""The row of the audit log that was sealed last."""

_AUDIT_COLUMNS = tuple(
    AUDIT_EVENTS.c[name]
    for name in (
        *("id", "at", "action", "actor", "subject_kind", "subject", "org_id", "network"),
        *("request_id", "details", "seq", "seal", "key_id", "anchor_seal"),
    )
)

UNSEALED_AUDIT_EVENTS = Prepared(
    select(*_AUDIT_COLUMNS)
    .where(AUDIT_EVENTS.c.seal.is_(None))
    .order_by(AUDIT_EVENTS.c.id)
    .limit(bindparam("most"))
)
"""The rows of the audit log that wait for a seal, in the order in which they were written."""

NEWEST_UNSEALED_KEY_CHANGE = Prepared(
    select(*_AUDIT_COLUMNS)
    .where(AUDIT_EVENTS.c.seal.is_(None), AUDIT_EVENTS.c.action == "audit_key_changed")
    .order_by(AUDIT_EVENTS.c.id.desc())
    .limit(1)
)
"""The row that the sealer has just written; others may have committed rows after it."""

SEAL_AUDIT_EVENT = Prepared(
    update(AUDIT_EVENTS)
    .where(AUDIT_EVENTS.c.id == bindparam("event_id"), AUDIT_EVENTS.c.seal.is_(None))
    .values(
        _new(
            *(AUDIT_EVENTS.c.seq, AUDIT_EVENTS.c.seal),
            *(AUDIT_EVENTS.c.key_id, AUDIT_EVENTS.c.anchor_seal),
        )
    )
)
"""Seals a row of the audit log."""

SEALED_AUDIT_EVENTS = Prepared(
    select(*_AUDIT_COLUMNS)
    .where(AUDIT_EVENTS.c.seq > bindparam("after", type_=AUDIT_EVENTS.c.seq.type))
    .order_by(AUDIT_EVENTS.c.seq)
    .limit(bindparam("most"))
)
"""The rows of the audit log that were sealed after another."""
