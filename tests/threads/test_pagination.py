"""The list, page by page."""

from uuid import UUID

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput
from chat_app.db.tables import Thread
from chat_app.threads.search_query import parse_query
from testing.database import only_sqlite
from testing.run_services import RunHarness
from testing.sql_statements import statements


async def fill(
    harness: RunHarness, who: Principal, count: int, *, tied: bool = False
) -> list[UUID]:
    """Create threads of a user; returns them newest first."""
    moment = harness.clock()
    async with harness.db.write(who) as session:
        rows = []
        for n in range(count):
            time = moment if tied else harness.clock()
            rows.append(
                Thread(owner_id=who.user_id, title=f"t{n}", created_at=time, updated_at=time)
            )
        session.add_all(rows)
    return [row.id for row in sorted(rows, key=lambda r: (r.updated_at, r.id.hex), reverse=True)]


async def walk(harness: RunHarness, who: Principal, limit: int = 50, between=None) -> list[UUID]:
    seen: list[UUID] = []
    after = None
    while True:
        page = await harness.threads.page(who, after=after, limit=limit)
        seen += [thread.id for thread in page.threads]
        if page.next is None:
            return seen
        after = page.next
        if between is not None:
            await between()


@pytest.mark.parametrize("tied", [False, True])
async def test_pagination_returns_every_thread_once_newest_first(
    harness: RunHarness, alice: Principal, bob: Principal, tied: bool
):
    ids = await fill(harness, alice, 120, tied=tied)
    await fill(harness, bob, 5)
    assert await walk(harness, alice) == ids


async def test_a_page_has_as_many_threads_as_requested(harness: RunHarness, alice: Principal):
    await fill(harness, alice, 120)
    first = await harness.threads.page(alice)
    assert len(first.threads) == 50
    assert first.next is not None
    last = await harness.threads.page(alice, limit=120)
    assert len(last.threads) == 120
    assert last.next is None


async def test_new_threads_do_not_shift_the_following_pages(harness: RunHarness, alice: Principal):
    ids = await fill(harness, alice, 120)

    async def arrive() -> None:
        await harness.threads.create(alice)

    assert await walk(harness, alice, limit=25, between=arrive) == ids


async def test_a_deleted_thread_does_not_hide_another(harness: RunHarness, alice: Principal):
    ids = await fill(harness, alice, 60)
    doomed = iter(ids[10:])

    async def vanish() -> None:
        await harness.threads.delete(alice, next(doomed))

    seen = await walk(harness, alice, limit=10, between=vanish)
    assert len(seen) == len(set(seen))
    assert set(ids) - set(seen) <= set(ids[10:20])


async def test_another_users_cursor_shows_only_own_threads(
    harness: RunHarness, alice: Principal, bob: Principal
):
    await fill(harness, alice, 60)
    mine = await fill(harness, bob, 3)
    cursor = (await harness.threads.page(alice)).next
    page = await harness.threads.page(bob, after=cursor)
    assert {thread.id for thread in page.threads} <= set(mine)


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_limit_out_of_range_is_refused(harness: RunHarness, alice: Principal, limit: int):
    with pytest.raises(InvalidInput):
        await harness.threads.page(alice, limit=limit)


async def test_a_malformed_cursor_is_refused(harness: RunHarness, alice: Principal):
    with pytest.raises(InvalidInput):
        await harness.threads.page(alice, after="nonsense")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("rain", {"A haiku about Rain"}),
        ("100%", {"100% sure"}),
        ("%", {"100% sure"}),
        ("_", {"snake_case"}),
        ("ÜBER", {"über alles"}),
        ("\\", set()),
        ("' or 1=1 --", set()),
        ("  ", {"A haiku about Rain", "100% sure", "snake_case", "über alles"}),
    ],
)
async def test_a_search_finds_titles_that_contain_the_text(
    harness: RunHarness, alice: Principal, bob: Principal, search: str, found: set[str]
):
    for title in ("A haiku about Rain", "100% sure", "snake_case", "über alles"):
        await harness.threads.create(alice, title=title)
    await harness.threads.create(bob, title="Rain 100% snake_case über")
    page = await harness.threads.page(alice, query=parse_query(search))
    assert {thread.title for thread in page.threads} == found


async def test_threads_with_an_active_run_are_marked(harness: RunHarness, alice: Principal):
    quiet = await harness.threads.create(alice)
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    page = await harness.threads.page(alice)
    assert {t.id: t.running for t in page.threads} == {sent.thread_id: True, quiet.id: False}
    assert (await harness.threads.get(alice, sent.thread_id)).running
    await harness.runs.stop(alice, sent.run_id)
    assert not (await harness.threads.get(alice, sent.thread_id)).running


@only_sqlite
async def test_the_last_page_costs_as_much_as_the_first(harness: RunHarness, alice: Principal):
    await fill(harness, alice, 1000)
    pages = []
    after = None
    while True:
        with statements() as noted:
            page = await harness.threads.page(alice, after=after)
        pages.append(noted)
        if page.next is None:
            break
        after = page.next
    assert len(pages) == 20
    assert len({len(noted.ran) for noted in pages}) == 1
    plans = [
        plan
        for noted in pages
        for plan in noted.plans(harness.database.folder / "chat.db", "ORDER BY thread")
    ]
    assert len(plans) == 20
    assert all("ix_thread_list" in plan for plan in plans)
    assert all("(updated_at,id)<(?,?)" in plan for plan in plans), "entered at the cursor"
    assert not any("TEMP B-TREE" in plan for plan in plans)


@only_sqlite
async def test_the_list_of_all_organisations_begins_at_the_status(
    harness: RunHarness, alice: Principal
):
    await fill(harness, alice, 60)
    first = await harness.threads.page(alice, org_id=None)
    with statements() as noted:
        await harness.threads.page(alice, org_id=None, after=first.next)
    [plan] = noted.plans(harness.database.folder / "chat.db", "ORDER BY thread")
    assert "ix_thread_owner_id_status_updated_at_id" in plan
    assert "(owner_id=? AND status=? AND (updated_at,id)<(?,?))" in plan
    assert "TEMP B-TREE" not in plan
