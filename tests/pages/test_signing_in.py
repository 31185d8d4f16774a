"""The sign-in forms lose nothing a person typed and send them nowhere foreign."""

import asyncio
from urllib.parse import parse_qs, quote

import pytest
from playwright.async_api import BrowserContext, Page, Request, Route, expect

from testing.script_page import HOST, opened_at

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES = {
    "CredentialsSignin": "The address or the password is not right.",
    "RateLimited": "Too many attempts. Try again later.",
    "Default": "That did not work.",
}
OFFLINE = "Can't reach the server. Check your connection and try again."
ROUTE = "**/api/auth/callback/credentials"
SIGN_OUT = "**/api/auth/signout"


async def _show(page: Page) -> None:
    await page.evaluate("(messages) => lab.showSignIn(messages)", MESSAGES)


async def _answers(page: Page, url: str, status: int = 200) -> list[Request]:
    asked: list[Request] = []

    async def answer(route: Route) -> None:
        asked.append(route.request)
        await route.fulfill(status=status, json={"url": url})

    await page.route(ROUTE, answer)
    return asked


async def _try(page: Page) -> None:
    await page.get_by_label("E-mail").fill("ada@example.org")
    await page.locator("#password").fill("a wrong one")
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_a_refusal_keeps_the_address_and_asks_for_the_password_again(page: Page) -> None:
    await _show(page)
    asked = await _answers(page, f"{HOST}/signin?error=CredentialsSignin")
    await _try(page)
    await expect(page.get_by_role("alert")).to_have_text(MESSAGES["CredentialsSignin"])
    await expect(page.get_by_label("E-mail")).to_have_value("ada@example.org")
    await expect(page.locator("#password")).to_have_value("")
    await expect(page.locator("#password")).to_be_focused()
    (request,) = asked
    assert request.headers["x-auth-return-redirect"] == "1"
    assert parse_qs(request.post_data or "") == {
        "callbackUrl": ["/"],
        "email": ["ada@example.org"],
        "password": ["a wrong one"],
    }


async def test_a_refusal_with_its_own_status_is_said_too(page: Page) -> None:
    await _show(page)
    await _answers(page, f"{HOST}/signin?error=Unheard", status=429)
    await _try(page)
    await expect(page.get_by_role("alert")).to_have_text(MESSAGES["Default"])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ("1", "in 1 second"),
        ("30", "in 30 seconds"),
        ("60", "in 60 seconds"),
        ("900", "in 15 minutes"),
    ],
)
async def test_a_wait_is_told_in_seconds_or_minutes(page: Page, seconds: str, said: str) -> None:
    await _show(page)
    await page.route(
        ROUTE,
        lambda route: route.fulfill(
            status=429,
            headers={"Retry-After": seconds},
            json={"url": f"{HOST}/signin?error=RateLimited"},
        ),
    )
    await _try(page)
    await expect(page.get_by_role("alert")).to_have_text(f"Too many attempts. Try again {said}.")


async def test_a_server_that_is_gone_is_said(page: Page) -> None:
    await _show(page)
    await page.route(ROUTE, lambda route: route.abort())
    await _try(page)
    await expect(page.get_by_role("alert")).to_have_text(OFFLINE)
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_enabled()


async def test_the_button_rests_while_the_server_thinks(page: Page) -> None:
    await page.clock.install()
    await _show(page)
    waiting = await _held(page, ROUTE)
    async with page.expect_request(ROUTE):
        await _try(page)
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_disabled()
    slow = page.get_by_text("This is taking longer than usual. Please wait.")
    await expect(slow).to_have_count(0)
    await page.clock.fast_forward(3_000)
    await expect(slow).to_be_visible()
    await (await waiting.get()).fulfill(json={"url": f"{HOST}/"})
    await page.wait_for_url(f"{HOST}/")


async def test_the_word_in_the_address_becomes_its_sentence(context: BrowserContext) -> None:
    page = await opened_at(context, "/signin?error=CredentialsSignin")
    await _show(page)
    await expect(page.get_by_role("alert")).to_have_text(MESSAGES["CredentialsSignin"])


async def test_a_text_in_the_address_is_never_shown(context: BrowserContext) -> None:
    page = await opened_at(context, "/signin?error=constructor")
    await _show(page)
    await expect(page.get_by_role("alert")).to_have_text(MESSAGES["Default"])


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("/c/1?a=b", "/c/1?a=b"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/%5Cevil.test/", "/"),
        ("/%09/evil.test/", "/"),
        ("/.//evil.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("c/1", "/"),
    ],
)
async def test_only_a_path_of_this_site_is_gone_back_to(
    context: BrowserContext, asked: str, passed: str
) -> None:
    page = await opened_at(context, f"/signin?callbackUrl={asked.replace('&', '%26')}")
    await _show(page)
    await expect(page.locator("[name=callbackUrl]")).to_have_value(passed)


async def test_a_password_can_be_looked_at(page: Page) -> None:
    await _show(page)
    field = page.locator("#password")
    await expect(field).to_have_attribute("type", "password")
    await page.get_by_role("button", name="Show password").click()
    await expect(field).to_have_attribute("type", "text")
    # Whoever speaks to the page says what they read on the button.
    await page.get_by_role("button", name="Hide").click()
    await expect(field).to_have_attribute("type", "password")


async def test_signing_in_takes_the_other_forms_along(context: BrowserContext) -> None:
    page, other = await opened_at(context, "/signin"), await opened_at(context, "/signin")
    await _show(page)
    await _show(other)
    await _answers(page, f"{HOST}/c/1")
    await _try(page)
    await page.wait_for_url(f"{HOST}/c/1")
    await other.wait_for_url(f"{HOST}/")


async def test_coming_back_from_a_provider_takes_the_other_forms_along(
    context: BrowserContext,
) -> None:
    page, other = await opened_at(context, "/signin"), await opened_at(context, "/signin")
    await _show(other)
    await _go_to_the_provider(page)
    await page.goto(f"{HOST}/c/1")
    await page.evaluate("lab.showWatch('my words')")
    await other.wait_for_url(f"{HOST}/")
    assert await page.evaluate("Object.keys(sessionStorage)") == []


async def test_who_comes_back_from_a_provider_anonymous_tells_no_tab(
    context: BrowserContext,
) -> None:
    page = await opened_at(context, "/signin")
    await _go_to_the_provider(page)
    await page.goto(f"{HOST}/signin?error=CredentialsSignin")
    await _show(page)
    assert await page.evaluate("Object.keys(sessionStorage)") == []


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("?callbackUrl=/settings/password", "/signin?callbackUrl=%2Fsettings%2Fpassword"),
        ("?callbackUrl=//evil.test/", "/signin?callbackUrl=%2F"),
        ("", "/signin"),
    ],
)
async def test_signing_in_again_comes_back_to_what_was_begun(
    context: BrowserContext, asked: str, left: str
) -> None:
    page = await opened_at(context, f"/settings/confirm{asked}")
    await page.evaluate("lab.showSignOut('my words', {comesBack: true})")
    waiting = await _held(page, SIGN_OUT)
    await page.get_by_role("button", name="Sign out").click()
    request = (await waiting.get()).request
    assert parse_qs(request.post_data or "") == {"callbackUrl": [left]}


async def test_signing_out_empties_this_tab_and_loads_the_others_anew(
    context: BrowserContext,
) -> None:
    page, other = await opened_at(context, "/c/1"), await opened_at(context, "/c/2")
    await page.evaluate("lab.showSignOut('my words')")
    await other.evaluate("lab.showWatch('my words'); window.old = true")
    for tab in (page, other):
        await tab.evaluate("sessionStorage.setItem('ct-draft:new', 'my draft')")
    waiting = await _held(page, SIGN_OUT)
    async with page.expect_request(SIGN_OUT):
        await page.get_by_role("button", name="Sign out").click()
    assert await page.evaluate("'leaving' in document.documentElement.dataset")
    async with other.expect_navigation():
        await (await waiting.get()).fulfill(json={"url": f"{HOST}/signin"})
    await page.wait_for_url(f"{HOST}/signin")
    assert await other.evaluate("window.old") is None
    for tab in (page, other):
        assert await tab.evaluate("Object.keys(sessionStorage)") == []


@pytest.mark.parametrize("answer", [{"message": "The server is busy."}, {}, None])
async def test_a_sign_out_that_fails_gives_the_page_back_and_says_so(
    page: Page, answer: dict[str, str] | None
) -> None:
    await page.evaluate("lab.showSignOut('my words')")
    await page.evaluate("sessionStorage.setItem('ct-draft:new', 'my draft')")
    waiting = await _held(page, SIGN_OUT)
    button = page.get_by_role("button", name="Sign out")
    async with page.expect_request(SIGN_OUT):
        await button.click()
    if answer is None:
        await (await waiting.get()).abort()
    else:
        await (await waiting.get()).fulfill(status=503, json=answer)
    said = (answer or {}).get("message", OFFLINE)
    await expect(page.get_by_role("alert")).to_have_text(f"{said} You're still signed in.")
    await expect(page.get_by_text("my words")).to_be_visible()
    assert not await page.evaluate("'leaving' in document.documentElement.dataset")
    assert await page.evaluate("sessionStorage.getItem('ct-draft:new')") == "my draft"
    async with page.expect_request(SIGN_OUT):
        await button.click()
    await expect(page.get_by_role("alert")).to_have_text("")
    await (await waiting.get()).fulfill(json={"url": f"{HOST}/signin"})
    await page.wait_for_url(f"{HOST}/signin")


async def test_a_page_that_the_browser_keeps_is_empty_and_loads_anew_when_it_comes_back(
    page: Page,
) -> None:
    await page.evaluate("lab.showWatch('my words')")
    await expect(page.locator("main")).to_have_text("my words")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    await expect(page.locator("main")).to_have_text("")
    async with page.expect_navigation():
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")


async def test_a_form_that_has_signed_in_keeps_nothing(page: Page) -> None:
    await _show(page)
    await _answers(page, f"{page.url}#in")
    await _try(page)
    await page.wait_for_url("**#in")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    await expect(page.get_by_label("E-mail")).to_have_value("")
    await expect(page.locator("#password")).to_have_value("")


async def _go_to_the_provider(page: Page) -> None:
    there = "http://acme.test/authorize"
    await page.route("**/api/auth/signin/acme", lambda route: route.fulfill(json={"url": there}))
    await page.evaluate("(messages) => lab.showProvider(messages)", MESSAGES)
    await page.get_by_role("button", name="Continue with Acme").click()
    await page.wait_for_url(there)


async def _held(page: Page, address: str) -> asyncio.Queue[Route]:
    """The requests to an address, unanswered, in order."""
    waiting: asyncio.Queue[Route] = asyncio.Queue()
    await page.route(address, waiting.put_nowait)
    return waiting


@pytest.mark.parametrize(
    ("session", "asked", "target"),
    [
        ({"user": {}}, "/c/4?a=b", "/c/4?a=b"),
        ({"user": {}}, "//evil.test/", "/"),
        (None, "/c/4", "/signin?callbackUrl=%2Fc%2F4"),
    ],
)
async def test_where_no_gateway_sends_the_page_a_session_leads_on(
    context: BrowserContext, session: object, asked: str, target: str
) -> None:
    page = await opened_at(context, f"/signin?callbackUrl={quote(asked, safe='')}")
    await page.route("**/api/auth/session", lambda route: route.fulfill(json=session))
    async with page.expect_response("**/api/auth/session"):
        await page.evaluate("(messages) => lab.showAnonymousOnly(messages)", MESSAGES)
    await page.wait_for_url(f"{HOST}{target}")
    if session is None:
        await expect(page.get_by_label("E-mail")).to_be_visible()
