"""How the audit log reads on its page: names, plain words, and what is left out."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chat_app.audit.queries import AuditedUser
from chat_app.db.tables import AuditEvent
from chat_app.states.audit_log import audit_item

AT = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
ADA = AuditedUser(uuid4(), "ada@example.org", "Ada")
EVE = AuditedUser(uuid4(), "eve@example.org", "")


def _event(**given: object) -> AuditEvent:
    values = {"id": 7, "at": AT, "action": "user_disabled", "actor": "a", **given}
    return AuditEvent.model_validate(values)


def test_it_says_who_did_what_to_whom_when_and_from_where() -> None:
    event = _event(
        subject_kind="user", subject="e", network="192.0.2.0/24", details='{"reason":"left"}'
    )
    item = audit_item(event, {"a": ADA, "e": EVE})
    assert item.title == "Account disabled"
    assert item.people == "Ada (ada@example.org) → eve@example.org"
    assert item.detail == "1 March 2026, 09:05:07 UTC · 192.0.2.0/24 · reason: left"


def test_whoever_acted_alone_is_named_once() -> None:
    item = audit_item(_event(subject_kind="user", subject="a"), {"a": ADA})
    assert item.people == "Ada (ada@example.org)"


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("system", "The system"),
        ("command line", "The command line"),
        ("anonymous", "Not signed in"),
        ("gone", "Deleted user"),
        ("deleted user", "Deleted user"),
    ],
)
def test_what_acts_without_a_name_is_told_in_words(actor: str, expected: str) -> None:
    assert audit_item(_event(actor=actor), {"a": ADA}).people == expected


def test_ids_and_what_is_not_so_are_left_out() -> None:
    details = '{"method":"password","second_factor":false,"session":"x"}'
    assert audit_item(_event(details=details), {}).detail.endswith("UTC · method: password")
    details = '{"second_factor":true}'
    assert audit_item(_event(details=details), {}).detail.endswith("UTC · second factor")
