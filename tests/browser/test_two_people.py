"""What one person has is never seen by another: not in a list, not for one frame, not in a tab."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Meet
from tests.browser.person import SIGN_IN, composer, until_done, until_text
from tests.browser.program import Program, running

WATCH = """() => {
    const key = "seen-texts";
    const seen = (text) => {
        if (text && text.trim()) {
            sessionStorage.setItem(key, (sessionStorage.getItem(key) || "") + "\\n" + text);
        }
    };
    const all = (node) => {
        if (node.nodeType === Node.TEXT_NODE) seen(node.data);
        else for (const child of node.childNodes) all(child);
    };
    new MutationObserver((changes) => {
        for (const change of changes) {
            if (change.type === "characterData") seen(change.target.data);
            for (const node of change.addedNodes) all(node);
        }
    }).observe(document, {subtree: true, childList: true, characterData: true});
    all(document);
}"""


@pytest.fixture(scope="module")
def slow_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program whose every read from the database takes its time."""
    given = {"FAKE_MODELS": "true", "EMBEDDED_MODEL": "false", "CHAT_MODEL": "fake:20x0"}
    command = [sys.executable, str(Path(__file__).with_name("slow.py")), "run"]
    with running(tmp_path_factory.mktemp("slow"), command=command, given=given) as one:
        yield one


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
        await bob.open(f"/c/{thread}")
        await expect(bob.page.locator("main")).to_contain_text("not here")
        looks.append(await bob.page.locator("main").inner_text())
    assert looks[0] == looks[1]
    assert ada.errors == bob.errors == []


async def test_the_first_persons_words_never_flash(slow_program: Program, meet: Meet) -> None:
    bob = await meet("Bob", slow_program.url)
    await bob.sign_up()
    await bob.ask("Bobs own words")
    await until_done(bob.page)
    ada = await meet("Ada", slow_program.url)
    await ada.sign_up()
    await ada.ask("The secret of Ada")
    await until_done(ada.page)
    await expect(ada.titles()).to_have_text(["The secret of Ada"])
    thread = ada.page.url

    await ada.sign_out()
    await ada.page.evaluate("sessionStorage.removeItem('seen-texts')")
    await ada.context.add_init_script(f"({WATCH})()")
    ada.email = bob.email
    await ada.sign_in()
    await expect(ada.titles()).to_have_text(["Bobs own words"])
    for move in (ada.page.go_back, ada.page.go_forward):
        await move(wait_until="commit")
        await expect(ada.titles()).to_have_text(["Bobs own words"])
    await ada.page.goto(thread, wait_until="commit")
    await expect(ada.page.locator("main")).to_contain_text("not here")
    await expect(ada.titles()).to_have_text(["Bobs own words"])

    seen = await ada.page.evaluate("sessionStorage.getItem('seen-texts')")
    assert "Bobs own words" in seen
    assert "secret of Ada" not in seen
    assert "deterministic" not in seen


async def test_signing_out_blanks_the_other_tab_and_stops_its_answer(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    other = await ada.tab()
    await other.goto(program.url)
    await composer(other).fill("Keep talking")
    await composer(other).press("Enter")
    await until_text(other, 10)
    thread = other.url
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
    await expect(ada.titles(other)).to_have_count(0)
    await expect(other.locator("main")).to_contain_text("not here")
    await ada.page.get_by_role("button", name="Undo").click()
    await expect(ada.titles(other)).to_have_text(["A better title"])
    assert await ada.thread() == thread
    assert ada.errors == []


async def signed_out(page: Page) -> None:
    """The tab has come to the sign-in page by itself."""
    await page.wait_for_url(SIGN_IN)
