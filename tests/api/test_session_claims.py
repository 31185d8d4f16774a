"""The claims of the session hook, as `useSession` reads them."""

from pathlib import Path

from testing import session_hooks
from testing.auth_api import auth_api_harness, browser

ADA = "ada@example.org"


async def test_the_session_has_its_claims(tmp_path: Path) -> None:
    session_hooks.roles[ADA] = ["admin"]
    async with auth_api_harness(
        tmp_path, auth_session_hook="testing.session_hooks:with_roles"
    ) as harness:
        issued = await harness.sign_in(await harness.person(ADA))
        async with browser(harness, Cookie=f"chat_session={issued.token}") as tab:
            assert (await tab.get("/api/auth/session")).json()["claims"] == {"roles": ["admin"]}


async def test_without_a_hook_the_session_is_as_in_auth_js(tmp_path: Path) -> None:
    async with auth_api_harness(tmp_path) as harness:
        issued = await harness.sign_in(await harness.person(ADA), claims={"groups": ["staff"]})
        async with browser(harness, Cookie=f"chat_session={issued.token}") as tab:
            assert set((await tab.get("/api/auth/session")).json()) == {"user", "expires"}
