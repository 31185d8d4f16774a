"""The session for work that belongs to no person: each use gives a reason from this list.

A test compares the call sites with an allow-list, so a new one is seen in review.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

REASONS: dict[str, str] = {
    "auth": "Sessions and accounts are looked up before anybody is known.",
    "run log": "One writer commits the events of every person's running answers together.",
    "run recovery": "At start, answers that a lost process left running are closed.",
    "sweep": "Threads deleted long ago and expired sessions are removed for good.",
    "command line": "The operator names a person by e-mail address.",
}
"""Reason → why no principal can do it."""


class UnknownReason(Exception):
    """A system session was asked for without a registered reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason!r} is not a reason for a system session; see db/system.py.")


class SystemSession(AsyncSession):
    """An unscoped session. Only `Database.system` makes one."""


def check_reason(reason: str) -> None:
    """Refuse a reason that nobody wrote down.

    Raises:
        UnknownReason: It is not in `REASONS`.
    """
    if reason not in REASONS:
        raise UnknownReason(reason)
