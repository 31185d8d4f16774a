"""What one person has is never seen by another: not in a list, not in a tab.

That it does not flash, not even from the browser's cache, is tested in
`resilience/attack_content_flash.py`.
"""

from playwright.async_api import Page, expect

from testing.browser_user import SIGN_IN, Meet, ask_model, composer, until_done, until_text
from testing.program import Program


async def test_two_people_have_two_lists(program: Program, meet: Meet) -> None:
    ada, bob = await meet("Ada", program.url), await meet("Bob", program.url)
    await ada.sign_up()
    await bob.sign_up()
    await ada.ask("Only for Ada")
    await bob.ask("Only for Bob")
    await expect(ada.titles()).to_have_text(["Only for Ada"])
    await expect(bob.titles()).to_have_text(["Only for Bob"])
    assert [t["title"] for t in await bob.threads()] == ["Only for Bob"]
    looks = []
    for thread in (await ada.thread(), "00000000-0000-4000-8000-000000000000"):
        tab = await bob.tab()  # a new one each time: it shows nothing of the page before
        await tab.goto(f"{program.url}/c/{thread}")
        await expect(tab.locator("main")).to_contain_text("Chat not found")
        looks.append(await tab.locator("main").inner_text())
    assert looks[0] == looks[1]
    assert ada.errors == bob.errors == []


async def test_signing_out_blanks_the_other_tab_and_stops_its_answer(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "Keep talking", "fake:4000x20")
    other, thread = ada.page, ada.page.url
    await until_text(other, 10)
    ada.page = await ada.tab()
    await ada.open("/")
    await expect(ada.titles()).to_have_text(["Keep talking"])
    await ada.sign_out()
    await expect(other.locator("body")).not_to_contain_text("Keep talking")
    await expect(composer(other)).to_have_count(0)
    await signed_out(other)

    await ada.sign_in()
    await ada.page.goto(thread)
    await until_text(ada.page, 10)
    row = ada.page.locator("[data-role=assistant]")
    await expect(row).to_have_attribute("data-status", "revoked")


async def test_a_second_tab_shows_the_answer_and_follows_the_list(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.ask("Tell both tabs")
    thread = await ada.thread()
    other = await ada.tab()
    await other.goto(ada.page.url)
    await until_text(other, 20)
    await until_done(ada.page)
    await until_done(other)
    here = await until_text(ada.page)
    there = await until_text(other)
    assert here == there
    await expect(ada.titles(other)).to_have_text(["Tell both tabs"])

    await ada.page.locator(".row").hover()
    await ada.page.get_by_role("button", name="Rename Tell both tabs").click()
    await ada.page.locator("[name=title]").fill("A better title")
    await ada.page.locator("[name=title]").press("Enter")
    await expect(ada.titles(other)).to_have_text(["A better title"])
    await ada.page.locator(".row").hover()
    await ada.page.get_by_role("button", name="Delete A better title").click()
    await ada.page.get_by_role("button", name="Undo").hover()  # so long it stays
    await expect(ada.titles(other)).to_have_count(0)
    await expect(other.locator("main")).to_contain_text("Chat not found")
    await ada.page.get_by_role("button", name="Undo").click()
    await expect(ada.titles(other)).to_have_text(["A better title"])
    await expect(other.locator("main")).not_to_contain_text("Chat not found")
    assert thread in other.url
    await expect(ada.page).to_have_url(f"{program.url}/")  # where the deletion has led

    made = await ada.page.evaluate(
        """async () => (await (await fetch("/api/threads", { method: "POST",
            headers: { "Content-Type": "application/json" }, body: "{}" })).json()).id"""
    )
    await ada.open(f"/c/{made}")
    await expect(ada.titles()).to_have_count(2)
    await ada.page.locator(".row").filter(has_text="A better title").hover()
    await ada.page.get_by_role("button", name="Delete A better title").click()
    await expect(ada.titles()).to_have_count(1)
    await ada.page.get_by_role("button", name="Undo").click()
    await expect(ada.titles()).to_have_count(2)
    assert made in ada.page.url
    assert ada.errors == []


async def signed_out(page: Page) -> None:
    """The tab has come to the sign-in page by itself."""
    await page.wait_for_url(SIGN_IN)
