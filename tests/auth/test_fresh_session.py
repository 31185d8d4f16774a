import pytest

from chat_app.auth.errors import StepUpRequired
from chat_app.auth.sign_in.step_up import require_fresh
from testing.auth_services import Stage


async def test_a_proof_is_fresh_for_ten_minutes_however_much_the_session_is_used(
    stage: Stage,
) -> None:
    issued = await stage.sign_in(await stage.person())
    for minutes in (6, 4):
        stage.time.passes(minutes=minutes)
        resolved = await stage.sessions.resolve(issued.token)
        assert resolved is not None
        require_fresh(resolved, stage.time(), stage.settings)
    stage.time.passes(seconds=1)
    resolved = await stage.sessions.resolve(issued.token)
    assert resolved is not None
    with pytest.raises(StepUpRequired):
        require_fresh(resolved, stage.time(), stage.settings)
