import pytest

from chat_app.auth.errors import StepUpRequired
from chat_app.auth.sign_in.step_up import require_fresh
from testing.auth_services import AuthHarness


async def test_a_proof_is_fresh_for_ten_minutes_however_much_the_session_is_used(
    harness: AuthHarness,
) -> None:
    issued = await harness.sign_in(await harness.person())
    for minutes in (6, 4):
        harness.time.passes(minutes=minutes)
        resolved = await harness.sessions.resolve(issued.token)
        assert resolved is not None
        require_fresh(resolved, harness.time(), harness.settings)
    harness.time.passes(seconds=1)
    resolved = await harness.sessions.resolve(issued.token)
    assert resolved is not None
    with pytest.raises(StepUpRequired):
        require_fresh(resolved, harness.time(), harness.settings)
