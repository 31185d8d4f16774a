"""Check the seals of the audit log: find changed, removed, moved and added rows, and a cut tail.

It reads a part of the log at a time, so a long log needs no more memory than a short one. Whoever
has the key can seal a log anew; a head that was noted elsewhere (`--head`) finds that too.
"""

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from chat_app.audit.encoding import GENESIS, PURPOSE, AuditRow, seal_of
from chat_app.audit.sealer import EMPTY, Head, head_of
from chat_app.core.crypto import KeyRing
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.prepared import Transaction
from chat_app.db.statements import SEALED_AUDIT_EVENTS, UNSEALED_AUDIT_EVENTS

_BATCH = 1_000  # rows in memory
MAX_PROBLEMS = 20
"""How many problems are described; the others are counted."""


class InvalidHead(InvalidInput):
    """It is not `SEQ:SEAL`."""

    code = "invalid_head"

    def __init__(self) -> None:
        super().__init__("A head is a number, a colon and a seal, as `audit head` prints it.")


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        rows: How many sealed rows there are.
        head: The last of them.
        unsealed: How many rows wait for a seal, up to a thousand.
        starts_at: The first row whose seal could be checked; None if there is none.
        problems: What is wrong, a sentence each, the first `MAX_PROBLEMS`.
        count: How many problems there are.
    """

    rows: int = 0
    head: Head = EMPTY
    unsealed: int = 0
    starts_at: int | None = None
    problems: list[str] = field(default_factory=list[str])
    count: int = 0

    def add(self, problem: str) -> None:
        """Add a problem."""
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def parse_head(text: str) -> tuple[int, str]:
    """The number and the seal of a head that was noted.

    Raises:
        InvalidHead: It is not one.
    """
    seq, _, seal = text.strip().partition(":")
    is_seal = len(seal) == len(GENESIS) and set(seal) <= set("0123456789abcdef")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19 and is_seal):
        raise InvalidHead
    return int(seq), seal


async def verify(
    db: Database, keyring: KeyRing, noted: tuple[int, str] | None = None
) -> Verification:
    """Check every seal.

    Args:
        db: The database.
        keyring: Has the keys. Rows of a key that it does not have are counted, not checked.
        noted: A head that was noted earlier: the number of a row and its seal.
    """
    check = _Check(keyring.mac_keys(PURPOSE), noted)
    async for event in _sealed(db):
        check.take(event)

    def look(one: Transaction) -> tuple[Head, int]:
        return head_of(one), len(one.all(UNSEALED_AUDIT_EVENTS, most=_BATCH))

    check.found.head, check.found.unsealed = await db.system_query("audit", look)
    check.finish()
    return check.found


async def _sealed(db: Database) -> AsyncIterator[AuditRow]:
    """The sealed rows in order."""
    after = -(2**63)
    while True:
        rows = await _page(db, after)
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        last = rows[-1].seq
        assert last is not None  # it is above the one before
        after = last


async def _page(db: Database, after: int) -> list[AuditRow]:
    rows = await db.system_query(
        "audit", lambda one: one.all(SEALED_AUDIT_EVENTS, after=after, most=_BATCH)
    )
    return [AuditRow(*row) for row in rows]


class _Check:
    """The state of a check between two rows."""

    def __init__(self, keys: Mapping[str, bytes], noted: tuple[int, str] | None) -> None:
        self.found = Verification()
        self._keys = keys
        self._noted = noted
        self._last = EMPTY
        self._previous: str | None = GENESIS  # None: the seal before is not known

    def take(self, event: AuditRow) -> None:
        """Check the next row."""
        found, last = self.found, self._last
        seq, key_id = event.seq or 0, event.key_id or ""
        found.rows += 1
        if seq != last.seq + 1:
            between = f"{last.seq + 1} to {seq - 1}" if seq > last.seq + 2 else f"{last.seq + 1}"
            found.add(
                f"Removed: row {between} is missing." if seq > 0 else f"Added: row {seq} before 1."
            )
            self._previous = None
        is_new_key = last.seq > 0 and key_id != last.key_id
        if is_new_key and event.action != "audit_key_changed":
            found.add(f"Changed: row {seq} has another key, and no row says that the key changed.")
        if (key := self._keys.get(key_id)) is None:
            if self.found.starts_at is not None:
                found.add(f"Changed: row {seq} has a key that is unknown.")
        else:
            if found.starts_at is None:
                found.starts_at = seq
            self._check_seal(event, seq, key)
            if is_new_key:
                self._check_anchor(event, seq)
        if self._noted is not None and seq == self._noted[0] and event.seal != self._noted[1]:
            found.add(f"Changed: row {seq} does not have the seal of the head that was noted.")
        self._previous = event.seal
        self._last = Head(seq, event.seal or "", key_id)

    def finish(self) -> None:
        """Check what is known after the last row."""
        if self._noted is not None and self._noted[0] > self._last.seq:
            self.found.add(
                f"Removed: the log ends at row {self._last.seq}, and the head that was noted is "
                f"row {self._noted[0]}."
            )

    def _check_seal(self, event: AuditRow, seq: int, key: bytes) -> None:
        if self._previous is None:
            return  # the gap before it is a problem already
        if not self._is_sealed(event, seq, key, event.seal):
            self.found.add(f"Changed: row {seq} does not fit its seal.")

    def _check_anchor(self, event: AuditRow, seq: int) -> None:
        # The row has a seal, so the key that it names is the one of the rows before it: another
        # `key_id` in them would only keep them from being checked.
        if _previous_key(event) != self._last.key_id:
            self.found.add(f"Changed: row {seq} names another key than the row before it has.")
            return
        key = self._keys.get(self._last.key_id)
        if key is None or self._previous is None:
            return
        if event.anchor_seal is None:
            self.found.add(f"Changed: row {seq} has no seal of the key before it.")
        elif not self._is_sealed(event, seq, key, event.anchor_seal):
            self.found.add(f"Changed: row {seq} does not fit the seal of the key before it.")

    def _is_sealed(self, event: AuditRow, seq: int, key: bytes, seal: str | None) -> bool:
        assert self._previous is not None
        content = event.signed(seq, event.key_id or "", self._previous)
        return hmac.compare_digest(seal_of(key, content), seal or "")


def _previous_key(event: AuditRow) -> str | None:
    """The key that a row names as the one before; None if its details are not what was sealed."""
    try:
        found = json.loads(event.details)
        return found["previous_key"]
    except (ValueError, TypeError, KeyError):
        return None
