"""Reading and exporting the audit log: filters, pages, names, and safe cells."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chat_app import audit
from chat_app.audit.export import COLUMNS, lines, safe_cell
from chat_app.audit.queries import Filters, every, page
from chat_app.db.engine import Database
from chat_app.db.tables import AuditEvent
from testing.audit_log import events_of, identity_of
from testing.owned_rows import Person

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def _add(db: Database, people: list[Person], organisations: list[UUID]) -> None:
    """A row an hour: the people in turn, each in every organisation and outside of one."""
    number = 0
    async with db.system("audit", write=True) as session:
        for organisation in (None, *organisations):
            for person in people:
                at = START + timedelta(hours=number)
                await audit.append(
                    session,
                    "role_changed" if number % 2 else "member_removed",
                    actor=person.principal,
                    subject=audit.Subject("user", people[0].principal.user_id),
                    organisation=organisation,
                    clock=lambda at=at: at,
                )
                number += 1


async def test_pages_show_every_row_once_the_newest_first(
    db: Database, alice: Person, bob: Person
) -> None:
    await _add(db, [alice, bob], [uuid4() for _ in range(5)])
    ids, before, pages = list[int | None](), None, 0
    while pages == 0 or (before is not None and pages < 9):
        one = await page(db, before=before, most=5)
        ids += [event.id for event in one.events]
        pages += 1
        before = one.before
    assert pages == 3
    assert ids == [event.id for event in reversed(await events_of(db))]


async def test_filters_limit_what_is_shown(db: Database, alice: Person, bob: Person) -> None:
    here, there = uuid4(), uuid4()
    await _add(db, [alice, bob], [here, there])

    async def count(filters: Filters) -> int:
        return len((await page(db, filters)).events)

    assert await count(Filters()) == 6
    assert await count(Filters(actions=["role_changed"])) == 3
    assert await count(Filters(actor=bob.principal.user_id)) == 3
    assert await count(Filters(actor=uuid4())) == 0
    assert await count(Filters(subject=alice.principal.user_id)) == 6
    assert await count(Filters(subject=bob.principal.user_id)) == 0
    assert await count(Filters(person=bob.principal.user_id)) == 3
    assert await count(Filters(person=uuid4())) == 0
    assert await count(Filters(organisation=here)) == 2
    assert await count(Filters(since=START + timedelta(hours=2))) == 4
    assert await count(Filters(until=START + timedelta(hours=2))) == 2
    both = Filters(organisation=here, actor=bob.principal.user_id, since=START)
    assert await count(both) == 1


async def test_people_are_named_as_long_as_they_have_an_account(
    db: Database, alice: Person, bob: Person
) -> None:
    await _add(db, [alice, bob], [])
    found = await page(db)
    identities = [await identity_of(db, one.principal.user_id) for one in (alice, bob)]
    assert {one: found.people[one].email for one in identities} == {
        identities[0]: "alice@chat.example",
        identities[1]: "bob@chat.example",
    }


async def test_an_export_has_every_row_and_what_it_is_sealed_with(
    db: Database, alice: Person, bob: Person
) -> None:
    organisation = uuid4()
    await _add(db, [alice, bob], [organisation])
    exported = [json.loads(one) async for one in lines(every(db), "jsonl")]
    assert [one["action"] for one in exported] == ["member_removed", "role_changed"] * 2
    assert [one["organisation"] for one in exported][2:] == [str(organisation)] * 2
    assert exported[0]["at"] == "2026-03-01T12:00:00.000000+00:00"
    assert exported[0]["actor"] == await identity_of(db, alice.principal.user_id)
    text = "".join([one async for one in lines(every(db), "csv")])
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(table[0]) == COLUMNS
    assert [one["actor"] for one in table] == [one["actor"] for one in exported]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
async def test_a_cell_is_never_a_formula(db: Database, first: str) -> None:
    text = f"{first}HYPERLINK(1)"
    assert safe_cell(text) == f"'{text}"

    async def rows():
        yield AuditEvent(at=START, action="sign_in", actor="system", request_id=text)

    *_, line = [one async for one in lines(rows(), "csv")]
    (row,) = csv.DictReader(io.StringIO(line, newline=""), COLUMNS)
    assert row["request_id"] == f"'{text}"
    assert safe_cell("plain") == "plain"
    assert safe_cell(None) == ""
