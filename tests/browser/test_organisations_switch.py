"""Working in organisations: what each tab lists, where a new chat goes, and moving one."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from testing.axe import violations
from testing.browser_user import (
    BrowserUser,
    Meet,
    ask_model,
    composer,
    until_done,
    until_text,
)
from testing.organisations import join_organisation
from testing.program import Program

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
CREATE = """async ([name, titles]) => {
    const post = async (url, body) => (await fetch(url, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();
    const { id } = await post("/api/organisations", { name });
    const made = [];
    for (const title of titles) made.push((await post("/api/threads", { title, orgId: id })).id);
    return [id, ...made];
}"""


async def organisation(user: BrowserUser, name: str, *titles: str) -> list[str]:
    """A new organisation with threads of the user: its id, and theirs."""
    made = await user.page.evaluate(CREATE, [name, list(titles)])
    await expect(user.page.get_by_test_id("organisation")).to_be_attached()
    return made


async def switch(page: Page, name: str) -> None:
    """Choose an organisation in the account menu."""
    await page.get_by_test_id("account-menu").click()
    await page.get_by_role("radio", name=name).click()
    await expect(current(page)).to_have_text(name)


def current(page: Page) -> Any:
    """The name of the current organisation, below the user's."""
    return page.get_by_test_id("organisation")


async def test_two_tabs_in_two_organisations(program: Program, meet: Meet, axe: str) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.page.get_by_test_id("account-menu").click()
    await expect(ada.page.get_by_role("link", name="Settings")).to_be_visible()
    await expect(ada.page.get_by_role("radiogroup", name="Organisation")).to_have_count(0)
    await ada.page.keyboard.press("Escape")
    await ada.ask("Only for me")
    await expect(ada.titles()).to_have_text(["Only for me"])
    await until_text(ada.page, 10)
    await until_done(ada.page)
    _, plans = await organisation(ada, "Acme", "Plans")

    work = await ada.tab()
    await work.goto(f"{program.url}/")
    await expect(current(work)).to_have_text("Personal")
    await expect(ada.titles(work)).to_have_text(["Only for me"])
    await composer(work).fill("Half a thought")
    await switch(work, "Acme")
    await expect(ada.titles(work)).to_have_text(["Plans"])
    await expect(composer(work)).to_have_value("Half a thought")
    await expect(work.locator(".beginning")).to_contain_text("New chat in Acme")
    await expect(work.get_by_label("Search in Acme")).to_be_visible()
    assert await violations(work, axe) == []

    # A new chat is made in it, and the other tab neither lists it nor leaves its own.
    await composer(work).press("Enter")
    await work.wait_for_url(re.compile("/c/"))
    await until_text(work)
    await expect(ada.titles(work)).to_have_text(["Half a thought", "Plans"])
    await expect(current(ada.page)).to_have_text("Personal")
    await expect(ada.titles()).to_have_text(["Only for me"])
    stored = await work.evaluate(
        "async () => (await (await fetch('/api/threads?organisation=all')).json())"
    )
    assert {one["title"]: bool(one["orgId"]) for one in stored} == {
        "Half a thought": True,
        "Plans": True,
        "Only for me": False,
    }

    # A new tab begins where the last choice was; a URL brings its own organisation.
    third = await ada.tab()
    await third.goto(f"{program.url}/")
    await expect(current(third)).to_have_text("Acme")
    await third.goto(ada.page.url)
    await expect(current(third)).to_have_text("Personal")
    await expect(ada.titles(third)).to_have_text(["Only for me"])
    await third.goto(f"{program.url}/c/{plans}")
    await expect(current(third)).to_have_text("Acme")
    await expect(third.locator(".thread-title")).to_have_text("Plans")

    # A switch leaves the open chat.
    await switch(third, "Personal")
    await expect(third).to_have_url(f"{program.url}/")
    await expect(ada.titles(third)).to_have_text(["Only for me"])
    await expect(third.locator(".beginning")).to_contain_text("New chat in Personal")
    assert ada.errors == []


async def test_a_chat_is_moved_and_moved_back_with_the_keyboard(
    program: Program, meet: Meet, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    page = ada.page
    await ada.ask("Budget")
    await until_text(page, 10)
    await until_done(page)
    await organisation(ada, "Acme")
    await organisation(ada, "Beta")
    row = page.locator(".row").filter(has_text="Budget")
    await row.get_by_role("link").focus()
    await row.get_by_role("button", name="Move Budget to…").focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Move “Budget”")
    await expect(dialog.get_by_role("radio", name="Acme")).to_be_checked()
    await expect(dialog.get_by_role("radio")).to_have_count(2)
    await expect(dialog).to_contain_text("It stays in Acme if you leave")
    assert await violations(page, axe) == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    move = row.get_by_role("button", name="Move Budget to…")
    await expect(move).to_be_focused()
    await page.keyboard.press("Enter")
    await dialog.get_by_role("radio", name="Acme").focus()
    await page.keyboard.press("ArrowDown")
    await expect(dialog).to_contain_text("It stays in Beta if you leave")
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    # It is open, and takes the tab along.
    await expect(current(page)).to_have_text("Beta")
    await expect(ada.titles()).to_have_text(["Budget"])
    undo = page.get_by_role("button", name="Undo")
    await expect(undo).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(current(page)).to_have_text("Personal")
    await expect(ada.titles()).to_have_text(["Budget"])

    # The choice of the organisation, with the arrow keys: nothing is chosen on the way.
    await page.get_by_test_id("account-menu").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("radio", name="Personal").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="Acme")).to_be_focused()
    await expect(page.get_by_role("radio", name="Personal")).to_be_checked()
    await page.keyboard.press("Enter")
    await expect(current(page)).to_have_text("Acme")
    await expect(page.get_by_role("radiogroup")).to_be_hidden()
    await expect(page).to_have_url(f"{program.url}/")
    await expect(page.get_by_text("Your chats will appear here.")).to_be_visible()
    assert ada.errors == []


async def test_a_long_name_leaves_the_buttons_of_the_dialog_in_sight(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url, viewport={"width": 360, "height": 640})
    await ada.sign_up()
    page = ada.page
    _, plans = await organisation(ada, "W" * 100, "Plans")
    await organisation(ada, "V" * 100)
    await page.goto(f"{program.url}/c/{plans}")
    await page.get_by_role("button", name="Your chats").click()
    await page.locator(".row").hover()
    await page.get_by_role("button", name="Move Plans to…").click()
    dialog = page.get_by_role("dialog", name="Move “Plans”")
    await dialog.get_by_role("radio", name="VVV").check()
    assert await dialog.evaluate("(one) => one.scrollWidth - one.clientWidth") == 0
    await expect(dialog.get_by_role("button", name="Move")).to_be_in_viewport(ratio=1)


async def test_an_answer_that_is_written_keeps_its_chat_where_it_is(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ask_model(ada, "A long one", "fake:4000x20")
    await organisation(ada, "Acme")
    await ada.page.locator(".row").hover()
    await ada.page.get_by_role("button", name="Move A long one to…").click()
    dialog = ada.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Move").click()
    await expect(dialog.get_by_role("alert")).to_have_text(
        "An answer is still being written in this chat. Stop it first."
    )
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(ada.titles()).to_have_text(["A long one"])
    assert ada.errors == []


async def test_who_is_removed_is_told_and_keeps_the_text(program: Program, meet: Meet) -> None:
    ada, bob = await meet("Ada", program.url), await meet("Bob", program.url)
    await ada.sign_up()
    await bob.sign_up()
    org, *_ = await organisation(ada, "Acme")
    await join_organisation(program, org, bob.email)
    await bob.page.reload()
    await switch(bob.page, "Acme")
    await bob.ask("At work")
    await until_done(bob.page)
    typing = await bob.tab()
    await typing.goto(f"{program.url}/")
    await expect(current(typing)).to_have_text("Acme")
    await composer(typing).fill("What I wrote")
    await ada.page.evaluate(
        """async ([org, email]) => {
            const { members } = await (await fetch(`/api/organisations/${org}/members`)).json();
            const bob = members.find((one) => one.email === email);
            await fetch(`/api/organisations/${org}/members/${bob.userId}`, { method: "DELETE" });
        }""",
        [org, bob.email],
    )
    for page in (bob.page, typing):
        told = page.get_by_role("alert").filter(has_text="You no longer belong to Acme.")
        await expect(told).to_be_visible()
        await expect(current(page)).to_have_count(0)
        await expect(bob.titles(page)).to_have_count(0)
    await expect(bob.page.locator("main")).to_contain_text("Chat not found")
    await expect(bob.page.locator("body")).not_to_contain_text("At work")
    await expect(composer(typing)).to_have_value("What I wrote")
    assert ada.errors == bob.errors == []


@pytest.mark.parametrize("options", [PHONE])
async def test_an_organisation_is_chosen_on_a_phone(
    program: Program, meet: Meet, axe: str, options: dict[str, Any]
) -> None:
    ada = await meet("Ada", program.url, **options)
    await ada.sign_up()
    page = ada.page
    _, plans = await organisation(ada, "Acme", "Plans")
    await page.get_by_role("button", name="Your chats").tap()
    await page.get_by_test_id("account-menu").tap()
    await page.get_by_role("radio", name="Acme").tap()
    await expect(current(page)).to_have_text("Acme")
    await expect(ada.titles()).to_have_text(["Plans"])
    await page.get_by_role("button", name="Options for Plans").tap()
    await page.get_by_role("menuitem", name="Move to…").tap()
    dialog = page.get_by_role("dialog", name="Move “Plans”")
    await expect(dialog).to_contain_text("Only you can read it there.")
    assert await violations(page, axe) == []
    await dialog.get_by_role("button", name="Move").tap()
    await expect(page.get_by_text("Moved “Plans” to Personal").last).to_be_visible()
    await page.goto(f"{program.url}/c/{plans}")
    await expect(page.locator(".thread-title")).to_have_text("Plans")
    await expect(page.locator(".thread-where")).to_have_count(0)
    assert ada.errors == []
