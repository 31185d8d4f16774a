"""What the pages of the administration show."""

import pytest

from chat_app.core.errors import MESSAGES
from chat_app.llm.base import ProviderError
from chat_app.llm.health import FAILURES, ModelHealth
from chat_app.states.admin.models import ModelHealthState, model_entry
from chat_app.states.admin.overview import OverviewState
from testing.reflex_tabs import Harness, Tab


@pytest.fixture
async def root(harness: Harness) -> Tab:
    principal = await harness.user("root@example.com")
    await harness.live.site_roles.promote(principal.user_id)
    return await harness.tab(principal)


async def test_a_model_that_fails_is_paused(harness: Harness, root: Tab) -> None:
    await root.send(ModelHealthState.load())
    before = (await root.state(ModelHealthState)).items
    assert {(one.tag, one.detail) for one in before} == {("", "No recent failures")}
    for _ in range(FAILURES):
        harness.live.models.health.failed(
            "fake", ProviderError("unreachable", "provider_unreachable")
        )
    await root.send(ModelHealthState.load())
    after = {one.id: one for one in (await root.state(ModelHealthState)).items}
    assert after["fake"].tag == "Paused"
    assert "can't be reached." in after["fake"].detail
    assert "Next try in 15 s." in after["fake"].detail
    assert [one.tag for id, one in after.items() if id != "fake" and one.tag] == []


@pytest.mark.parametrize("code", MESSAGES)
def test_an_admin_is_not_sent_to_an_admin(code: str) -> None:
    detail = model_entry("fake", "Fake", ModelHealth("open", code, seconds=9)).detail
    assert "administrator" not in detail
    assert detail.endswith(" Next try in 9 s.")


async def test_the_overview_counts_users(harness: Harness, root: Tab) -> None:
    eve = await harness.user("eve@example.com")
    await harness.live.user_access.disable(eve.user_id)
    await root.send(OverviewState.load())
    state = await root.state(OverviewState)
    assert (state.users, state.disabled, state.admins, state.seen_today) == (2, 1, 1, 2)
