"""A chat that gets long: the meter fills, a warning is given, and a summary makes room again."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from testing.browser_user import BrowserUser, Meet, composer, until_done
from testing.program import Program, running

LONG = "The tide comes in and the tide goes out again. " * 72


@pytest.fixture(scope="module")
def small_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program that sends models little of a conversation."""
    given = {
        "FAKE_MODELS": "true",
        "EMBEDDED_MODEL": "false",
        "CHAT_MODEL": "fake:40x1",
        "CHAT_CONTEXT_CHARS": "8000",
        "CHAT_TITLES": "false",
    }
    with running(tmp_path_factory.mktemp("small"), given=given) as one:
        yield one


async def ask(user: BrowserUser, text: str) -> None:
    """Ask, and wait for the end of the answer."""
    answers = user.page.locator("[data-role=assistant][data-status=complete]")
    before = await answers.count()
    await user.ask(text)
    await expect(answers).to_have_count(before + 1)
    await until_done(user.page)


async def share(page: Page) -> int:
    """The percentage that the meter shows."""
    name = await page.locator(".context-button").get_attribute("aria-label")
    assert name is not None
    return int(name.split("%")[0])


async def test_a_chat_fills_up_is_summarized_and_goes_on(
    small_program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", small_program.url)
    page = ada.page
    await ada.sign_up()
    meter = page.locator(".context-button")
    await expect(meter).to_have_count(0)
    await ask(ada, LONG)
    await expect(meter).to_be_visible()
    first = await share(page)
    assert 0 < first < 80
    warning = page.locator(".context-warning")
    await expect(warning).to_have_count(0)

    phone = await meet("Ada", small_program.url, viewport={"width": 360, "height": 640})
    phone.email = ada.email
    await phone.begin_session()
    await phone.open(f"/c/{await ada.thread()}")
    await expect(phone.page.locator(".context-button")).to_be_visible()
    await ask(ada, LONG)
    await expect(warning).to_be_visible()
    await expect(phone.page.locator(".context-warning")).to_be_visible()
    assert await share(page) > first
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    # The phone is not to be told again; the other device still is.
    await phone.page.locator(".context-warning").get_by_role("button", name="Dismiss").click()
    await expect(phone.page.locator(".context-warning")).to_have_count(0)
    await phone.page.reload()
    await expect(phone.page.locator(".context-button")).to_be_visible()
    await expect(phone.page.locator(".context-warning")).to_have_count(0)
    await expect(warning).to_be_visible()

    # It is made now, and is seen on both devices.
    await warning.get_by_role("button", name="Summarize now").click()
    await expect(page.locator("details.ct-summary")).to_have_count(1)
    await until_done(page)
    await expect(warning).to_have_count(0)
    await expect(meter).to_be_visible()
    summary = page.locator("details.ct-summary")
    await expect(summary.locator("summary")).to_have_text(
        "The model now sees a summary of 2 older messages"
    )
    await summary.locator("summary").click()
    await expect(summary.locator("div")).not_to_be_empty()
    await expect(phone.page.locator("details.ct-summary")).to_have_count(1)
    await page.reload()
    await expect(page.locator("details.ct-summary")).to_have_count(1)

    # The card knows what is summarized, and that there is no more.
    await meter.focus()
    await page.keyboard.press("Enter")
    card = page.get_by_role("dialog")
    await expect(card).to_contain_text("The model sees a summary of 2 older messages.")
    await expect(card).to_contain_text("There are no more messages to summarize yet.")
    await page.keyboard.press("Escape")
    await expect(card).to_be_hidden()
    await ask(ada, "echo: And on.")
    await expect(composer(page)).to_be_visible()
    assert ada.errors == phone.errors == []


async def test_a_summary_that_is_being_made_survives_a_reload_and_can_be_stopped(
    small_program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", small_program.url)
    page = ada.page
    await ada.sign_up()
    for text in ("x" * 1_200, "What does it mean?"):
        await ask(ada, text)
    thread = await ada.thread()
    changed = await page.evaluate(
        """async (id) => (await fetch(`/api/threads/${id}`, { method: "PATCH",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ model: "fake:3000x1000" }) })).status""",
        thread,
    )
    assert changed == 204
    await page.locator(".context-button").click()
    await page.get_by_role("button", name="Summarize older messages").click()
    said = page.get_by_role("status").filter(has_text="Summarizing older messages…")
    await expect(said).to_be_visible()
    await page.reload()
    await expect(said).to_be_visible()
    await page.get_by_test_id("stop").click()
    await expect(said).to_have_count(0)
    await until_done(page)
    await expect(page.locator("details.ct-summary")).to_have_count(0)
    last = page.locator("[data-role=assistant]").last
    await expect(last).to_have_attribute("data-status", "complete")
    assert ada.errors == []
