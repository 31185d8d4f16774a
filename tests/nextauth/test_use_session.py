"""The real `next-auth/react` from npm against this server, in Chromium."""

import re
from typing import Any

import httpx
from playwright.async_api import BrowserContext, Page

from chat_app.auth.principal import Principal
from chat_app.db.tables import AuthSession, OneTimeToken
from testing.next_auth_page import ADA, OUT_AND_IN, PASSWORD, call, seen, shows
from testing.oidc_app import InProcessProgram


async def leave_by(page: Page, name: str, *arguments: Any) -> None:
    """Call a function of the client that takes the tab elsewhere."""
    async with page.expect_navigation():
        await page.evaluate("([name, rest]) => void lab[name](...rest)", [name, list(arguments)])


async def cookie_of(profile: BrowserContext) -> str | None:
    """The session's cookie, copied."""
    found = [one for one in await profile.cookies() if one.get("name") == "chat_session"]
    return found[0].get("value") if found else None


async def other_tab(profile: BrowserContext, chat: InProcessProgram) -> Page:
    """A second tab that will be seen to stay as it is: whoever reloads it loses the mark."""
    page = await profile.new_page()
    await page.goto(chat.home)
    await shows(page, "unauthenticated")
    await page.evaluate("window.mark = 1")
    return page


async def test_with_credentials_one_comes_in_and_goes_and_a_second_tab_follows(
    chat: InProcessProgram, profile: BrowserContext, tab: Page
) -> None:
    await chat.user(ADA)
    second = await other_tab(profile, chat)
    await shows(tab, "unauthenticated")
    assert await seen(tab) == ["loading", "unauthenticated"]

    typed = {"email": ADA, "password": PASSWORD, "redirectTo": "/inside"}
    await leave_by(tab, "signIn", "credentials", typed)
    await shows(tab, "authenticated", ADA)
    assert tab.url == f"{chat.home}/inside"
    assert await seen(tab) == OUT_AND_IN
    await shows(second, "authenticated", ADA)

    copied = await cookie_of(profile)
    assert copied
    await call(tab, "signOut", {"redirect": False})
    await shows(tab, "unauthenticated")
    await shows(second, "unauthenticated")
    assert await seen(tab) == [*OUT_AND_IN, "unauthenticated"]
    assert await seen(second) == ["loading", "unauthenticated", "authenticated", "unauthenticated"]
    assert await second.evaluate("window.mark") == 1
    assert await cookie_of(profile) is None
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=30) as thief:
        headers = {"Cookie": f"chat_session={copied}"}
        answer = await thief.get(f"{chat.home}/api/auth/session", headers=headers)
    assert answer.text == "null"


async def test_with_a_provider_one_comes_in_and_goes_and_a_second_tab_follows(
    chat: InProcessProgram, profile: BrowserContext, tab: Page
) -> None:
    second = await other_tab(profile, chat)
    await shows(tab, "unauthenticated")
    await leave_by(tab, "signIn", "acme", {"redirectTo": "/inside"})
    await tab.fill("[name=login]", "ada")
    await tab.fill("[name=password]", "whatever")
    await tab.click("button[type=submit]")  # who this is
    await tab.click("button[type=submit]")  # and that we may know it
    await tab.wait_for_url(f"{chat.home}/inside")
    await shows(tab, "authenticated", ADA)
    assert await seen(tab) == OUT_AND_IN
    await shows(second, "authenticated", ADA)

    await leave_by(tab, "signOut", {"redirectTo": "/outside"})
    await shows(tab, "unauthenticated")
    assert tab.url == f"{chat.home}/outside"
    await shows(second, "unauthenticated")
    assert await second.evaluate("window.mark") == 1
    assert await cookie_of(profile) is None


async def test_without_leaving_the_page_the_client_is_told_what_happened(
    chat: InProcessProgram, tab: Page
) -> None:
    await chat.user(ADA)
    await shows(tab, "unauthenticated")
    typed = {"email": ADA, "password": "wrong", "redirect": False}
    assert await call(tab, "signIn", "credentials", typed) == {
        "error": "CredentialsSignin",
        "code": "credentials",
        "status": 200,
        "ok": True,
        "url": None,
    }
    await shows(tab, "unauthenticated")
    said = await call(tab, "signIn", "credentials", {**typed, "password": PASSWORD})
    assert (said["ok"], said.get("error"), said["url"]) == (True, None, f"{chat.home}/")
    await shows(tab, "authenticated", ADA)
    assert await seen(tab) == ["loading", "unauthenticated", "authenticated"]


async def test_what_went_wrong_stands_in_the_address_of_the_sign_in_page(
    chat: InProcessProgram, tab: Page
) -> None:
    typed = {"email": ADA, "password": "wrong", "redirectTo": "/inside"}
    await leave_by(tab, "signIn", "credentials", typed)
    asked = "error=CredentialsSignin&code=credentials&callbackUrl=%2Finside"
    assert tab.url == f"{chat.home}/signin?{asked}"


async def test_a_page_for_users_sends_to_the_sign_in_page(
    chat: InProcessProgram, tab: Page
) -> None:
    await tab.goto(f"{chat.home}/required")
    await tab.wait_for_url(re.compile(r"/signin\?"))
    query = dict(httpx.URL(tab.url).params)
    assert query == {"error": "SessionRequired", "callbackUrl": "/required"}


async def test_a_way_in_that_is_not_there_leads_to_the_sign_in_page(
    chat: InProcessProgram, tab: Page
) -> None:
    assert list(await call(tab, "getProviders")) == ["credentials", "acme", "email"]
    await leave_by(tab, "signIn", "nobody-knows", {"redirectTo": "/inside"})
    assert tab.url == f"{chat.home}/signin?callbackUrl=%2Finside"


async def test_a_link_by_letter_is_asked_for_like_any_other_way(
    chat: InProcessProgram, tab: Page
) -> None:
    await shows(tab, "unauthenticated")
    said = await call(tab, "signIn", "email", {"email": ADA, "redirect": False})
    assert (said["ok"], said.get("error")) == (True, None)
    assert httpx.URL(said["url"]).path == "/signin/link"
    [token] = await chat.rows(OneTimeToken)
    assert (token.purpose, token.subject) == ("sign_in_link", ADA)


async def test_an_update_answers_the_session_and_writes_nothing(
    chat: InProcessProgram, tab: Page
) -> None:
    await chat.user(ADA)
    typed = {"email": ADA, "password": PASSWORD, "redirect": False}
    await call(tab, "signIn", "credentials", typed)
    await shows(tab, "authenticated", ADA)
    before = await tab.evaluate("fetch('/api/auth/session').then((answer) => answer.json())")
    oauth_request = {"user": {"email": "eve@example.org", "id": "1"}, "expires": "2099"}
    assert await call(tab, "update", oauth_request) == before
    await shows(tab, "authenticated", ADA)


async def test_a_session_that_ended_elsewhere_is_gone_when_one_looks_again(
    chat: InProcessProgram, tab: Page
) -> None:
    await chat.user(ADA)
    typed = {"email": ADA, "password": PASSWORD, "redirect": False}
    await call(tab, "signIn", "credentials", typed)
    await shows(tab, "authenticated", ADA)
    [row] = await chat.rows(AuthSession)
    principal = Principal(row.user_id, row.id)
    await chat.live.sessions.revoke(principal, row.id, "signed_out")
    await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await shows(tab, "unauthenticated")
