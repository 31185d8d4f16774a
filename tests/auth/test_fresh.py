import pytest

from chat_app.auth.fresh import require_fresh
from chat_app.auth.refusals import StepUpRequired
from testing.auth_services import Stage


async def test_a_proof_is_fresh_for_ten_minutes_however_much_the_session_is_used(
    stage: Stage,
) -> None:
    issued = await stage.sign_in(await stage.person())
    for minutes in (6, 4):
        stage.time.passes(minutes=minutes)
        visit = await stage.sessions.resolve(issued.token)
        assert visit is not None
        require_fresh(visit, stage.time(), stage.settings)
    stage.time.passes(seconds=1)
    visit = await stage.sessions.resolve(issued.token)
    assert visit is not None
    with pytest.raises(StepUpRequired):
        require_fresh(visit, stage.time(), stage.settings)
