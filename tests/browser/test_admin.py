"""The administration: only admins find it, and who loses the role loses what is open."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import APIResponse, expect

from testing.axe import violations
from testing.browser_user import (
    PASSWORD,
    SIGN_IN,
    TIMEOUT_MS,
    BrowserUser,
    Meet,
    ask_model,
    until_text,
)
from testing.program import Program, running
from testing.site_roles import set_site_role

GIVEN = {"FAKE_MODELS": "true", "EMBEDDED_MODEL": "false"}
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
    await expect(figures).to_be_visible(timeout=TIMEOUT_MS)
    await set_site_role(program, root.email, "")
    await expect(root.page.get_by_role("heading", name=NOT_FOUND)).to_be_visible()
    await expect(figures).to_have_count(0)
    await set_site_role(program, root.email, "admin")
    await expect(figures).to_be_visible(timeout=TIMEOUT_MS)
    assert root.errors == []


async def test_the_link_of_the_first_start_makes_an_admin(
    tmp_path_factory: pytest.TempPathFactory, meet: Meet
) -> None:
    with running(tmp_path_factory.mktemp("first"), given=GIVEN) as first:
        link = re.search(r"http://\S+/setup#\S+", first.log.read_text())
        assert link
        ada = await meet("Ada", first.url)
        await ada.page.goto(link[0])
        # the token is out of the URL
        await expect(ada.page).to_have_url(re.compile(r"/setup/?$"))
        await ada.page.get_by_role("link", name="Create account").click()
        await ada.page.fill("[name=email]", ada.email)
        await ada.page.fill("[name=name]", ada.name)
        await ada.page.fill("[name=password]", PASSWORD)
        await ada.page.locator("form button[type=submit]").last.click()
        await expect(ada.page.get_by_text(f"You are signed in as {ada.email}")).to_be_visible(
            timeout=TIMEOUT_MS
        )
        await ada.page.get_by_role("button", name="Become the admin").click()
        await expect(ada.page.locator(".figures")).to_be_visible(timeout=TIMEOUT_MS)
        eve = await meet("Eve", first.url)
        await eve.sign_up()
        await eve.page.goto(link[0])
        await eve.page.get_by_role("button", name="Become the admin").click()
        await expect(eve.page.get_by_role("alert")).to_contain_text("doesn't work any more")
        assert (await eve.context.request.get(f"{first.url}/admin")).status == 404
        assert ada.errors == eve.errors == []


async def test_a_public_installation_has_no_setup_page(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    given = {"APP_URL": "https://chat.example", "TRUSTED_PROXY_HOPS": "1"}
    with running(tmp_path_factory.mktemp("public"), given=given) as public:
        assert "chat-app user promote EMAIL" in public.log.read_text()
        headers = {"Host": "chat.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "::1"}
        async with httpx.AsyncClient(base_url=public.url, headers=headers) as client:
            for path in ("/setup", "/nothing"):
                answer = await client.get(path)
                location = f"/signin?callbackUrl=%2F{path[1:]}"
                assert (answer.status_code, answer.headers["location"]) == (303, location)


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
    await expect(rows).to_have_count(1, timeout=TIMEOUT_MS)

    async def do(action: str) -> None:
        if not await rows.locator("> details").evaluate("(one) => one.open"):
            await rows.locator("> details > summary").press("Enter")
        await rows.locator(f'[data-action="{action}"] > summary').press("Enter")
        assert await violations(page, axe, ()) == []
        await rows.locator(f'[data-action="{action}"] > button').press("Enter")

    await do("Disable")
    await eve.page.wait_for_url(SIGN_IN)  # its answer has ended with the session
    await expect(rows.get_by_text("Disabled", exact=True)).to_be_visible()
    await do("Enable")
    await expect(rows.get_by_text("Disabled", exact=True)).to_have_count(0)
    await eve.sign_in()
    await page.set_viewport_size({"width": 360, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await do("Delete")
    await expect(rows).to_have_count(0)
    await eve.page.wait_for_url(SIGN_IN)

    email = f"new-{uuid4().hex[:8]}@example.com"
    await page.get_by_text("Add a user").click()
    await page.get_by_label("Email").fill(email)
    await page.get_by_role("button", name="Add user").click()
    link = page.locator(".new-key .secret")
    await expect(link).to_contain_text("/reset/new#")
    new = await meet("New", program.url)
    await new.page.goto(await link.inner_text())
    await new.page.fill("[name=password]", PASSWORD)
    await new.page.get_by_role("button", name="Change password").click()
    await expect(new.page.get_by_role("heading", name="Password changed")).to_be_visible()
    await page.get_by_role("button", name="Done").click()
    await expect(link).to_have_count(0)
    assert root.errors == eve.errors == new.errors == []
