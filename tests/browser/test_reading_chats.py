"""An admin reads a member's chat and the member sees it; a demotion blanks the page."""

import re
import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

from playwright.async_api import Page, expect

from chat_app.core.clock import utc_now
from testing.axe import violations
from testing.browser_user import TIMEOUT_MS, BrowserUser, Meet, composer
from testing.program import Program
from testing.site_roles import tell_roles_changed

REASON = "A customer asks what was promised to them."
SECRET = "What did we promise to Globex?"


async def _api(user: BrowserUser, method: str, path: str, body: Any = None) -> Any:
    """What a route of the HTTP API responds to a user."""
    answer = await user.context.request.fetch(
        f"{user.url}{path}",
        method=method,
        data=body,
        headers={"Origin": user.url, "Content-Type": "application/json"},
    )
    assert answer.ok, await answer.text()
    return await answer.json() if answer.status != 204 else None


def _user_id(program: Program, user: BrowserUser) -> str:
    (path,) = program.data_folder.glob("*.db")
    with closing(sqlite3.connect(path, timeout=30)) as db:
        return db.execute("SELECT id FROM user WHERE email = ?", (user.email,)).fetchone()[0]


async def _join(program: Program, org: str, user: BrowserUser, role: str) -> UUID:
    """Make a user a member of an organisation at once: an invitation would need a mail server."""
    user_id, now = _user_id(program, user), utc_now().replace(tzinfo=None).isoformat(" ")
    program.behind_its_back(
        "INSERT INTO membership (user_id, org_id, role, created_at) VALUES (?, ?, ?, ?)",
        *(user_id, UUID(org).hex, role, now),
    )
    await tell_roles_changed(program, user.email)
    return UUID(user_id)


async def _fits(page: Page) -> bool:
    return await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_an_admin_reads_a_chat_and_the_member_sees_it(
    program: Program, meet: Meet, axe: str
) -> None:
    chief, grace, ada = [await meet(name, program.url) for name in ("Chief", "Grace", "Ada")]
    for one in (chief, grace, ada):
        await one.sign_up()
    org = (await _api(chief, "POST", "/api/organisations", {"name": "Acme"}))["id"]
    await _api(chief, "PATCH", f"/api/organisations/{org}", {"allowsAdminReading": True})
    admin = await _join(program, org, grace, "admin")
    await _join(program, org, ada, "member")
    thread = (await _api(ada, "POST", "/api/threads", {"orgId": org}))["id"]
    await ada.open(f"/c/{thread}")
    await expect(composer(ada.page)).to_be_visible()
    await ada.ask(SECRET)
    await expect(ada.page.get_by_test_id("message")).to_have_count(2)
    await expect(ada.page.get_by_test_id("stop")).to_have_count(0, timeout=TIMEOUT_MS * 2)

    page = grace.page
    await grace.open(f"/reading/new/{org}?member={UUID(_user_id(program, ada))}")
    reason = page.get_by_label("Reason")
    await expect(reason).to_be_visible()
    assert await violations(page, axe) == []
    await expect(page.get_by_label("Whose chats")).to_have_value(str(UUID(_user_id(program, ada))))
    await reason.fill(REASON)
    await reason.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # the button
    await page.wait_for_url(re.compile(r"/reading/[0-9a-f-]{36}/?$"))
    banner = page.locator(".reading-banner")
    await expect(banner).to_contain_text("Reading the chats of Ada")
    await expect(banner).to_contain_text(REASON)
    organisation = page.get_by_role("link", name="Acme", exact=True)
    await expect(organisation).to_have_attribute("href", f"/settings/organisations/{org}")
    assert await violations(page, axe) == []
    # the list is told in the settings, a chat in the chat
    await expect(ada.page.locator(".readers")).to_have_count(0)
    await page.locator(".read-threads a").press("Enter")
    messages = page.get_by_test_id("message")
    await expect(messages).to_have_count(2)
    await expect(messages.first).to_contain_text(SECRET)
    await expect(page.get_by_test_id("composer")).to_have_count(0)
    await expect(messages.locator("button", has_text=re.compile("Retry|Regenerate"))).to_have_count(
        0
    )
    assert await violations(page, axe) == []
    await page.set_viewport_size({"width": 360, "height": 640})
    assert await _fits(page)

    # the member sees it at once, in the open chat
    told = ada.page.locator(".readers")
    await expect(told).to_contain_text(
        f"Grace ({grace.email}), an admin of Acme, read this chat on"
    )
    await expect(told).to_contain_text(REASON)
    assert await violations(ada.page, axe) == []
    await ada.page.set_viewport_size({"width": 360, "height": 640})
    assert await _fits(ada.page)
    await told.get_by_role("link").press("Enter")
    row = ada.page.locator("#readings .entries > li")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(REASON)
    await row.locator("summary").press("Enter")
    await expect(row.get_by_role("link", name=SECRET)).to_be_visible()
    assert await violations(ada.page, axe) == []
    assert await _fits(ada.page)

    # the admin is demoted while the page is open
    await _api(chief, "PATCH", f"/api/organisations/{org}/members/{admin}", {"role": "member"})
    await expect(page.get_by_role("heading", name="There is nothing to read here")).to_be_visible()
    await expect(page.get_by_text(SECRET)).to_have_count(0)
    await expect(banner).to_have_count(0)
    assert await violations(page, axe) == []
    await page.reload()
    await expect(page.get_by_role("heading", name="There is nothing to read here")).to_be_visible()
    assert chief.errors == grace.errors == ada.errors == []
