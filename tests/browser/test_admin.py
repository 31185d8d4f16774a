"""The administration: only admins find it, and who loses the role loses what is open."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import APIResponse, Locator, expect

from chat_app.auth.account.people import PAGE_SIZE
from testing.axe import violations
from testing.browser_user import (
    PASSWORD,
    SIGN_IN,
    BrowserUser,
    Meet,
    ask_model,
    until_text,
)
from testing.program import Program
from testing.site_roles import set_site_role

NOT_FOUND = "Page not found"
PAGES = ("/admin", "/admin/overview", "/admin/people", "/admin.html", "//admin//index.html")


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
    await expect(figures).to_be_visible()
    await set_site_role(program, root.email, "")
    await expect(root.page.get_by_role("heading", name=NOT_FOUND)).to_be_visible()
    await expect(figures).to_have_count(0)
    await set_site_role(program, root.email, "admin")
    await expect(figures).to_be_visible()
    assert root.errors == []


async def test_an_admin_adds_disables_and_deletes(
    program: Program, meet: Meet, root: BrowserUser, axe: str
) -> None:
    eve = await meet("Eve", program.url)
    await eve.sign_up()
    await ask_model(eve, "Go on and on", "fake:4000x20")
    await until_text(eve.page, 20)
    page = root.page
    await root.open("/admin/people")
    await page.get_by_role("searchbox").fill(eve.email)
    rows = page.locator(".entries > li")
    await expect(rows).to_have_count(1)

    async def do(action: str) -> None:
        if not await rows.locator("> details").evaluate("(one) => one.open"):
            await rows.locator("> details > summary").press("Enter")
        await rows.locator(f'[data-action="{action}"] > summary').press("Enter")
        assert await violations(page, axe, ()) == []
        await rows.locator(f'[data-action="{action}"] > button').press("Enter")

    await do("Disable")
    await eve.page.wait_for_url(SIGN_IN)  # its answer has ended with the session
    await expect(rows.get_by_text("Disabled", exact=True)).to_be_visible()
    await expect(rows.locator('[data-action="Enable"] > summary')).to_be_focused()
    await do("Enable")
    await expect(rows.get_by_text("Disabled", exact=True)).to_have_count(0)
    await eve.sign_in()
    await page.set_viewport_size({"width": 360, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await do("Delete")
    await expect(rows).to_have_count(0)
    await expect(page.get_by_text("No users match your search.")).to_be_visible()
    await eve.page.wait_for_url(SIGN_IN)

    email = f"new-{uuid4().hex[:8]}@example.com"
    await page.get_by_text("Add a user").click()
    await page.get_by_label("Email").fill(root.email)
    await page.get_by_label("Name").fill("New")
    await page.get_by_role("button", name="Add user").click()
    await expect(page.get_by_text("A user with this email already exists.")).to_be_visible()
    await expect(page.get_by_label("Name")).to_have_value("New")
    await page.get_by_label("Email").fill(email)
    await page.get_by_role("button", name="Add user").click()
    link = page.locator(".shown-once .secret")
    await expect(link).to_contain_text("/reset/new#")
    await expect(page.get_by_label("Name")).to_have_value("")
    new = await meet("New", program.url)
    await new.page.goto(await link.inner_text())
    await new.page.fill("[name=password]", PASSWORD)
    await new.page.get_by_role("button", name="Change password").click()
    await expect(new.page.get_by_role("heading", name="Password changed")).to_be_visible()
    await page.get_by_role("button", name="Done").click()
    await expect(link).to_have_count(0)
    assert root.errors == eve.errors == new.errors == []


async def test_a_page_that_loads_says_so(root: BrowserUser) -> None:
    await root.page.route_web_socket("**/_event/**", lambda _: None)
    await root.open("/admin/people")
    await expect(root.page.locator(".skeleton > .sr-only")).to_have_text("Loading")


async def test_what_was_refused_is_seen_far_down_a_list(root: BrowserUser) -> None:
    page = root.page
    await page.set_viewport_size({"width": 360, "height": 320})
    await root.open("/admin/people")
    await page.get_by_role("searchbox").fill(root.email)
    row = page.locator(".entries > li")
    await expect(row).to_have_count(1)
    await row.get_by_text("Manage").click()
    await row.locator('[data-action="Remove admin role"] > summary').click()
    remove = row.get_by_role("button", name="Remove role")
    await remove.scroll_into_view_if_needed()
    await remove.click()
    refused = page.locator(".notice").get_by_text("This is the only admin.")
    await expect(refused).to_be_in_viewport()


async def test_the_same_outcome_is_read_out_again(root: BrowserUser) -> None:
    page = root.page
    await root.open("/admin/sign-up")
    save = page.locator(".sign-up-policy").get_by_role("button", name="Save")

    async def save_twice(outcome: Locator) -> None:
        await save.click()
        said = await outcome.element_handle()
        await save.click()
        # a screen reader reads what is new on the page
        await page.wait_for_function("said => !said.isConnected", arg=said)
        await expect(outcome).to_be_visible()

    await save_twice(page.locator(".sign-up-policy").get_by_text("Saved."))
    await page.get_by_role("radio", name="Only emails of some domains").check()
    await page.get_by_role("textbox", name="Domains").fill("no domain")
    await save_twice(page.locator(".notice").get_by_role("alert"))


async def test_another_page_of_a_list_is_read_from_its_beginning(
    program: Program, root: BrowserUser
) -> None:
    page, mark = root.page, uuid4().hex[:8]
    for number in range(2 * PAGE_SIZE + 1):
        program.behind_its_back(
            "INSERT INTO user (id, email, name, created_at) VALUES (?, ?, '', ?)",
            *(uuid4().hex, f"{mark}-{number:02}@example.com", "2026-01-01 00:00:00"),
        )
    await root.open("/admin/people")
    await page.get_by_role("searchbox").fill(mark)
    rows = page.locator(".entries > li")
    shown = page.get_by_text(re.compile(r"^Page \d$"))
    forward, back = [page.get_by_role("button", name=f"{one} page") for one in ("Next", "Previous")]
    await expect(page.get_by_text(f"{2 * PAGE_SIZE + 1} users")).to_be_visible()
    await expect(shown).to_have_role("status")
    for button, number, focused in (
        (forward, 2, forward),
        (forward, 3, back),  # there is none after it
        (back, 2, back),
        (back, 1, forward),
    ):
        await button.press("Enter")
        await expect(shown).to_have_text(f"Page {number}")
        await expect(rows.first).to_contain_text(f"{mark}-{PAGE_SIZE * (number - 1):02}")
        await expect(focused).to_be_focused()
        await expect(rows.first).to_be_in_viewport(ratio=1)
    program.behind_its_back("DELETE FROM user WHERE email LIKE ?", f"{mark}-%")
    assert root.errors == []


async def test_a_long_name_fits_a_phone(root: BrowserUser) -> None:
    page = root.page
    await page.set_viewport_size({"width": 360, "height": 640})
    await root.open("/admin/organisations")
    await page.get_by_text("Create an organisation").click()
    await page.get_by_label("Name", exact=True).fill("W" * 100)
    await page.get_by_label("Email of its owner").fill(root.email)
    await page.get_by_role("button", name="Create organisation").click()
    await expect(page.get_by_role("strong")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await root.open("/admin/models")
    await page.get_by_role("searchbox").fill("W" * 100)
    await page.get_by_role("button", name="Show WWW").click()
    await expect(page.get_by_text("In the chats of")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
