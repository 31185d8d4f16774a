"""The session hook: called each time; when it fails, the session does not resolve."""

import logging

import pytest

from chat_app.auth.operator_hooks import ClaimsUnavailable, SessionContext
from chat_app.settings import ConfigError, read_settings
from testing import session_hooks
from testing.auth_services import AuthHarness, OpenAuthHarness

ADA = "ada@example.org"


@pytest.fixture(autouse=True)
def directory() -> dict[str, list[str]]:
    session_hooks.seen.clear()
    session_hooks.roles.clear()
    session_hooks.roles[ADA] = ["admin"]
    return session_hooks.roles


async def claims_everywhere(harness: AuthHarness, token: str) -> list[object]:
    """What a request and an event of the session know."""
    found = await harness.sessions.resolve(token)
    assert found is not None
    who = await harness.sessions.principal(found.principal.credential_id)
    assert who is not None
    return [dict(found.principal.claims), dict(who.claims)]


@pytest.mark.parametrize("named", ["with_roles", "with_roles_later"])
async def test_requests_and_events_have_the_claims_of_the_hook(
    open_harness: OpenAuthHarness, named: str
) -> None:
    async with open_harness(auth_session_hook=f"testing.session_hooks:{named}") as harness:
        issued = await harness.sign_in(await harness.person())
        assert await claims_everywhere(harness, issued.token) == [{"roles": ["admin"]}] * 2


async def test_the_hook_gets_the_user_and_the_sign_in_method(open_harness: OpenAuthHarness) -> None:
    async with open_harness(auth_session_hook="testing.session_hooks:with_roles") as harness:
        ada = await harness.person()
        issued = await harness.sign_in(
            ada, method="oauth", provider="acme", claims={"groups": ["staff"]}
        )
        await harness.sessions.resolve(issued.token)
    assert session_hooks.seen == [
        SessionContext(ada, ADA, "Ada", "oauth", "acme", {"groups": ["staff"]})
    ]


async def test_a_removed_claim_is_gone_at_the_next_event_and_request(
    open_harness: OpenAuthHarness, directory: dict[str, list[str]]
) -> None:
    async with open_harness(auth_session_hook="testing.session_hooks:with_roles") as harness:
        issued = await harness.sign_in(await harness.person())
        assert await claims_everywhere(harness, issued.token) == [{"roles": ["admin"]}] * 2
        directory[ADA] = []
        assert await claims_everywhere(harness, issued.token) == [{"roles": []}] * 2


async def test_without_a_hook_there_are_no_claims(harness: AuthHarness) -> None:
    issued = await harness.sign_in(await harness.person(), claims={"roles": ["admin"]})
    assert await claims_everywhere(harness, issued.token) == [{}, {}]


async def test_claims_are_read_only(open_harness: OpenAuthHarness) -> None:
    async with open_harness(auth_session_hook="testing.session_hooks:with_roles") as harness:
        issued = await harness.sign_in(await harness.person())
        found = await harness.sessions.resolve(issued.token)
        assert found is not None
        with pytest.raises(TypeError):
            found.principal.claims["roles"] = ["owner"]  # pyright: ignore[reportIndexIssue]
        session_hooks.roles[ADA].append("owner")
        assert found.principal.claims["roles"] == ["admin"]


@pytest.mark.parametrize("named", ["failing", "silent", "no_json", "no_number"])
async def test_a_failing_hook_lets_no_user_in(
    open_harness: OpenAuthHarness, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_harness(auth_session_hook=f"testing.session_hooks:{named}") as harness:
        issued = await harness.sign_in(await harness.person())
        with caplog.at_level(logging.DEBUG, "chat_app"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(logging.getLogger("chat_app"), "propagate", True)
            with pytest.raises(ClaimsUnavailable):
                await harness.sessions.resolve(issued.token)
            with pytest.raises(ClaimsUnavailable):
                await harness.sessions.principal(issued.session_id)
        assert "AUTH_SESSION_HOOK" in caplog.text
        assert ADA not in caplog.text
        assert harness.ended == [], "the session waits for a better day"


async def test_principals_with_different_claims_are_equal(
    open_harness: OpenAuthHarness, directory: dict[str, list[str]]
) -> None:
    async with open_harness(auth_session_hook="testing.session_hooks:with_roles") as harness:
        issued = await harness.sign_in(await harness.person())
        before = await harness.sessions.principal(issued.session_id)
        directory[ADA] = []
        assert await harness.sessions.principal(issued.session_id) == before


@pytest.mark.parametrize("named", ["testing.session_hooks:none", "tests.auth.nowhere:with_roles"])
async def test_a_missing_hook_is_reported_at_start(
    open_harness: OpenAuthHarness, named: str
) -> None:
    with pytest.raises(ConfigError, match="AUTH_SESSION_HOOK"):
        await open_harness(auth_session_hook=named).__aenter__()


def test_a_setting_that_names_no_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="AUTH_SESSION_HOOK"):
        read_settings(_env_file=None, auth_session_hook="print('x')")
