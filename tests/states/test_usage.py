"""What the pages about usage show, to an admin and to each user."""

from datetime import date, timedelta

import pytest

from chat_app.auth.principal import Principal
from chat_app.states.admin.usage import AdminUsageState
from chat_app.states.usage import OwnUsageState, count_text, usage_bars
from chat_app.usage.queries import PAGE, Period, UsageRow, UsageSums
from testing.reflex_tabs import Harness, Tab
from testing.usage import add_usage


@pytest.fixture
async def ada(harness: Harness) -> Principal:
    return await harness.user("ada@example.com")


def today(harness: Harness) -> date:
    return harness.live.clock().date()


@pytest.fixture
async def admin(harness: Harness) -> Principal:
    principal = await harness.user("root@example.com")
    await harness.live.site_roles.promote(principal.user_id)
    return principal


@pytest.fixture
async def root(harness: Harness, admin: Principal) -> Tab:
    return await harness.tab(admin)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_999_999, "9,999,999"),
        (10_000_000, "10.0 M"),
        (2_500_000_000, "2.5 B"),
        (10**15, "1,000.0 T"),
    ],
)
def test_a_count_is_exact_unless_it_is_long(count: int, text: str) -> None:
    assert count_text(count) == text


def test_each_day_of_a_period_has_a_bar_as_high_as_its_tokens() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 3))
    rows = [
        UsageRow("2026-03-01", "", UsageSums(calls=2, input_tokens=1, output_tokens=2)),
        UsageRow("2026-03-03", "", UsageSums(calls=1, input_tokens=12)),
    ]
    bars = usage_bars(period, rows)
    assert [(bar.item.name, bar.height) for bar in bars] == [
        ("1 March 2026", "max(1px, 25.0%)"),
        ("2 March 2026", "0"),
        ("3 March 2026", "max(1px, 100.0%)"),
    ]
    assert bars[0].title == "1 March 2026: 3 tokens, 2 calls"
    assert {bar.height for bar in usage_bars(period, [])} == {"0"}


async def test_a_user_sees_what_they_have_used(harness: Harness, ada: Principal) -> None:
    eve = await harness.user("eve@example.com")
    day = today(harness)
    await add_usage(harness.live.db, ada, day, input_tokens=1_200, output_tokens=30)
    await add_usage(
        harness.live.db, ada, day - timedelta(days=60), purpose="title", unreported_calls=1
    )
    await add_usage(harness.live.db, eve, day, input_tokens=99)
    tab = await harness.tab(ada)
    await tab.send(OwnUsageState.load())
    state = await tab.state(OwnUsageState)
    assert (state.calls, state.input_tokens, state.output_tokens) == ("1", "1,200", "30")
    assert [(one.name, one.calls) for one in state.purposes] == [("Answers", "1")]
    assert [(one.id, one.input) for one in state.models] == [("fake:50x0", "1,200")]
    assert len(state.bars) == 30
    assert state.peak.startswith("1,230 on ")
    await tab.send(OwnUsageState.choose(90))
    state = await tab.state(OwnUsageState)
    assert (state.days, len(state.bars), state.calls) == (90, 90, "2")
    assert state.note == "1 without reported tokens"


async def test_only_the_offered_periods_can_be_chosen(harness: Harness, ada: Principal) -> None:
    tab = await harness.tab(ada)
    await tab.send(OwnUsageState.load())
    await tab.send(OwnUsageState.choose(5_000))
    state = await tab.state(OwnUsageState)
    assert (state.days, len(state.bars), state.is_empty) == (30, 30, True)


async def test_an_admin_sees_who_has_used_what(
    harness: Harness, ada: Principal, admin: Principal, root: Tab
) -> None:
    await root.send(AdminUsageState.load())
    state = await root.state(AdminUsageState)
    assert (state.is_empty, state.counted_since, state.users) == (True, "", [])
    await add_usage(harness.live.db, ada, today(harness), input_tokens=5)
    await root.send(AdminUsageState.load())
    state = await root.state(AdminUsageState)
    assert [(one.name, one.input) for one in state.users] == [("ada@example.com", "5")]
    assert [one.name for one in state.organisations] == ["Personal"]
    assert state.counted_since != ""
    await harness.live.people.delete(admin, ada.user_id)
    await root.send(AdminUsageState.load())
    assert [one.name for one in (await root.state(AdminUsageState)).users] == ["Deleted accounts"]


async def test_an_admin_turns_the_pages_of_users(
    harness: Harness, ada: Principal, root: Tab
) -> None:
    for number in range(PAGE):
        who = await harness.user(f"user{number}@example.com")
        await add_usage(harness.live.db, who, today(harness), input_tokens=9)
    await add_usage(harness.live.db, ada, today(harness), input_tokens=1)
    await root.send(AdminUsageState.load())
    state = await root.state(AdminUsageState)
    assert (len(state.users), state.has_more) == (PAGE, True)
    await root.send(AdminUsageState.next_page())
    state = await root.state(AdminUsageState)
    assert [one.name for one in state.users] == ["ada@example.com"]
    assert (state.number, state.has_more) == (1, False)
    await root.send(AdminUsageState.next_page())
    state = await root.state(AdminUsageState)
    assert (state.number, len(state.users)) == (1, 1)  # it was the last one
    for _ in range(2):
        await root.send(AdminUsageState.previous_page())
    assert (await root.state(AdminUsageState)).number == 0
