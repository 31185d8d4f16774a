"""The pages about usage: a user asks a model, and both the user and an admin see the call."""

from playwright.async_api import expect

from screenshots.viewports import DARK_PHONE, LIGHT, apply
from testing.axe import violations
from testing.browser_user import Meet, ask_model, until_done
from testing.program import Program
from testing.site_roles import set_site_role


async def test_a_call_is_shown_to_its_user_and_to_an_admin(
    first_program: Program, meet: Meet, axe: str
) -> None:
    ada = await meet("Ada", first_program.url)
    await ada.sign_up()
    page = ada.page
    await ada.open("/settings/usage")
    await expect(page.get_by_text("No model was used in these days.")).to_be_visible()
    assert await violations(page, axe, ()) == []
    await ada.open("/")
    await ask_model(ada, "What is the weather like in Rome?", "fake:20x0")
    await until_done(page)
    await set_site_role(first_program, ada.email, "admin")
    for path, who in (("/settings/usage", ""), ("/admin/usage", ada.email)):
        await ada.open(path)
        await expect(page.locator(".figures")).to_be_visible()
        model = page.get_by_role("row", name="fake:20x0").first
        await expect(model.get_by_role("cell").first).to_have_text("1")
        if who:
            await expect(page.get_by_role("rowheader", name=who)).to_be_visible()
        days = page.get_by_role("group", name="Period")
        await days.get_by_role("button", name="7 days").press("Enter")
        await expect(days.get_by_role("button", pressed=True)).to_have_text("7 days")
        await expect(page.locator(".usage-bars > span")).to_have_count(7)
        await page.get_by_text("Show as a table").press("Enter")
        await expect(page.get_by_role("columnheader", name="Day")).to_be_visible()
        for viewport in (LIGHT, DARK_PHONE):
            await apply(page, viewport)
            assert await violations(page, axe, ()) == [], viewport.name
            width = "document.documentElement.scrollWidth"
            assert await page.evaluate(width) == viewport.width
    assert ada.errors == []
