"""What an admin decides for everyone: who may create an account, and what is announced."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from screenshots.viewports import DARK_PHONE, EVERY, apply
from testing.axe import violations
from testing.browser_user import BrowserUser, Meet, composer
from testing.program import Program
from testing.site_roles import set_site_role

LONG = "Maintenance on Sunday from six. " * 15
MARKUP = "<img src=x onerror=alert(1)> [link](https://example.org) javascript:alert(1)"


@pytest_asyncio.fixture(loop_scope="session")
async def root(program: Program, meet: Meet) -> AsyncIterator[BrowserUser]:
    """An admin, after whom everyone may sign up and nothing is announced."""
    one = await meet("Root", program.url)
    await one.sign_up()
    await set_site_role(program, one.email, "admin")
    yield one
    await _choose(one, "Everyone")
    await one.open("/admin/announcements")
    entries = one.page.locator(".entries > li")
    await expect(one.page.locator(".settings-section")).to_have_count(2)
    for left in range(await entries.count(), 0, -1):
        await entries.first.locator("summary", has_text="Delete").click()
        await entries.first.get_by_role("button", name="Delete announcement").click()
        await expect(entries).to_have_count(left - 1)
    await set_site_role(program, one.email, "")


async def _choose(root: BrowserUser, label: str, domains: str = "") -> None:
    await root.open("/admin/sign-up")
    await root.page.get_by_role("radio", name=label).check()
    if domains:
        await root.page.get_by_role("textbox", name="Domains").fill(domains)
    await root.page.get_by_role("button", name="Save").click()
    await expect(root.page.get_by_text("Saved.")).to_be_visible()


async def test_an_admin_closes_sign_up_and_opens_it_for_some(
    program: Program, meet: Meet, root: BrowserUser, axe: str
) -> None:
    await root.open("/admin/sign-up")
    await expect(root.page.get_by_role("radio", name="Everyone")).to_be_checked()
    await expect(root.page.get_by_role("textbox", name="Domains")).to_be_hidden()
    await root.page.get_by_role("radio", name="Only emails of some domains").check()
    await root.page.get_by_role("textbox", name="Domains").fill("not a domain!")
    await root.page.get_by_role("button", name="Save").click()
    await expect(root.page.get_by_role("alert").filter(has_text="not a domain")).to_be_visible()
    for viewport in EVERY:
        await apply(root.page, viewport)
        assert await violations(root.page, axe) == [], viewport
    await apply(root.page, EVERY[0])

    await _choose(root, "Nobody")
    eve = await meet("Eve", program.url)
    await eve.open("/signin")
    await expect(eve.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    await expect(eve.page.get_by_role("link", name="Create an account")).to_have_count(0)
    await eve.open("/signup")
    await expect(eve.page.get_by_role("heading", name="Sign-up is closed")).to_be_visible()
    await expect(eve.page.get_by_label("Email")).to_have_count(0)

    await _choose(root, "Only emails of some domains", "example.com")
    await eve.open("/signin")
    await eve.page.get_by_role("link", name="Create an account").click()
    await expect(eve.page.get_by_text("Only emails of some domains")).to_be_visible()
    assert await violations(eve.page, axe) == []
    await eve.page.fill("[name=email]", "eve@example.net")
    await eve.page.fill("[name=password]", "plum-Otter-teapot-91")
    await eve.page.locator("form button[type=submit]").last.click()
    refused = eve.page.get_by_role("alert").filter(has_text="No account can be created")
    await expect(refused).to_be_visible()
    assert root.errors == eve.errors == []


async def _announce(root: BrowserUser, text: str) -> None:
    form = root.page.locator("form").first
    await form.get_by_label("Text").fill(text)
    await form.get_by_role("button", name="Announce").press("Enter")
    await expect(root.page.get_by_text("Announced.")).to_be_visible()
    await expect(form.get_by_label("Text")).to_have_value("")


async def test_an_announcement_is_in_open_tabs_at_once_and_takes_no_room_that_is_needed(
    program: Program, meet: Meet, root: BrowserUser, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    settings = await ada.tab()
    await settings.goto(f"{program.url}/settings/chat")
    await expect(settings.get_by_role("heading", name="Appearance")).to_be_visible()
    await apply(ada.page, DARK_PHONE)
    await composer(ada.page).fill("I am writing")
    await root.open("/admin/announcements")
    await expect(root.page.get_by_text("No announcements yet.")).to_be_visible()

    await _announce(root, MARKUP)
    for page in (ada.page, settings, root.page):
        banner = page.locator(".announcement")
        await expect(banner).to_have_text(MARKUP)
        await expect(banner.locator("img, a")).to_have_count(0)
    await expect(composer(ada.page)).to_be_focused()
    await expect(composer(ada.page)).to_have_value("I am writing")

    for number in range(3):
        await _announce(root, f"{number}: {LONG}")
    await expect(ada.page.locator(".announcement")).to_have_count(3)
    await expect(ada.page.locator(".announcement").first).to_contain_text("2: ")
    for viewport in EVERY:
        await apply(ada.page, viewport)
        assert await violations(ada.page, axe) == [], viewport
        box = await composer(ada.page).bounding_box()
        over = await ada.page.locator(".announcements").bounding_box()
        assert box
        assert over
        assert box["y"] + box["height"] <= viewport.height, viewport
        assert over["y"] + over["height"] <= box["y"], viewport
        assert over["height"] <= 0.31 * viewport.height, viewport

    dismiss = ada.page.get_by_role("button", name="Dismiss this announcement")
    await dismiss.first.press("Enter")
    await expect(ada.page.locator(".announcement").first).to_contain_text("1: ")
    await ada.page.wait_for_function("() => document.activeElement !== document.body")
    await expect(settings.locator(".announcement").first).to_contain_text("1: ")
    await ada.page.reload()
    await expect(ada.page.locator(".announcement").first).to_contain_text("1: ")
    await expect(root.page.locator(".announcement").first).to_contain_text("2: ")

    newest = root.page.locator(".entries > li").first
    await newest.locator("summary", has_text="Edit").click()
    await newest.get_by_label("Text").fill("Another text")
    await newest.get_by_role("button", name="Save").click()
    await expect(ada.page.locator(".announcement").first).to_have_text("Another text")
    for viewport in EVERY:
        await apply(root.page, viewport)
        assert await violations(root.page, axe) == [], viewport
    await newest.get_by_role("button", name="End now").click()
    await expect(newest).to_contain_text("Ended")
    await expect(ada.page.locator(".announcement").first).not_to_have_text("Another text")

    anonymous = await meet("Anonymous", program.url)
    await anonymous.open("/signin")
    await expect(anonymous.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    await expect(anonymous.page.locator(".announcement, .announcements")).to_have_count(0)
    assert root.errors == ada.errors == []
