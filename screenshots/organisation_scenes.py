"""Scenes of the pages of organisations."""

from playwright.async_api import Page

from screenshots.programs import BrowserUser, Programs, expect
from screenshots.scene import scene

_PATH = "/settings/organisations"
_CREATE = """async () => (await (await fetch("/api/organisations", { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "Acme" }) })
).json()).id"""


@scene("organisations-none")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.open(_PATH)
    await expect(ada.page.get_by_text("You don't belong")).to_be_visible()
    return ada.page


@scene("organisations")
async def _(programs: Programs) -> Page:
    ada, _ = await _owner(programs)
    await ada.open(_PATH)
    await expect(ada.page.get_by_role("link", name="Open Acme")).to_be_visible()
    return ada.page


@scene("organisation")
async def _(programs: Programs) -> Page:
    ada, path = await _owner(programs)
    await ada.open(path)
    row = ada.page.locator("#members .entries > li")
    await row.locator("> details > summary").click()
    await expect(row.get_by_label("Role")).to_be_visible()
    return ada.page


@scene("organisation-invited")
async def _(programs: Programs) -> Page:
    ada, path = await _owner(programs)
    await ada.open(path)
    await ada.page.get_by_text("Invite someone").click()
    await ada.page.get_by_label("Email", exact=True).fill("grace@example.com")
    await ada.page.get_by_role("button", name="Invite", exact=True).click()
    await expect(ada.page.locator(".shown-once .secret")).to_contain_text("/confirm#invitation.")
    await expect(ada.page.locator('[data-email="grace@example.com"]')).to_be_visible()
    return ada.page


@scene("organisation-audit")
async def _(programs: Programs) -> Page:
    ada, path = await _owner(programs)
    await ada.open(f"{path}/audit")
    events = ada.page.locator("main .entries > li")
    await expect(events.first).to_be_visible()
    return ada.page


@scene("organisation-missing")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.open(f"{_PATH}/missing")
    await expect(ada.page.get_by_role("heading", name="Organisation not found")).to_be_visible()
    return ada.page


async def _owner(programs: Programs) -> tuple[BrowserUser, str]:
    """A user with an organisation, and its path."""
    ada = await programs.person(programs.program())
    return ada, f"{_PATH}/{await ada.page.evaluate(_CREATE)}"
