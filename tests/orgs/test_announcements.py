"""Announcements: who sees which, until when, and who may change them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, Conflict, Forbidden, InvalidInput, NotFound
from chat_app.core.signals import ANNOUNCEMENTS, Bus, Signal, user_topic
from chat_app.db.tables import AnnouncementDismissal
from chat_app.orgs.announcements import (
    CACHE_TIME,
    MAX_LENGTH,
    MAX_OPEN,
    MAX_SHOWN,
    PAGE_SIZE,
    Announcements,
    clean_text,
)
from testing.audit_log import events_of
from testing.organisations import OrgHarness


@pytest.fixture
async def root(harness: OrgHarness) -> Principal:
    """A site admin."""
    one = await harness.person("root")
    await harness.live.site_roles.promote(one.user_id)
    return one


@pytest.fixture
async def ada(harness: OrgHarness) -> Principal:
    return await harness.person("ada")


async def _texts(harness: OrgHarness, who: Principal) -> list[str]:
    return [one.text for one in await harness.live.announcements.shown(who)]


async def _announce(harness: OrgHarness, root: Principal, text: str, **period: str) -> Any:
    harness.time.passes(seconds=1)
    words = text, period.get("starts", ""), period.get("ends", "")
    return await harness.live.announcements.create(root, *words)


async def test_the_newest_three_are_shown_the_newest_first(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    assert await _texts(harness, ada) == []
    for number in range(5):
        await _announce(harness, root, f"Number {number}")
    assert await _texts(harness, ada) == ["Number 4", "Number 3", "Number 2"]
    assert len(await _texts(harness, root)) == MAX_SHOWN
    newest, *_ = await harness.live.announcements.shown(ada)
    await harness.live.announcements.dismiss(ada, newest.id, newest.version)
    assert await _texts(harness, ada) == ["Number 3", "Number 2", "Number 1"]
    assert (await _texts(harness, root))[0] == "Number 4", "what one dismisses, another sees"


async def test_it_is_shown_from_its_start_until_its_end(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    bus, told = Bus(), list[Signal]()
    bus.subscribe_callback(ANNOUNCEMENTS, told.append)
    here = Announcements(harness.live.db, bus, harness.time)  # no other sweep announces on its bus
    await here.create(root, "Later", "2026-03-01T13:00", "2026-03-01 14:00Z")
    seen, said = [], []
    for _ in range(4):
        await here.publish_due()
        seen.append([one.text for one in await here.shown(ada)])
        said.append(len(told))
        harness.time.passes(minutes=40)
    assert seen == [[], [], ["Later"], []]
    assert said == [1, 1, 2, 3], "open tabs are told of each"


async def test_all_tabs_at_once_read_them_once(
    harness: OrgHarness, root: Principal, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, reads = harness.live.db, list[str]()
    system = db.system

    def counted(reason: str, **more: bool):
        reads.append(reason)
        return system(reason, **more)

    here = Announcements(db, Bus(), harness.time)
    await here.create(root, "Words", "", "")
    monkeypatch.setattr(db, "system", counted)
    shown = await asyncio.gather(*(here.shown(ada) for _ in range(20)))
    assert {len(one) for one in shown} == {1}
    assert reads.count("announcements") == 1


async def test_open_tabs_are_told_once_of_what_begins_by_a_change(
    harness: OrgHarness, root: Principal
) -> None:
    bus, told = Bus(), list[Signal]()
    bus.subscribe_callback(ANNOUNCEMENTS, told.append)
    here, said = Announcements(harness.live.db, bus, harness.time), []
    await here.publish_due()
    for starts, ends in (("", ""), ("2026-03-01T00:00", ""), ("", "2026-03-01T13:00")):
        await here.create(root, "Words", starts, ends)
        await here.publish_due()
        harness.time.passes(seconds=3)
        await here.publish_due()
        said.append(len(told))
    assert said == [1, 2, 3]
    harness.time.passes(hours=2)
    await here.publish_due()
    await here.publish_due()
    assert len(told) == 4, "the third is over"


async def test_a_dismissal_holds_until_the_text_is_changed(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    told: list[Signal] = []
    live = harness.live
    live.bus.subscribe_callback(user_topic(ada.user_id), told.append)
    one = await _announce(harness, root, "Down at six")
    await live.announcements.dismiss(ada, one, 1)
    assert await _texts(harness, ada) == []
    assert [signal.kind for signal in told] == ["user"], "the other tabs of the user"
    await live.announcements.edit(root, one, "  Down at six ", "", "2027-01-01T00:00")
    assert await _texts(harness, ada) == []
    await live.announcements.edit(root, one, "Down at seven", "", "")
    assert await _texts(harness, ada) == ["Down at seven"]
    await live.announcements.dismiss(ada, one, 1)  # the click was on the text before
    assert await _texts(harness, ada) == ["Down at seven"]
    await live.announcements.dismiss(ada, one, 999)
    assert await _texts(harness, ada) == []
    await live.announcements.dismiss(ada, one, 1)  # of a tab that has not heard of the change
    assert await _texts(harness, ada) == []
    await live.announcements.edit(root, one, "Down at eight", "", "")
    assert await _texts(harness, ada) == ["Down at eight"], "no later text is dismissed yet"


async def test_what_is_ended_or_deleted_is_gone_at_once(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    live = harness.live
    ended, deleted = [await _announce(harness, root, text) for text in ("ended", "deleted")]
    scheduled = await _announce(harness, root, "scheduled", starts="2026-05-01T00:00")
    assert await _texts(harness, ada) == ["deleted", "ended"]
    await live.announcements.dismiss(ada, deleted, 1)
    await live.announcements.end(root, ended)
    await live.announcements.end(root, scheduled)
    await live.announcements.delete(root, deleted)
    assert await _texts(harness, ada) == []
    async with live.db.read(ada) as session:
        assert (await session.exec(select(AnnouncementDismissal))).all() == []
    await live.announcements.dismiss(ada, deleted, 1)  # of a tab that has not heard it yet
    for change in (live.announcements.end, live.announcements.delete):
        with pytest.raises(NotFound):
            await change(root, deleted)
    harness.time.passes(days=90)
    assert await _texts(harness, ada) == []
    page = await live.announcements.page()
    assert [row.text for row in page.rows] == ["scheduled", "ended"]


async def test_what_another_server_has_deleted_is_dismissed_without_an_error(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    live = harness.live
    one = await _announce(harness, root, "Words")
    assert await _texts(harness, ada) == ["Words"]
    other = Announcements(live.db, Bus(), live.clock)  # whose signal does not arrive
    await other.delete(root, one)
    await live.announcements.dismiss(ada, one, 1)
    harness.time.passes(seconds=CACHE_TIME.total_seconds())
    assert await _texts(harness, ada) == []


async def test_twenty_dismissals_at_once_are_one(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    one = await _announce(harness, root, "Once")
    async with asyncio.timeout(60):
        await asyncio.gather(*(harness.live.announcements.dismiss(ada, one, 1) for _ in range(20)))
    async with harness.live.db.read(ada) as session:
        assert len((await session.exec(select(AnnouncementDismissal))).all()) == 1


Change = Callable[[Announcements, Principal, Any], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "create": lambda all, who, _: all.create(who, "Words", "", ""),
    "edit": lambda all, who, one: all.edit(who, one, "Words", "", ""),
    "end": lambda all, who, one: all.end(who, one),
    "delete": lambda all, who, one: all.delete(who, one),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_only_an_admin_changes_them(
    harness: OrgHarness, root: Principal, ada: Principal, change: str
) -> None:
    live = harness.live
    one = await _announce(harness, root, "Before")
    org_admin = await harness.organisation(ada)
    assert org_admin
    former = await harness.person("former")
    await live.site_roles.promote(former.user_id)
    await live.site_roles.demote(former.user_id)
    for who in (ada, former):
        with pytest.raises(Forbidden):
            await CHANGES[change](live.announcements, who, one)
    assert await _texts(harness, ada) == ["Before"]
    await CHANGES[change](live.announcements, root, one)
    assert await _texts(harness, ada) != ["Before"]


async def test_the_audit_log_has_ids_and_no_text(harness: OrgHarness, root: Principal) -> None:
    live = harness.live
    one = await _announce(harness, root, "A secret plan")
    await live.announcements.edit(root, one, "Another secret plan", "", "")
    await live.announcements.end(root, one)
    await live.announcements.end(root, one)
    await live.announcements.delete(root, one)
    rows = [row for row in await events_of(live.db) if row.subject_kind == "announcement"]
    assert [(row.action, row.subject, row.details) for row in rows] == [
        (f"announcement_{action}", str(one), "")
        for action in ("created", "changed", "ended", "deleted")
    ]


@pytest.mark.parametrize(
    ("text", "starts", "ends", "words"),
    [
        ("", "", "", "Enter a text"),
        (" \u200b\n\u3164 ", "", "", "Enter a text"),
        ("x" * (MAX_LENGTH + 1), "", "", "at most 500"),
        ("Words", "soon", "", "Enter a date"),
        ("Words", "", "2026-02-30T10:00", "Enter a date"),
        ("Words", "0001-01-01T00:00+23:59", "", "Enter a date"),
        ("Words", "2026-04-02T00:00", "2026-04-01T00:00", "after the start"),
        ("Words", "2026-04-02T00:00", "2026-04-02T00:00", "after the start"),
        ("Words", "", "2026-02-01T00:00", "in the past"),
    ],
)
async def test_a_mistake_is_one_sentence_and_changes_nothing(
    harness: OrgHarness,
    root: Principal,
    ada: Principal,
    text: str,
    starts: str,
    ends: str,
    words: str,
) -> None:
    with pytest.raises(InvalidInput, match=words):
        await harness.live.announcements.create(root, text, starts, ends)
    assert await _texts(harness, ada) == []


async def test_there_are_not_too_many_and_the_list_has_pages(
    harness: OrgHarness, root: Principal
) -> None:
    live = harness.live
    made = [await _announce(harness, root, f"Number {number}") for number in range(MAX_OPEN)]
    with pytest.raises(Conflict, match="50 announcements"):
        await _announce(harness, root, "Too many")
    await live.announcements.end(root, made[0])
    await _announce(harness, root, "The last")
    with pytest.raises(Conflict, match="50 announcements"):  # it would be shown again
        await live.announcements.edit(root, made[0], "Number 0", "", "")
    await live.announcements.edit(root, made[0], "Number 0", "", "2026-01-01T00:00")
    await live.announcements.edit(root, made[1], "Number 1", "", "2030-01-01T00:00")
    found, before = [], None
    while True:
        page = await live.announcements.page(before)
        assert len(page.rows) <= PAGE_SIZE
        found += [row.text for row in page.rows]
        if (before := page.before) is None:
            break
    assert found == ["The last", *(f"Number {number}" for number in reversed(range(MAX_OPEN)))]


async def test_times_are_kept_where_a_field_shows_them_in_minutes(
    harness: OrgHarness, root: Principal
) -> None:
    all_ = harness.live.announcements

    async def period(text: str) -> tuple[str, str]:
        row = next(row for row in (await all_.page()).rows if row.text == text)
        return f"{row.starts_at or ''}"[:19], f"{row.ends_at or ''}"[:19]

    start = harness.time()
    one = await all_.create(root, "Brief", f"{start:%Y-%m-%dT%H:%M}", "")
    harness.time.passes(seconds=30)
    await all_.end(root, one)
    stored = await period("Brief")
    field = f"{harness.time():%Y-%m-%dT%H:%M}"
    assert (stored[0][:16], stored[1][17:]) == (field.replace("T", " "), "30")
    await all_.edit(root, one, "Brief words", field, field)
    assert await period("Brief words") == stored
    with pytest.raises(InvalidInput, match="after the start"):
        await all_.edit(root, one, "Brief words", "2026-03-01T20:00", field)
    other = await all_.create(root, "Never", "2026-05-01T00:00", "")
    await all_.end(root, other)
    assert (await period("Never"))[0] == "", "it has never begun"
    ends = (await period("Never"))[1][:16].replace(" ", "T")
    await all_.edit(root, other, "Never at all", "", ends)


async def test_a_lost_signal_costs_five_seconds(
    harness: OrgHarness, root: Principal, ada: Principal
) -> None:
    assert await _texts(harness, ada) == []
    live = harness.live
    other = Announcements(live.db, type(live.bus)(), live.clock)
    await other.create(root, "Elsewhere", "", "")
    assert await _texts(harness, ada) == []
    harness.time.passes(seconds=CACHE_TIME.total_seconds())
    assert await _texts(harness, ada) == ["Elsewhere"]


@given(st.text(max_size=700))
def test_a_text_is_plain_visible_and_short_or_refused(text: str) -> None:
    try:
        cleaned = clean_text(text)
    except ChatError:
        return
    assert 0 < len(cleaned) <= MAX_LENGTH
    assert clean_text(cleaned) == cleaned
    assert all(one.isprintable() or one in "\n\u200c\u200d" for one in cleaned if one.isascii())


def test_lines_stay_lines_and_markup_stays_text() -> None:
    assert clean_text("<b>One</b>\r\n\r\n\r\n\r\ntwo  \u202e*three*") == "<b>One</b>\n\ntwo *three*"


async def test_open_tabs_are_told_of_each_change_at_once(
    harness: OrgHarness, root: Principal
) -> None:
    bus, told = Bus(), list[Signal]()
    bus.subscribe_callback(ANNOUNCEMENTS, told.append)
    here = Announcements(harness.live.db, bus, harness.time)  # no sweep announces on its bus
    one = await here.create(root, "Words", "", "")
    counts = [len(told)]
    for change in ("edit", "end", "delete"):
        await CHANGES[change](here, root, one)
        counts.append(len(told))
    assert counts == [1, 2, 3, 4]
