"""Scoped database sessions, restricted to one user's rows, and system sessions, with a reason.

A test compares the call sites of system sessions with an allow-list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import event, inspect, orm
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import ORMExecuteState, UOWTransaction
from sqlalchemy.orm.attributes import History
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.core.errors import DatabaseFull, NotFound
from chat_app.core.signals import Bus, PublishedSignal, Signal
from chat_app.db.full_text import write_entries
from chat_app.db.prepared import ServerDriver, Transaction
from chat_app.db.row_level_security import QueryRefused, RowScope, owned_by
from chat_app.db.statements import ADD_USAGE, APPEND_AUDIT_EVENT
from chat_app.db.tables import NEED_ROOM, ONLY_READ, OWNED, PRIVATE, InOrganisation, Owned

_T = TypeVar("_T")

REASONS: dict[str, str] = {
    "auth": "Sessions and accounts are looked up before the user is known.",
    "run log": "One writer commits the events of all users' active runs together.",
    "run recovery": "At start, runs that a killed process left active are finalized.",
    "sweep": "Deleted threads and expired sessions are removed for good.",
    "search backlog": "At start, what an earlier version has written is indexed.",
    "health": "The readiness check reads no user's data.",
    "administration": "A site admin administers users and reads counts, never content.",
    "command line": "The operator administers users and names them by email.",
    "account changes": "The operator or a site admin disables, enables or deletes a user.",
    "organisations": "Members and invitations are those of an organisation, not of one user.",
    "signals": "A command stores what the server shall hear, of whichever user.",
    "announcements": "What is announced is for every user, and no user's row.",
    "grants": "Who reads by a grant, and what was read, is told to its owner, who is another user.",
    "model rules": "Which models are on is the same for all users of a role.",
    "audit": "One writer seals the audit log, which outlives the users that it is about.",
}
"""Reason → why it has no principal."""


class UnknownReason(Exception):
    """The reason of a system session is not registered."""


IsFull = Callable[[], bool]
"""Whether the disk is full, so that no row is added that needs room."""


def _never_full() -> bool:
    return False


class SyncSystemSession(Session):
    """The synchronous half of `SystemSession`."""

    def __init__(self, *args: Any, is_full: IsFull, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.is_full = is_full


class SystemSession(AsyncSession):
    """An unscoped session. Created by `Database.system` only.

    What is appended to `after_commit` is called when the block has committed, and never otherwise.

    Attributes:
        signals: What `publish` was given; a command stores it before the commit (`db.outbox`).
        are_stored: Whether it was.
    """

    sync_session_class = SyncSystemSession

    def __init__(self, engine: AsyncEngine, is_full: IsFull = _never_full) -> None:
        super().__init__(engine, expire_on_commit=False, is_full=is_full)
        self.after_commit: list[Callable[[], None]] = []
        self.signals: list[PublishedSignal] = []
        self.are_stored = False

    def publish(self, bus: Bus, topic: str, signal: Signal) -> None:
        """Publish a signal when this transaction has committed, and never otherwise.

        Args:
            bus: The bus of this process. A server hears what a command publishes, too.
            topic: The topic.
            signal: The signal.
        """
        self.signals.append(PublishedSignal(topic, signal))

        def send() -> None:
            (bus.deliver if self.are_stored else bus.publish)(topic, signal)

        self.after_commit.append(send)

    async def append_audit(self, values: Mapping[str, Any]) -> None:
        """Add a row to the audit log in this transaction. Called by `chat_app.audit` only.

        Args:
            values: The parameters of `statements.APPEND_AUDIT_EVENT`.
        """
        await self.flush()  # the identity of a user who is new
        await (await self.connection()).execute(APPEND_AUDIT_EVENT.statement, dict(values))

    async def add_usage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add counters to rows of the usage ledger, or the rows where there are none.

        Args:
            rows: Whole rows: the parameters of `statements.ADD_USAGE`.
        """
        if rows:
            connection = await self.connection()
            statement = ADD_USAGE.in_dialect(connection.dialect)
            await connection.execute(statement, [dict(row) for row in rows])

    async def require(self, table: type[_T], key: object) -> _T:
        """The row with a primary key.

        Raises:
            NotFound: There is none.
        """
        row = await self.get(table, key)
        if row is None:
            raise NotFound
        return row


def check_reason(reason: str) -> None:
    """Refuse a reason that is not registered.

    Raises:
        UnknownReason: It is not in `REASONS`.
    """
    if reason not in REASONS:
        raise UnknownReason(f"{reason!r} is not in {__name__}.REASONS.")


class Unscoped(QueryRefused):
    """A scoped session was opened without a user."""


_OPTIONS = frozenset(
    {"populate_existing", "autoflush", "yield_per", "stream_results", "max_row_buffer"}
    | {"synchronize_session", "prebuffer_rows", "logging_token"}
)
"""The allowed execution options; others change how a statement is compiled or sent."""


class Scope(Protocol):
    """What a scoped session needs of a principal."""

    @property
    def user_id(self) -> UUID:
        """The id of the user."""
        ...

    @property
    def credential_id(self) -> UUID:
        """The id of the credential (a session)."""
        ...

    @property
    def memberships(self) -> Mapping[UUID, str]:
        """The role of the user in each organisation to which they belong."""
        ...


def scope_of(principal: Scope) -> RowScope:
    """The rows that a principal reaches.

    Raises:
        Unscoped: The principal has no real ids.
    """
    for name in ("user_id", "credential_id"):
        if type(getattr(principal, name, None)) is not UUID:
            raise Unscoped(f"A scoped session needs a principal with a real {name}.")
    return RowScope(principal.user_id, frozenset(principal.memberships))


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """A grant that its reader may use now. `orgs.reading` makes it, for one read; a test compares.

    Args:
        id: The grant.
        subject_id: Whose threads may be read.
        org_id: In which organisation.

    Raises:
        Unscoped: An id is not a UUID, or the organisation is none.
    """

    id: UUID
    subject_id: UUID
    org_id: UUID

    def __post_init__(self) -> None:
        for name in ("id", "subject_id", "org_id"):
            if type(getattr(self, name)) is not UUID:
                raise Unscoped(f"A grant needs a real UUID as {name}.")
        if self.org_id == PRIVATE:
            raise Unscoped("A grant is for an organisation.")

    @property
    def scope(self) -> RowScope:
        """The rows that it reaches."""
        return RowScope(self.subject_id, frozenset({self.org_id}), is_grant=True)


def _refused(call: str) -> Any:
    """A method that is refused because it skips the flush or the scope."""

    def refuse(*_args: object, **_kw: object) -> NoReturn:
        raise QueryRefused(f"A scoped session has no {call}: it would bypass the scope.")

    return refuse


class SyncScopedSession(Session):
    """The synchronous half of `ScopedSession`, with the listeners below."""

    def __init__(
        self, *args: Any, scope: RowScope, read_only: bool, is_full: IsFull, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self.is_full = is_full
        self.scope = scope
        self.read_only = read_only

    connection = _refused("connection()")
    bulk_save_objects = _refused("bulk_save_objects()")
    bulk_insert_mappings = _refused("bulk_insert_mappings()")
    bulk_update_mappings = _refused("bulk_update_mappings()")
    enable_relationship_loading = _refused("enable_relationship_loading()")


class ScopedSession(AsyncSession):
    """A session that reads and writes the rows of one user. Created by `Database` only.

    What is appended to `after_commit` is called as that of a `SystemSession`.

    Args:
        engine: An engine restricted by `restrict_to_owner`.
        principal: The owner, or the rows that a grant reaches.
        read_only: Whether writing is refused.
        is_full: Whether the disk is full.

    Raises:
        Unscoped: The principal has no real ids.
    """

    sync_session_class = SyncScopedSession

    def __init__(
        self,
        engine: AsyncEngine,
        principal: Scope | RowScope,
        *,
        read_only: bool = False,
        is_full: IsFull = _never_full,
    ) -> None:
        scope = principal if isinstance(principal, RowScope) else scope_of(principal)
        super().__init__(
            owned_by(engine, scope),
            expire_on_commit=False,
            scope=scope,
            read_only=read_only,
            is_full=is_full,
        )
        self.after_commit: list[Callable[[], None]] = []

    async def append_audit(self, values: Mapping[str, Any]) -> None:
        """See `SystemSession.append_audit`; the identities are the owner's, or nobody's.

        Raises:
            QueryRefused: The session only reads.
        """

        await self.flush()

        def append(session: orm.Session) -> None:
            assert isinstance(session, SyncScopedSession)
            if session.read_only:
                raise QueryRefused("This session only reads; open one with write().")
            Session.connection(session).execute(APPEND_AUDIT_EVENT.statement, dict(values))

        await self.run_sync(append)

    async def execute_prepared(self, work: Callable[[Transaction], _T]) -> _T:
        """Execute prepared statements in this transaction, after what was added."""
        await self.flush()

        def execute(session: orm.Session) -> _T:
            assert isinstance(session, SyncScopedSession)
            connection = Session.connection(session)
            driver = ServerDriver(connection)
            is_full = session.is_full()
            return work(Transaction(driver, connection.dialect, session.scope, is_full=is_full))

        return await self.run_sync(execute)

    connection = _refused("connection()")
    get_bind = _refused("get_bind()")


@event.listens_for(SyncScopedSession, "do_orm_execute")
def _check_statement(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, SyncScopedSession)
    if not state.is_orm_statement or state.is_from_statement:
        raise QueryRefused("A scoped session takes ORM statements only.")
    if state.is_insert:
        raise QueryRefused("A scoped session takes no INSERT; add the rows.")
    if "bind" in state.bind_arguments:
        raise QueryRefused("A scoped session keeps its own engine.")
    for option in state.execution_options:
        if option not in _OPTIONS and not option.startswith("_"):
            raise QueryRefused(f"A scoped session does not take the option {option!r}.")
    if state.is_select:
        return
    if session.read_only:
        raise QueryRefused("This session only reads; open one with write().")
    if state.is_executemany or isinstance(state.parameters, list | tuple):
        raise QueryRefused("A scoped session takes no UPDATE or DELETE of a list; use a condition.")


@event.listens_for(SyncScopedSession, "before_flush")
@event.listens_for(SyncSystemSession, "before_flush")
def _check_room(
    session: SyncScopedSession | SyncSystemSession, _flush: UOWTransaction, _rows: Any
) -> None:
    if any(isinstance(row, NEED_ROOM) for row in session.new) and session.is_full():
        raise DatabaseFull


event.listen(SyncScopedSession, "after_flush", write_entries)
event.listen(SyncSystemSession, "after_flush", write_entries)


@event.listens_for(SyncScopedSession, "before_flush")
def _check_rows(session: SyncScopedSession, _flush: UOWTransaction, _rows: Any) -> None:
    new, existing = list(session.new), [*session.dirty, *session.deleted]
    if session.read_only and (new or existing):
        raise QueryRefused("This session only reads; open one with write().")
    for row in (*new, *existing):
        _check_type(row)
        if isinstance(row, ONLY_READ):
            raise QueryRefused(f"A scoped session does not write {type(row).__name__}.")
    for row in new:
        if getattr(row, "owner_id", None) is None:
            row.owner_id = session.scope.owner
    for row in (*new, *existing):
        # a changed owner shows both the old and the new id
        if any(id_ != session.scope.owner for id_ in _values(row, "owner_id")):
            raise QueryRefused("This row belongs to another user.")
        if isinstance(row, InOrganisation):
            org_ids = _values(row, "org_id")
            if not all(map(session.scope.has, org_ids)):
                raise QueryRefused("The user does not belong to the organisation of this row.")
            if len(org_ids) > 1:
                raise QueryRefused("A row's organisation cannot be changed; move its thread.")


@event.listens_for(SyncScopedSession, "before_attach")
def _check_origin(_session: SyncScopedSession, row: Any) -> None:
    _check_type(row)
    if inspect(row).key is not None:
        raise QueryRefused("This row was loaded by another session; load it in this one.")


def _values(row: Owned, column: str) -> list[UUID]:
    history: History = inspect(row).attrs[column].history
    return [*(history.added or ()), *(history.unchanged or ()), *(history.deleted or ())]


def _check_type(row: object) -> None:
    if not isinstance(row, OWNED):
        raise QueryRefused(f"A scoped session does not reach {type(row).__name__}.")
