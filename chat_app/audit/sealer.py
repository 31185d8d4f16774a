"""The one writer of seals: each row in order, with an HMAC of it and of the seal before.

It runs in the process that owns the database. A row that a killed process left without a seal gets
it at the next start. On SQLite the order is that of the commits. On PostgreSQL a row whose
transaction commits late comes after the rows that were sealed meanwhile.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from sqlmodel import col, select

from chat_app.audit.append import entry
from chat_app.audit.encoding import GENESIS, PURPOSE, AuditRow, seal_of
from chat_app.audit.failures import FailureCounts
from chat_app.core.clock import Clock, Sleep
from chat_app.core.crypto import KeyRing
from chat_app.core.logging import log_unexpected_error
from chat_app.db.engine import DATABASE_ERRORS, Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import (
    AUDIT_HEAD,
    NEWEST_UNSEALED_KEY_CHANGE,
    SEAL_AUDIT_EVENT,
    UNSEALED_AUDIT_EVENTS,
)
from chat_app.db.tables import AuditIdentity, User

SEAL_SECONDS = 0.5
"""How long a row waits for its seal, at most, beside the time that the database takes."""
RETRY_SECONDS = 10.0
"""How long the writer waits after the database failed."""
HEAD_EVERY = timedelta(hours=1)
"""How often the head is logged."""
_BATCH = 500  # rows in one transaction

logger = logging.getLogger(__name__)


class Head(NamedTuple):
    """The row that was sealed last.

    Args:
        seq: Its number; 0 for an empty log.
        seal: Its seal.
        key_id: The key that sealed it; empty for an empty log.
    """

    seq: int
    seal: str
    key_id: str

    def __str__(self) -> str:
        """As `audit head` prints it, and `audit verify --head` takes it."""
        return f"{self.seq}:{self.seal}"


EMPTY = Head(0, GENESIS, "")


def head_of(transaction: Transaction) -> Head:
    """The row that was sealed last, in a transaction."""
    found = transaction.first(AUDIT_HEAD)
    return EMPTY if found is None else Head(found[0], found[1] or "", found[2] or "")


@dataclass(slots=True)
class Sealer:
    """Seals rows in the background.

    Args:
        db: The database, which this process owns.
        keyring: Has the keys.
        clock: The time.
        sleep: Waits between two rounds.
        failures: Failed sign-ins, which are written here.
    """

    db: Database
    keyring: KeyRing
    clock: Clock
    failures: FailureCounts
    sleep: Sleep = asyncio.sleep
    _head: Head | None = field(default=None, init=False)
    _logged_at: datetime | None = field(default=None, init=False)

    async def run(self) -> None:
        """Seal rows until this is cancelled; a failure is logged and waited for, also a bug."""
        is_failing = is_prepared = False
        while True:
            try:
                if not is_prepared:
                    await self.identify_users()
                    is_prepared = True
                await self.step()
                is_failing = False
            except DATABASE_ERRORS as error:
                if not is_failing:
                    logger.warning(
                        "The audit log can't be sealed now, it will be tried again: %s",
                        type(error).__name__,
                    )
                is_failing = True
            except Exception as error:  # or nothing would be sealed until the next start
                if not is_failing:
                    log_unexpected_error(error, "the sealing of the audit log")
                is_failing = True
            await self.sleep(RETRY_SECONDS if is_failing else SEAL_SECONDS)

    async def step(self) -> None:
        """Write what has been counted, seal every row that waits, and log the head if it is due."""
        await self._write_failures()
        while await self.seal() >= _BATCH:
            pass
        self._log_head()

    async def finish(self) -> None:
        """Write and seal everything, before this process ends."""
        self.failures.close_windows()
        await self.step()

    async def seal(self) -> int:
        """Seal the rows that wait, up to a batch of them, in one transaction.

        Returns:
            How many were sealed.
        """

        def look(one: Transaction) -> tuple[Head, bool]:
            return head_of(one), bool(one.all(UNSEALED_AUDIT_EVENTS, most=1))

        found, is_waiting = await self.db.system_query("audit", look)
        self._check(found)
        if not is_waiting:
            return 0
        keys = self.keyring.mac_keys(PURPOSE)
        self._head = None  # not known any more if this is cancelled: the commit may still happen
        count, self._head = await self.db.system_transact(
            "audit", lambda one: _seal_batch(one, keys, self.clock())
        )
        return count

    async def identify_users(self) -> None:
        """Give an identity to users without one, whom an earlier version has added meanwhile."""
        missing = (
            select(User.id)
            .outerjoin(AuditIdentity, col(AuditIdentity.owner_id) == col(User.id))
            .where(col(AuditIdentity.owner_id).is_(None))
        )
        async with self.db.system("audit") as reading:
            if (await reading.exec(missing.limit(1))).first() is None:
                return
        async with self.db.system("audit", write=True) as session:
            for user_id in (await session.exec(missing)).all():
                session.add(AuditIdentity(owner_id=user_id, audit_id=str(uuid4())))

    async def _write_failures(self) -> None:
        waiting = self.failures.take(self.clock())
        if not waiting:
            return

        def write(one: Transaction) -> None:
            for each in waiting:
                each.append_to(one)

        try:
            await self.db.system_transact("audit", write)
        except BaseException:
            self.failures.put_back(waiting)
            raise

    def _check(self, found: Head) -> None:
        """Compare the head with the one that this writer left; it can't change beside it."""
        if self._head is not None and found != self._head:
            logger.error(
                "The audit log was changed beside the server: its head is %s and was %s.",
                *(found, self._head),
            )
        self._head = found

    def _log_head(self) -> None:
        now = self.clock()
        if self._head is None or self._head == EMPTY:
            return
        if self._logged_at is not None and now < self._logged_at + HEAD_EVERY:
            return
        self._logged_at = now
        logger.info("The head of the audit log is %s", self._head)


def _seal_batch(
    transaction: Transaction, keys: Mapping[str, bytes], now: datetime
) -> tuple[int, Head]:
    """Seal the rows that wait; the first row of a new key comes before them."""
    head = head_of(transaction)
    key_id = next(iter(keys))
    is_new_key = head.seq > 0 and head.key_id != key_id
    rows = [AuditRow(*row) for row in transaction.all(UNSEALED_AUDIT_EVENTS, most=_BATCH)]
    if is_new_key:
        anchor = entry(
            "audit_key_changed",
            actor="system",
            details={"previous_key": head.key_id},
            clock=lambda: now,
        )
        anchor.append_to(transaction)
        rows = [AuditRow(*row) for row in transaction.all(NEWEST_UNSEALED_KEY_CHANGE)] + rows
    sealed: list[dict[str, object]] = []
    for row in rows:
        seq = head.seq + 1
        content = row.signed(seq, key_id, head.seal)
        is_anchor = is_new_key and not sealed
        previous_key = keys.get(head.key_id) if is_anchor else None
        sealed.append(
            {
                "event_id": row.id,
                "new_seq": seq,
                "new_seal": seal_of(keys[key_id], content),
                "new_key_id": key_id,
                "new_anchor_seal": seal_of(previous_key, content) if previous_key else None,
            }
        )
        head = Head(seq, str(sealed[-1]["new_seal"]), key_id)
    transaction.run_each(SEAL_AUDIT_EVENT, sealed)
    return len(rows), head
