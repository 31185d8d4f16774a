"""The administration: only admins find it, and who loses the role loses what is open."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import APIResponse, expect

from testing.browser_user import TIMEOUT_MS, BrowserUser, Meet
from testing.program import Program
from testing.site_roles import set_site_role

NOT_FOUND = "Page not found"
PAGES = ("/admin", "/admin/overview", "/admin.html", "//admin//index.html")


@pytest_asyncio.fixture(loop_scope="session")
async def root(program: Program, meet: Meet) -> AsyncIterator[BrowserUser]:
    """An admin."""
    one = await meet("Root", program.url)
    await one.sign_up()
    await set_site_role(program, one.email, "admin")
    yield one
    await set_site_role(program, one.email, "")


async def _shown(response: APIResponse) -> tuple[Any, ...]:
    """A response without what differs between any two."""
    own = ("date", "x-request-id")
    headers = {name: value for name, value in response.headers.items() if name not in own}
    return response.status, headers, await response.body()


async def test_who_is_no_admin_finds_no_page(
    program: Program, meet: Meet, root: BrowserUser
) -> None:
    eve = await meet("Eve", program.url)
    await eve.sign_up()
    missing = await _shown(await eve.context.request.get(f"{program.url}/nothing/here"))
    assert missing[0] == 404
    for path in PAGES:
        hidden = await eve.context.request.get(f"{program.url}{path}")
        assert await _shown(hidden) == missing, path
        found = await root.context.request.get(f"{program.url}{path}")
        assert found.status == 200, path
    await eve.open("/")
    await eve.page.get_by_test_id("account-menu").click()
    await expect(eve.page.get_by_role("link", name="Settings")).to_be_visible()
    await expect(eve.page.get_by_role("link", name="Administration")).to_have_count(0)


async def test_a_demotion_blanks_an_open_page(program: Program, root: BrowserUser) -> None:
    await root.open("/")
    await root.page.get_by_test_id("account-menu").click()
    await root.page.get_by_role("link", name="Administration").click()
    figures = root.page.locator(".figures")
    await expect(figures).to_be_visible(timeout=TIMEOUT_MS)
    await set_site_role(program, root.email, "")
    await expect(root.page.get_by_role("heading", name=NOT_FOUND)).to_be_visible()
    await expect(figures).to_have_count(0)
    await set_site_role(program, root.email, "admin")
    await expect(figures).to_be_visible(timeout=TIMEOUT_MS)
    assert root.errors == []
