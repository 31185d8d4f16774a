"""What a user's clients report of their chats: runs, feedback, events and scores.

They are kept for `CLIENT_REPORTS_DAYS`, with their thread at the longest. Nothing here reaches a
model.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal
from uuid import UUID, uuid4

from limits import parse
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.errors import RateLimited, TooLarge, wait_phrase
from chat_app.core.json_values import json_value
from chat_app.core.rate_limit import Budget, RateLimiter
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.scoped_session import ScopedSession
from chat_app.db.statements import STORED_REPORT_BYTES
from chat_app.db.tables import ClientReport, Thread
from chat_app.settings import Settings
from chat_app.threads import queries
from chat_app.threads.user_limits import ROW_BYTES

ReportKind = Literal["run", "feedback", "event", "score"]
"""What a report is about."""

_PURGED_AT_ONCE = 500  # so that others can write in between


class ReportsFull(TooLarge):
    """The user's clients have reported as much as is kept."""

    code = "reports_full"


class ClientReports:
    """Stores what the principal's clients report.

    Args:
        db: The database.
        settings: How much is kept, how long, and how often a client may report.
        clock: The time in rows.
    """

    def __init__(self, db: Database, settings: Settings, clock: Clock) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._rate = parse(settings.limit_reports)
        self._limiter = RateLimiter(_too_many, clock)

    async def add(
        self,
        principal: Principal,
        kind: Literal["run", "score"],
        content: Mapping[str, Any],
        *,
        thread_id: UUID | None = None,
        message: str | None = None,
    ) -> UUID:
        """Store a report.

        Args:
            principal: The user.
            kind: What it is about.
            content: What the client sent; a JSON object.
            thread_id: The thread that it is about.
            message: The message in it, by its id or the client's.

        Returns:
            The id of the report.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or deleted.
            RateLimited: The user's clients report too often.
            ReportsFull: It does not fit.
        """
        report = self._report(principal, kind, content)
        async with self._counted(principal), self._db.write(principal) as session:
            if thread_id is not None:
                _be_about(report, await queries.thread_row(session, thread_id))
                if message is not None:
                    report.message_id, _ = await queries.find_message(session, thread_id, message)
            await self._store(session, [report])
        return report.id

    async def add_events(
        self, principal: Principal, events: Sequence[tuple[str | None, Mapping[str, Any]]]
    ) -> None:
        """Store events of the user's interface.

        One that names a thread which is not there is stored all the same: it may have been deleted
        before the client sent it.

        Args:
            principal: The user.
            events: The id of the thread of each as the client has it, and what the client sent.

        Raises:
            RateLimited: The user's clients report too often.
            ReportsFull: They do not fit.
        """
        ids = dict[str, UUID]()
        for given, _ in events:
            with suppress(ValueError):
                ids[given or ""] = UUID(given or "")
        reports = [self._report(principal, "event", content) for _, content in events]
        async with self._counted(principal), self._db.write(principal) as session:
            is_named = col(Thread.id).in_(set(ids.values())), col(Thread.deleted_at).is_(None)
            there: dict[UUID | None, Thread] = {
                row.id: row for row in await session.exec(select(Thread).where(*is_named))
            }
            for report, (given, _) in zip(reports, events, strict=True):
                if (thread := there.get(ids.get(given or ""))) is not None:
                    _be_about(report, thread)
            await self._store(session, reports)

    async def set_feedback(
        self, principal: Principal, thread_id: UUID, message: str, content: Mapping[str, Any]
    ) -> UUID:
        """Store what the user thinks of a message, in place of what they thought before.

        Args:
            principal: The user.
            thread_id: The thread.
            message: The message, by its id or the client's.
            content: What the client sent; a JSON object.

        Returns:
            The id of the feedback, which stays the same.

        Raises:
            NotFound: The thread, or the message in it, is missing, foreign or deleted.
            RateLimited: The user's clients report too often.
            ReportsFull: It does not fit.
        """
        store = partial(self._set_feedback, principal, thread_id, message, content)
        async with self._counted(principal):
            try:
                return await store()
            except IntegrityError:
                return await store()  # it was given at the same time; now it is there

    async def purge(self) -> int:
        """Remove what is older than `client_reports_days`, a little at a time.

        Returns:
            How many reports were removed.
        """
        before = self._clock() - timedelta(days=self._settings.client_reports_days)
        due = select(ClientReport.id).where(col(ClientReport.created_at) < before)
        count = 0
        while True:
            most = self._db.purged_at_once(_PURGED_AT_ONCE)
            async with self._db.system("sweep") as session:
                ids = (await session.exec(due.limit(most))).all()
            if not ids:
                return count
            async with self._db.system("sweep", write=True) as session:
                await session.exec(delete(ClientReport).where(col(ClientReport.id).in_(ids)))
            count += len(ids)

    async def _set_feedback(
        self, principal: Principal, thread_id: UUID, message: str, content: Mapping[str, Any]
    ) -> UUID:
        report = self._report(principal, "feedback", content)
        async with self._db.write(principal) as session:
            _be_about(report, await queries.thread_row(session, thread_id))
            report.message_id, _ = await queries.find_message(session, thread_id, message)
            found = await session.exec(
                select(ClientReport)
                .where(col(ClientReport.message_id) == report.message_id)
                .where(col(ClientReport.kind) == "feedback")
                .with_for_update()
            )
            held = found.first()
            if held is None:
                await self._store(session, [report])
                return report.id
            await self._admit(session, report.size - held.size)
            held.content, held.size = report.content, report.size
            held.created_at = report.created_at
            return held.id

    def _report(
        self, principal: Principal, kind: ReportKind, content: Mapping[str, Any]
    ) -> ClientReport:
        kept = json_value(dict(content))
        return ClientReport(
            id=uuid4(),
            owner_id=principal.user_id,
            kind=kind,
            content=kept,
            size=len(json.dumps(kept)),
            created_at=self._clock(),
        )

    async def _store(self, session: ScopedSession, reports: Sequence[ClientReport]) -> None:
        await self._admit(session, sum(report.size + ROW_BYTES for report in reports))
        session.add_all(reports)
        await session.flush()

    async def _admit(self, session: ScopedSession, size: int) -> None:
        """Check that reports fit.

        Raises:
            ReportsFull: They do not.
        """
        stored = await session.execute_prepared(_reported_bytes)
        most = self._settings.client_reports_bytes
        if stored + size > most:
            raise ReportsFull(
                f"Your clients have reported {most / 1e6:,.0f} MB, as much as this server keeps. "
                f"Reports are removed after {self._settings.client_reports_days} days."
            )

    def _counted(self, principal: Principal) -> Any:
        return self._limiter.attempt(Budget(self._rate, (str(principal.user_id),)))


def _too_many(seconds: int) -> RateLimited:
    return RateLimited(f"Too many reports. Try again {wait_phrase(seconds)}.", seconds)


def _reported_bytes(transaction: Transaction) -> int:
    row = transaction.first(STORED_REPORT_BYTES, row_bytes=ROW_BYTES)
    assert row is not None
    return row[0]


def _be_about(report: ClientReport, thread: Thread) -> None:
    report.thread_id, report.org_id = thread.id, thread.org_id
