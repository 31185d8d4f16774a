"""Scenes of an answer: while it is made, what it took, and every way in which it can end."""

from playwright.async_api import Page

from screenshots.programs import Programs, composer, ended, expect
from screenshots.scene import scene
from testing.browser_user import ask_model, pick_model, until_done, until_text


@scene("thinking")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program(CHAT_MODEL="fake:think3000:100x40"))
    await ada.ask("Tell me about steady answers.")
    await expect(ada.page.locator("details.ct-reasoning .ct-part > p").nth(3)).to_be_visible()
    return ada.page


@scene("thinking-second-tab")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program(CHAT_MODEL="fake:think3000:100x40"))
    await ada.ask("Tell me about steady answers.")
    await expect(ada.page.locator("details.ct-reasoning .ct-part > p").nth(2)).to_be_visible()
    other = await ada.tab()
    await other.goto(ada.page.url)
    await expect(other.locator("details.ct-reasoning .ct-part > p").nth(3)).to_be_visible()
    return other


@scene("thought")
async def _(programs: Programs) -> Page:
    return await _thought(programs)


@scene("thought-opened")
async def _(programs: Programs) -> Page:
    page = await _thought(programs)
    await page.locator("summary").click()
    await expect(page.locator("details .ct-part > p").first).to_be_visible()
    return page


@scene("thought-reloaded")
async def _(programs: Programs) -> Page:
    page = await _thought(programs)
    await page.reload()
    await page.locator("summary").click()
    await expect(page.locator("details .ct-part > p").first).to_be_visible()
    return page


@scene("details")
async def _(programs: Programs) -> Page:
    page = await _thought(programs)
    await page.get_by_role("button", name="Details").click()
    await expect(page.locator(".answer-details dd").first).to_be_visible()
    return page


@scene("model-changed")
async def _(programs: Programs) -> Page:
    page = await _thought(programs)
    await pick_model(page, "fake")
    await composer(page).fill("Say more.")
    await composer(page).press("Enter")
    await expect(page.locator(".ct-notice")).to_be_visible()
    await until_done(page)
    return page


def _cut(reason: str) -> None:
    @scene(f"cut-{reason}")
    async def _(programs: Programs) -> Page:
        ada = await programs.person(programs.program())
        await pick_model(ada.page, f"fake:{reason}")
        await ada.ask("Tell me about steady answers.")
        await expect(ada.page.locator(".ending")).to_be_visible()
        return ada.page


for _reason in ("length", "content-filter"):
    _cut(_reason)


async def _thought(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await pick_model(ada.page, "fake:think")
    await ada.ask("Tell me about steady answers.")
    await ended(ada.page, "complete")
    await until_done(ada.page)
    return ada.page


@scene("stopped")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program(CHAT_MODEL="fake:3000x30"))
    await ada.ask("Tell me about steady answers.")
    await until_text(ada.page, 120)
    await ada.page.get_by_test_id("stop").click()
    await ended(ada.page, "stopped")
    return ada.page


def _failing(fault: str) -> None:
    @scene(f"failed-{fault}")
    async def _(programs: Programs) -> Page:
        ada = await programs.person(programs.program())
        await pick_model(ada.page, f"fake:{fault}")
        await ada.ask("What can go wrong?")
        await ended(ada.page, "failed")
        await until_done(ada.page)
        return ada.page


for _fault in ("refuse", "429", "stall", "drop", "malformed"):
    _failing(_fault)


@scene("withheld")
async def _(programs: Programs) -> Page:
    """Nothing of the answer was let through."""
    return await _without_text(programs, "fake:content-filter:0x0")


@scene("limit-in-thought")
async def _(programs: Programs) -> Page:
    """The limit was reached before the answer began."""
    return await _without_text(programs, "fake:think40:length:0x0")


@scene("interrupted")
async def _(programs: Programs) -> Page:
    """The server was killed in the middle, and is there again."""
    program = programs.program(CHAT_MODEL="fake:3000x31")
    ada = await programs.person(program)
    await ada.ask("Tell me about steady answers.")
    await until_text(ada.page, 400)
    program.kill()
    program.start()
    await ada.page.reload()
    await ended(ada.page, "interrupted")
    await until_text(ada.page)
    return ada.page


@scene("revoked")
async def _(programs: Programs) -> Page:
    """The phone that had asked was signed out from here."""
    program = programs.program(CHAT_MODEL="fake:3000x30")
    phone = await programs.person(program)
    await phone.ask("Tell me about steady answers.")
    await until_text(phone.page, 400)
    laptop = await programs.anonymous_user(program)
    laptop.email = phone.email
    await laptop.sign_in()
    path = "/api/account/sessions/revoke-others"
    await laptop.page.evaluate("async (path) => await fetch(path, {method: 'POST'})", path)
    await laptop.open(f"/c/{await phone.thread()}")
    await ended(laptop.page, "revoked")
    await until_text(laptop.page)
    return laptop.page


async def _without_text(programs: Programs, model: str) -> Page:
    ada = await programs.person(programs.program())
    await ask_model(ada, "What can go wrong?", model)
    await ended(ada.page, "failed")
    await until_done(ada.page)
    return ada.page


@scene("versions")
async def _(programs: Programs) -> Page:
    """An answer and a question with another version each."""
    return await _versions(programs)


@scene("editing")
async def _(programs: Programs) -> Page:
    page = await _versions(programs)
    await composer(page).press("ArrowUp")
    await expect(page.get_by_role("textbox", name="Message text")).to_be_visible()
    return page


@scene("branch-deleted")
async def _(programs: Programs) -> Page:
    page = await _versions(programs)
    row = page.locator("[data-role=assistant]").last
    await row.get_by_role("button", name="Delete this version").click()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    await page.add_style_tag(content=".undo { animation: none !important }")
    return page


async def _versions(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.ask("echo: The tide rises twice a day.")
    await ended(ada.page, "complete")
    await composer(ada.page).press("ArrowUp")
    editor = ada.page.get_by_role("textbox", name="Message text")
    await editor.fill("How often does the tide rise? echo: Twice a day, in most places.")
    await editor.press("Enter")
    row = ada.page.locator("[data-role=assistant]")
    await expect(row).to_contain_text("Twice a day, in most places.")
    await ended(ada.page, "complete")
    await row.get_by_role("button", name="Regenerate").click()
    await expect(row.locator("[aria-live]")).to_have_text("Version 2/ of 2")
    await ended(ada.page, "complete")
    return ada.page
