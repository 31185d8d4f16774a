"""The page of the audit log: what was done is found there, and exported."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from testing.axe import violations
from testing.browser_user import BrowserUser, Meet
from testing.program import Program
from testing.site_roles import set_site_role


@pytest_asyncio.fixture(loop_scope="session")
async def root(program: Program, meet: Meet) -> AsyncIterator[BrowserUser]:
    """An admin."""
    one = await meet("Root", program.url)
    await one.sign_up()
    await set_site_role(program, one.email, "admin")
    yield one
    await set_site_role(program, one.email, "")


async def test_an_admin_finds_what_was_done_and_exports_it(
    program: Program, meet: Meet, root: BrowserUser, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await root.open("/admin/audit")
    page = root.page
    events = page.locator(".entries > li")
    await expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    await expect(events.filter(has_text=ada.email).first).to_be_visible()

    await page.get_by_label("User's email").fill(ada.email)
    await page.get_by_label("Action").select_option("Signed in")
    await page.get_by_role("button", name="Show", exact=True).press("Enter")
    await expect(events).to_have_count(1)
    await expect(events).to_contain_text(f"Ada ({ada.email})")
    await expect(events).to_contain_text("Signed in")
    assert await violations(page, axe) == []

    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download CSV").click()
    file = await (await downloading.value).path()
    lines = file.read_text().splitlines()
    assert [line.split(",")[2] for line in lines] == ["action", "sign_in"]
    assert ada.email not in file.read_text()

    await page.get_by_label("User's email").fill("nobody@example.com")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(
        page.get_by_role("alert").filter(has_text="No user has this email")
    ).to_be_visible()
    await expect(events).to_have_count(0)
    await expect(page.get_by_text("No events match.")).to_have_count(0)
    await page.get_by_label("User's email").fill("")
    await page.get_by_label("From").fill("2999-01-01")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("No events match.")).to_be_visible()
    assert root.errors == []
