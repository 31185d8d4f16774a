"""Forms of signed-in people say what happened, and leave when the session or its proof is over."""

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Request, Route, expect

from testing.script_page import HOST, opened_at

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTE = "**/api/account"
SESSION = "**/api/auth/session"
SAVE = {"name": "Ada", "password": "a new one"}


async def _try(page: Page, status: int = 200, body: Any = None, **given: Any) -> list[Request]:
    """Fill the form in and send it; the server answers like this.

    Returns:
        The requests. They come after the click: wait for what the page says before reading them.
    """
    asked: list[Request] = []

    async def answer(route: Route) -> None:
        asked.append(route.request)
        if body is None:
            await route.fulfill(status=status)
        else:
            await route.fulfill(status=status, json=body)

    await page.route(ROUTE, answer)
    await page.evaluate("(given) => lab.showAccountForm(given)", given)
    await page.get_by_label("Name").fill(SAVE["name"])
    await page.locator("#password").fill(SAVE["password"])
    await page.get_by_role("button", name="Save").click()
    return asked


async def test_the_fields_are_sent_as_json_and_secrets_do_not_stay(page: Page) -> None:
    sent = await _try(page, 204, done="Saved.")
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    (asked,) = sent
    assert (asked.method, asked.post_data_json) == ("PATCH", SAVE)
    assert asked.headers["content-type"] == "application/json"
    await expect(page.get_by_label("Name")).to_have_value("Ada")
    await expect(page.locator("#password")).to_have_value("")
    assert await page.evaluate("lab.calls") == [["done"]]
    await page.get_by_label("Name").fill("Ada L.")
    await expect(page.get_by_role("status")).to_have_text("")


async def test_the_focus_comes_back_when_the_server_has_answered(page: Page) -> None:
    await page.route("**/api/account", lambda route: route.fulfill(status=204))
    await page.evaluate("lab.showAccountForm({done: 'Saved.'})")
    save = page.get_by_role("button", name="Save")
    # Disabled, it loses the focus at the next picture, which may come after the answer.
    await save.evaluate("one => document.addEventListener('submit', () => one.blur())")
    await page.locator("#password").fill(SAVE["password"])
    await save.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await expect(save).to_be_focused()


async def test_the_focus_stays_in_the_section_of_what_is_removed(page: Page) -> None:
    await page.evaluate("lab.showSection(true)")
    await page.get_by_role("button", name="Remove").focus()
    await page.evaluate("lab.showSection(false)")
    await expect(page.get_by_role("heading", name="Passkeys")).to_be_focused()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, {"error": "invalid", "message": "Not like this."}, "Not like this."),
        (502, None, "Something went wrong. Try again."),
    ],
)
async def test_a_refusal_is_said_and_everything_typed_stays(
    page: Page, status: int, body: Any, said: str
) -> None:
    await _try(page, status, body)
    await expect(page.get_by_role("alert")).to_have_text(said)
    await expect(page.locator("#password")).to_have_value("a new one")
    assert await page.evaluate("lab.calls") == []


async def test_a_server_that_is_gone_is_said(page: Page) -> None:
    await page.route("**/api/elsewhere", lambda route: route.abort())
    await _try(page, action="/api/elsewhere")
    await expect(page.get_by_role("alert")).to_have_text(
        "Can't reach the server. Check your connection and try again."
    )
    await expect(page.get_by_role("button", name="Save")).to_be_enabled()


async def test_an_old_proof_leads_to_the_page_that_asks_for_a_new_one(
    context: BrowserContext,
) -> None:
    page = await opened_at(context, "/settings/password?a=b")
    await _try(page, 403, {"error": "step_up_required", "message": "Confirm."})
    await page.wait_for_url(f"{HOST}/settings/confirm?callbackUrl=%2Fsettings%2Fpassword%3Fa%3Db")


async def test_a_session_that_is_over_blanks_the_page_and_asks_anew(page: Page) -> None:
    await page.evaluate("window.old = true")
    async with page.expect_navigation():
        await _try(page, 401, {"error": "unauthenticated", "message": "Sign in first."})
    assert await page.evaluate("window.old") is None


async def test_the_end_of_the_session_reaches_every_tab(context: BrowserContext) -> None:
    page, other = await opened_at(context, "/settings/data"), await opened_at(context, "/c/1")
    await other.evaluate("lab.showWatch('my words'); window.old = true")
    async with other.expect_navigation():
        await _try(page, 200, {"url": f"{HOST}/signin"}, endsSession=True)
    await page.wait_for_url(f"{HOST}/signin")
    assert await other.evaluate("window.old") is None


async def test_an_answer_with_an_address_is_followed(page: Page) -> None:
    await _try(page, 200, {"url": f"{HOST}/elsewhere"})
    await page.wait_for_url(f"{HOST}/elsewhere")


@pytest.mark.parametrize(
    ("word", "said"), [("LastWayIn", "Only this one."), ("constructor", "Hm.")]
)
async def test_the_word_in_the_address_becomes_a_sentence_of_ours(
    context: BrowserContext, word: str, said: str
) -> None:
    page = await opened_at(context, f"/settings/connections?error={word}")
    messages = {"LastWayIn": "Only this one.", "Default": "Hm."}
    await page.evaluate("(messages) => lab.showUrlProblem(messages)", messages)
    await expect(page.get_by_role("alert")).to_have_text(said)


@pytest.mark.parametrize("is_over", [False, True])
async def test_an_open_page_renews_its_session_and_notices_its_end(
    context: BrowserContext, is_over: bool
) -> None:
    page = await context.new_page()
    await page.clock.install()
    await page.goto(f"{HOST}/c/1")
    await page.wait_for_function("() => window.lab")
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.url)
        body = "null" if is_over else '{"user": {}}'
        await route.fulfill(body=body, content_type="application/json")

    await page.route(SESSION, answer)
    await page.evaluate("lab.showWatch('my words'); window.old = true")
    await page.clock.run_for(4 * 60_000)
    assert asked == []
    if is_over:
        async with page.expect_navigation():
            await page.clock.run_for(60_000)
    else:
        async with page.expect_response(SESSION):
            await page.clock.run_for(60_000)
    assert await page.evaluate("window.old") is (None if is_over else True)
