"""The claims of the session hook, as `useSession` reads them."""

from testing import session_hooks
from testing.auth_api import auth_api_harness, browser
from testing.database import DatabaseUnderTest

ADA = "ada@example.org"


async def test_the_session_has_its_claims(database: DatabaseUnderTest) -> None:
    session_hooks.roles[ADA] = ["admin"]
    async with auth_api_harness(
        database, auth_session_hook="testing.session_hooks:with_roles"
    ) as harness:
        issued = await harness.sign_in(await harness.person(ADA))
        async with browser(harness, Cookie=f"chat_session={issued.token}") as tab:
            assert (await tab.get("/api/auth/session")).json()["claims"] == {"roles": ["admin"]}


async def test_without_a_hook_the_session_is_as_in_auth_js(database: DatabaseUnderTest) -> None:
    async with auth_api_harness(database) as harness:
        issued = await harness.sign_in(await harness.person(ADA), claims={"groups": ["staff"]})
        async with browser(harness, Cookie=f"chat_session={issued.token}") as tab:
            assert set((await tab.get("/api/auth/session")).json()) == {"user", "expires"}
