"""Scenes of the setup link, and of the pages of the administration."""

import re

from playwright.async_api import Locator, Page

from screenshots.programs import BrowserUser, Programs, ended, expect
from screenshots.scene import scene
from testing.browser_user import pick_model
from testing.site_roles import set_site_role


@scene("setup")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await _open_setup_link(programs, ada)
    await expect(ada.page.get_by_role("link", name="Create account")).to_be_visible()
    return ada.page


@scene("setup-signed-in")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await _open_setup_link(programs, ada)
    await expect(ada.page.get_by_role("button", name="Become the admin")).to_be_visible()
    return ada.page


@scene("setup-without-token")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/setup")
    await expect(ada.page.get_by_text("Open the full link")).to_be_visible()
    return ada.page


@scene("admin-overview")
async def _(programs: Programs) -> Page:
    root = await _admin(programs)
    await root.open("/admin/overview")
    await expect(root.page.locator(".figures")).to_be_visible()
    return root.page


@scene("admin-people")
async def _(programs: Programs) -> Page:
    root, eve = await _admin(programs), await programs.person(programs.program())
    row = await _found(root, eve.email)
    await row.locator("> details > summary").click()
    await row.locator('[data-action="Delete"] > summary').click()
    await expect(row.get_by_role("button", name="Delete user")).to_be_visible()
    return root.page


@scene("admin-people-link")
async def _(programs: Programs) -> Page:
    root = await _admin(programs)
    row = await _found(root, root.email)
    await root.page.get_by_text("Add a user").click()
    await root.page.get_by_label("Email").fill(f"new-{root.email}")
    await root.page.get_by_label("Name").fill("Grace")
    await root.page.get_by_role("button", name="Add user").click()
    await expect(root.page.locator(".shown-once .secret")).to_contain_text("/reset/new#")
    await expect(row).to_have_count(2)
    return root.page


@scene("admin-models")
async def _(programs: Programs) -> Page:
    root = await _admin(programs)
    await root.open("/")
    await pick_model(root.page, "fake:refuse")
    for number in range(3):
        await root.ask("What can go wrong?")
        await expect(root.page.locator("[data-role=assistant]")).to_have_count(number + 1)
        await ended(root.page, "failed")
    await root.open("/admin/models")
    await expect(root.page.get_by_text("Paused", exact=True)).to_be_visible()
    return root.page


@scene("admin-usage")
async def _(programs: Programs) -> Page:
    root = await _admin(programs)
    await root.open("/")
    await root.ask("What can be counted?")
    await ended(root.page, "complete")
    await root.open("/admin/usage")
    await expect(root.page.locator(".usage-bars")).to_be_visible()
    return root.page


@scene("admin-audit")
async def _(programs: Programs) -> Page:
    root = await _admin(programs)
    await root.open("/admin/audit")
    await expect(root.page.locator(".entries > li").first).to_be_visible()
    return root.page


async def _open_setup_link(programs: Programs, user: BrowserUser) -> None:
    log = programs.program().log.read_text()
    link = re.search(r"http://\S+/setup#\S+", log)
    assert link is not None, log
    await user.page.goto(link[0])


async def _admin(programs: Programs) -> BrowserUser:
    program = programs.program()
    root = await programs.person(program)
    await set_site_role(program, root.email, "admin")
    return root


async def _found(root: BrowserUser, email: str) -> Locator:
    """The row of a user in the list of people, once it is the only one."""
    await root.open("/admin/people")
    rows = root.page.locator(".entries > li")
    await expect(rows.first).to_be_visible()
    await root.page.get_by_role("searchbox").fill(email)
    await expect(rows).to_have_count(1)
    return rows
