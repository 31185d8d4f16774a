"""Scenes of working in organisations on the chat page."""

from playwright.async_api import Page

from screenshots.chat_scenes import open_drawer, open_menu
from screenshots.programs import BrowserUser, Programs, expect
from screenshots.scene import scene

_CREATE = """async ([name, titles]) => {
    const post = async (url, body) => (await fetch(url, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();
    const { id } = await post("/api/organisations", { name });
    for (const title of titles) await post("/api/threads", { title, orgId: id });
}"""
_TITLES = ("Minutes of the meeting", "A budget for spring", "Words for the new sign")


async def _in_organisation(programs: Programs) -> BrowserUser:
    ada = await programs.person(programs.program())
    await ada.page.evaluate(_CREATE, ["Rivers and Waterways", list(_TITLES)])
    await ada.page.evaluate(_CREATE, ["Choir", []])
    await ada.page.get_by_test_id("account-menu").click()
    await ada.page.get_by_role("radio", name="Rivers and Waterways").click()
    await expect(ada.titles()).to_have_count(len(_TITLES))
    return ada


@scene("current-organisation", open_drawer)
async def _(programs: Programs) -> Page:
    return (await _in_organisation(programs)).page


@scene("current-organisation-new-chat")
async def _(programs: Programs) -> Page:
    return (await _in_organisation(programs)).page


@scene("current-organisation-menu", open_menu)
async def _(programs: Programs) -> Page:
    return (await _in_organisation(programs)).page


@scene("move-chat")
async def _(programs: Programs) -> Page:
    ada = await _in_organisation(programs)
    await ada.page.locator(".row").first.hover()
    await ada.page.get_by_role("button", name="Move Words for the new sign to…").click()
    await ada.page.get_by_role("radio", name="Choir").last.click()
    await expect(ada.page.get_by_role("dialog")).to_contain_text("It stays in Choir")
    return ada.page


@scene("moved-chat", open_drawer)
async def _(programs: Programs) -> Page:
    ada = await _in_organisation(programs)
    await ada.page.locator(".row").first.hover()
    await ada.page.get_by_role("button", name="Move Words for the new sign to…").click()
    await ada.page.get_by_role("dialog").get_by_role("button", name="Move").click()
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_visible()
    await ada.page.add_style_tag(content=".undo { animation: none !important }")
    return ada.page
