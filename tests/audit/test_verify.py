"""Verifying: each way of tampering is found, also without the key that sealed the oldest rows."""

import asyncio
import re
import tracemalloc

import pytest

from chat_app.audit.encoding import GENESIS, PURPOSE, AuditRow, seal_of
from chat_app.audit.sealer import head_of
from chat_app.audit.verify import InvalidHead, Verification, parse_head, verify
from chat_app.core.crypto import KeyRing
from chat_app.db.engine import Database
from testing.audit_log import events_of, sealer_of, settings_of, tamper, write_events
from testing.database import DatabaseUnderTest

OLD, NEW = "first-key-" + "ab12" * 8, "second-key-" + "cd34" * 8
_COLUMNS = (
    "at, action, actor, subject_kind, subject, org_id, network, request_id, details, key_id, "
    "anchor_seal"
)


async def sealed(database: DatabaseUnderTest, db: Database, count: int = 9) -> tuple[int, str]:
    """A log of so many sealed rows; its head."""
    await write_events(db, count)
    sealer = sealer_of(db, settings_of(database))
    while await sealer.seal():
        pass
    head = await db.system_query("audit", head_of)
    return head.seq, head.seal


async def check(
    database: DatabaseUnderTest, db: Database, noted: tuple[int, str] | None = None
) -> Verification:
    return await verify(db, KeyRing(settings_of(database)), noted)


async def test_an_untouched_log_fits(database: DatabaseUnderTest, db: Database) -> None:
    assert (await check(database, db)).rows == 0
    noted = await sealed(database, db)
    await write_events(db, 2)
    found = await check(database, db, noted)
    assert (found.rows, found.count, found.unsealed, found.starts_at) == (9, 0, 2, 1)
    assert (found.head.seq, found.head.seal) == noted


TAMPERINGS = {
    "a changed actor": ("UPDATE audit_event SET actor = 'x' WHERE seq = 4", r"Changed: row 4 "),
    "a changed action": ("UPDATE audit_event SET action = 'x' WHERE seq = 1", r"Changed: row 1 "),
    "changed details": (
        'UPDATE audit_event SET details = \'{"setting":"x"}\' WHERE seq = 9',
        r"Changed: row 9 ",
    ),
    "a changed subject": ("UPDATE audit_event SET subject = 'x' WHERE seq = 5", r"Changed: row 5"),
    "a changed kind": (
        "UPDATE audit_event SET subject_kind = 'x' WHERE seq = 5",
        r"Changed: row 5 ",
    ),
    "a changed network": ("UPDATE audit_event SET network = 'x' WHERE seq = 5", r"Changed: row 5"),
    "a changed request": (
        "UPDATE audit_event SET request_id = 'x' WHERE seq = 5",
        r"Changed: row 5 ",
    ),
    "a changed organisation": (
        "UPDATE audit_event SET org_id = '00000000000000000000000000000001' WHERE seq = 5",
        r"Changed: row 5 ",
    ),
    "a changed time": (
        "UPDATE audit_event SET at = CURRENT_TIMESTAMP WHERE seq = 5",
        r"Changed: row 5 ",
    ),
    "a removed row": ("DELETE FROM audit_event WHERE seq = 4", r"Removed: row 4 is missing"),
    "removed rows": (
        "DELETE FROM audit_event WHERE seq BETWEEN 4 AND 6",
        r"Removed: row 4 to 6 is missing",
    ),
    "a removed row, and a changed one behind it": (
        "DELETE FROM audit_event WHERE seq = 4; UPDATE audit_event SET actor = 'x' WHERE seq = 7",
        r"Removed: row 4 is missing.*Changed: row 7 ",
    ),
    "a removed beginning": ("DELETE FROM audit_event WHERE seq < 3", r"Removed: row 1 to 2 "),
    "a removed row, and the numbers closed up": (
        "DELETE FROM audit_event WHERE seq = 4; "
        "UPDATE audit_event SET seq = -seq WHERE seq > 4; "
        "UPDATE audit_event SET seq = -seq - 1 WHERE seq < 0",
        r"Changed: row 4 ",
    ),
    "two rows in another order": (
        "UPDATE audit_event SET seq = -4 WHERE seq = 4; "
        "UPDATE audit_event SET seq = 4 WHERE seq = 5; "
        "UPDATE audit_event SET seq = 5 WHERE seq = -4",
        r"Changed: row 4 .*Changed: row 5 ",
    ),
    "a row added at the end": (
        f"INSERT INTO audit_event ({_COLUMNS}, seq, seal) "
        f"SELECT {_COLUMNS}, 10, seal FROM audit_event WHERE seq = 9",
        r"Changed: row 10 ",
    ),
    "a row added before the first": (
        f"INSERT INTO audit_event ({_COLUMNS}, seq, seal) "
        f"SELECT {_COLUMNS}, 0, seal FROM audit_event WHERE seq = 1",
        r"Added: row 0 ",
    ),
    "a row added in the middle": (
        "UPDATE audit_event SET seq = -seq WHERE seq > 4; "
        "UPDATE audit_event SET seq = -seq + 1 WHERE seq < 0; "
        f"INSERT INTO audit_event ({_COLUMNS}, seq, seal) "
        f"SELECT {_COLUMNS}, 5, seal FROM audit_event WHERE seq = 4",
        r"Changed: row 5 ",
    ),
    "a seal that was taken off": (
        "UPDATE audit_event SET seal = NULL WHERE seq = 4",
        r"Changed: row 4 ",
    ),
    "another key for the oldest rows": (
        "UPDATE audit_event SET key_id = 'none' WHERE seq < 4",
        r"Changed: row 4 has another key",
    ),
    "another key for the newest rows": (
        "UPDATE audit_event SET key_id = 'none' WHERE seq > 7",
        r"Changed: row 8 has a key that is unknown",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(database: DatabaseUnderTest, db: Database, name: str) -> None:
    await sealed(database, db)
    statements, expected = TAMPERINGS[name]
    tamper(database, *statements.split("; "))
    found = await check(database, db)
    assert found.count >= 1
    assert re.search(expected, " ".join(found.problems)), found.problems


@pytest.mark.parametrize(
    "cut",
    [
        "DELETE FROM audit_event WHERE seq > 7",
        "DELETE FROM audit_event",
        "UPDATE audit_event SET seq = NULL, seal = NULL, actor = 'x' WHERE seq > 7",
    ],
)
async def test_a_cut_tail_is_found_with_a_head_that_was_noted(
    database: DatabaseUnderTest, db: Database, cut: str
) -> None:
    noted = await sealed(database, db)
    tamper(database, cut)
    assert (await check(database, db)).count == 0, "nothing else tells"
    found = await check(database, db, noted)
    assert found.count == 1
    assert "the head that was noted" in found.problems[0]
    await sealer_of(db, settings_of(database)).seal()  # a row that lost its seal gets another
    found = await check(database, db, noted)
    assert found.count == 1
    assert "the head that was noted" in found.problems[0]


async def test_a_log_that_was_sealed_anew_is_found_with_a_head_that_was_noted(
    database: DatabaseUnderTest, db: Database
) -> None:
    noted = await sealed(database, db, 3)
    tamper(database, "UPDATE audit_event SET actor = 'x', seq = NULL, seal = NULL")
    await sealer_of(db, settings_of(database)).seal()
    found = await check(database, db, noted)
    assert found.problems == ["Changed: row 3 does not have the seal of the head that was noted."]


async def test_a_row_of_another_history_of_the_same_key_is_found(
    database: DatabaseUnderTest, db: Database
) -> None:
    """As after a backup was restored: each row has a seal of the key, but not in this chain."""
    await sealed(database, db, 4)
    old = (await events_of(db))[1]
    tamper(database, "UPDATE audit_event SET actor = 'x', seq = NULL, seal = NULL WHERE seq > 1")
    await sealer_of(db, settings_of(database)).seal()
    assert (await check(database, db)).count == 0
    tamper(database, f"UPDATE audit_event SET actor = 'system', seal = '{old.seal}' WHERE seq = 2")
    assert (await check(database, db)).problems == ["Changed: row 3 does not fit its seal."]


async def rotated(database: DatabaseUnderTest, db: Database) -> None:
    await write_events(db, 3)
    await sealer_of(db, settings_of(database, secret=OLD)).seal()
    await write_events(db, 3)
    await sealer_of(db, settings_of(database, OLD, secret=NEW)).seal()


async def test_both_keys_check_the_whole_log(database: DatabaseUnderTest, db: Database) -> None:
    await rotated(database, db)
    both = KeyRing(settings_of(database, OLD, secret=NEW))
    found = await verify(db, both)
    assert (found.rows, found.count, found.starts_at) == (7, 0, 1)
    tamper(database, "UPDATE audit_event SET actor = 'x' WHERE seq = 2")
    assert (await verify(db, both)).problems == ["Changed: row 2 does not fit its seal."]


async def test_without_the_old_key_the_check_starts_at_the_row_that_names_the_new_one(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    new = KeyRing(settings_of(database, secret=NEW))
    found = await verify(db, new)
    assert (found.rows, found.count, found.starts_at) == (7, 0, 4)
    tamper(database, "UPDATE audit_event SET actor = 'x' WHERE seq = 5")
    assert (await verify(db, new)).problems == ["Changed: row 5 does not fit its seal."]


async def test_a_removed_tail_of_the_old_key_is_found_with_the_new_one(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    tamper(database, "DELETE FROM audit_event WHERE seq = 3")
    found = await verify(db, KeyRing(settings_of(database, secret=NEW)))
    assert found.problems == ["Removed: row 3 is missing."]


async def test_rows_that_claim_an_unknown_key_are_found_by_the_row_that_names_theirs(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    tamper(database, "UPDATE audit_event SET key_id = 'none', actor = 'x' WHERE seq < 4")
    for secrets in ((OLD,), ()):
        found = await verify(db, KeyRing(settings_of(database, *secrets, secret=NEW)))
        assert found.problems == ["Changed: row 4 names another key than the row before it has."]


async def test_a_seal_of_the_key_before_that_was_taken_off_is_found(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    tamper(database, "UPDATE audit_event SET anchor_seal = NULL WHERE seq = 4")
    found = await verify(db, KeyRing(settings_of(database, OLD, secret=NEW)))
    assert found.problems == ["Changed: row 4 has no seal of the key before it."]


async def test_details_that_are_no_json_are_a_problem_and_no_failure(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    for details in ("{", "[]", "1", ""):
        tamper(database, f"UPDATE audit_event SET details = '{details}' WHERE seq = 4")
        found = await verify(db, KeyRing(settings_of(database, OLD, secret=NEW)))
        assert found.problems[0] == "Changed: row 4 does not fit its seal."


async def test_a_batch_that_ends_with_the_number_zero_is_not_read_for_ever(
    database: DatabaseUnderTest, db: Database
) -> None:
    await sealed(database, db, 1)
    tamper(
        database,
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
        f"INSERT INTO audit_event ({_COLUMNS}, seq, seal) "
        f"SELECT {_COLUMNS}, -i, seal FROM audit_event, n WHERE seq = 1",
    )
    async with asyncio.timeout(30):
        found = await check(database, db)
    assert found.rows == 1_001


async def test_a_forged_seal_of_the_key_before_is_found(
    database: DatabaseUnderTest, db: Database
) -> None:
    await rotated(database, db)
    tamper(database, f"UPDATE audit_event SET anchor_seal = '{'0' * 64}' WHERE seq = 4")
    found = await verify(db, KeyRing(settings_of(database, OLD, secret=NEW)))
    assert found.problems == ["Changed: row 4 does not fit the seal of the key before it."]


async def test_no_key_at_all_checks_nothing_and_says_so(
    database: DatabaseUnderTest, db: Database
) -> None:
    await sealed(database, db)
    found = await verify(db, KeyRing(settings_of(database, secret=NEW)))
    assert (found.rows, found.count, found.starts_at) == (9, 0, None)


@pytest.mark.parametrize("text", ["", "5", "5:", ":" + "0" * 64, "x:" + "0" * 64, "5:" + "G" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidHead):
        parse_head(text)


def test_a_head_is_read_as_it_is_printed() -> None:
    assert parse_head(" 12:" + "0f" * 32 + "\n") == (12, "0f" * 32)


async def test_a_long_log_is_checked_in_little_memory(
    database: DatabaseUnderTest, db: Database
) -> None:
    await sealed(database, db, 6_000)
    tracemalloc.start()
    try:
        found = await check(database, db)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.rows, found.count) == (6_000, 0)
    assert peak < 3_500_000, "all rows at once are 5 MB"


async def test_every_column_but_the_key_is_sealed(
    database: DatabaseUnderTest, db: Database
) -> None:
    """A column that is added later belongs into what is sealed."""
    await sealed(database, db, 1)
    (event,) = await events_of(db)
    row = AuditRow(**{name: getattr(event, name) for name in AuditRow.__dataclass_fields__})
    ((key_id, key),) = KeyRing(settings_of(database)).mac_keys(PURPOSE).items()
    assert set(AuditRow.__dataclass_fields__) == set(type(event).model_fields)
    assert seal_of(key, row.signed(1, key_id, GENESIS)) == row.seal
