"""What a seal is made of: a row of the audit log as bytes, and the seal before it."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

PURPOSE = "audit log"
"""Of the key, in the key ring."""
GENESIS = "0" * 64
"""What stands for the seal before the first one."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of the audit log (`db.tables.AuditEvent`), with its columns in order."""

    id: int
    at: datetime
    action: str
    actor: str
    subject_kind: str
    subject: str
    org_id: UUID | None
    network: str
    request_id: str
    details: str
    seq: int | None = None
    seal: str | None = None
    key_id: str | None = None
    anchor_seal: str | None = None

    def signed(self, seq: int, key_id: str, previous: str) -> bytes:
        """What is sealed: every value of the row but its `id`, and the seal before it.

        Args:
            seq: Its number in the log.
            key_id: The key that seals it.
            previous: The seal of the row before it.
        """
        at = (self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)).astimezone(UTC)
        values = [
            *(1, previous, seq, key_id, at.isoformat(timespec="microseconds")),
            *(self.action, self.actor, self.subject_kind, self.subject),
            None if self.org_id is None else str(self.org_id),
            *(self.network, self.request_id, self.details),
        ]
        return canonical_json(values).encode()


def seal_of(key: bytes, content: bytes) -> str:
    """HMAC-SHA-256 in hexadecimal (RFC 2104)."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def canonical_json(value: Mapping[str, Any] | list[Any]) -> str:
    """JSON of one form only: keys in order, no spaces, ASCII."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
