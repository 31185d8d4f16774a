"""Scenes of the chat page and of the sign-in page."""

from playwright.async_api import Page, WebSocketRoute

from chat_app.db.engine import Database
from chat_app.seed import principal_by_email, seed_messages
from chat_app.settings import read_settings
from screenshots import sample_threads as samples
from screenshots import viewports
from screenshots.programs import BrowserUser, Programs, composer, data_of, ended, expect
from screenshots.scene import scene
from screenshots.viewports import Viewport
from testing.browser_user import pick_model, until_text


@scene("sign-in")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/signin")
    await ada.page.get_by_label("Email").fill("ada@example.com")
    return ada.page


@scene("sign-in-refused")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/signin")
    await ada.page.get_by_label("Email").fill("ada@example.com")
    await ada.page.locator("[name=password]").fill("not the password")
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(ada.page.locator("#problem")).to_contain_text("Incorrect")
    return ada.page


@scene("sign-up")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/signup")
    return ada.page


@scene("sign-in-closed")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program(SIGN_UP="closed"))
    await ada.open("/signin")
    await expect(ada.page.get_by_text("Create an account")).to_have_count(0)
    return ada.page


@scene("sign-up-closed")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program(SIGN_UP="closed"))
    await ada.open("/signup")
    await expect(ada.page.get_by_text("administrator")).to_be_visible()
    return ada.page


@scene("first-run")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    return ada.page


@scene("loading")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())

    def say_nothing(socket: WebSocketRoute) -> None:
        """The socket opens, and no word comes."""

    await ada.page.route_web_socket("**/_event/**", say_nothing)
    await ada.page.reload()
    await expect(ada.page.locator(".skeleton").first).to_be_visible()
    return ada.page


@scene("conversation")
async def _(programs: Programs) -> Page:
    ada, thread = await _with_a_past(programs)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    return ada.page


@scene("cover")
async def _(programs: Programs) -> Page:
    """What the README shows: written by hand, so the name of no real model stands over it."""
    ada, _thread = await _with_a_past(programs)
    data = data_of(programs.program())
    thread = await samples.tell(data, ada.email, "The next high tide", samples.COVER)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    await ada.page.locator(".ct-code .hljs-keyword").first.wait_for()
    return ada.page


async def open_drawer(page: Page, viewport: Viewport) -> None:
    """Open the drawer with the list, where there is one."""
    if viewport.is_narrow and not await page.locator("#sidebar").is_visible():
        await page.get_by_role("button", name="Your chats").click()
        await viewports.apply(page, viewport)


@scene("list", open_drawer)
async def _(programs: Programs) -> Page:
    ada, thread = await _with_a_past(programs)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    return ada.page


async def open_menu(page: Page, viewport: Viewport) -> None:
    """Open the account menu."""
    await open_drawer(page, viewport)
    if not await page.locator("#account-menu").is_visible():
        await page.get_by_test_id("account-menu").click()
    await viewports.apply(page, viewport)


@scene("account", open_menu)
async def _(programs: Programs) -> Page:
    ada, _thread = await _with_a_past(programs)
    return ada.page


@scene("rename", open_drawer)
async def _(programs: Programs) -> Page:
    ada, _thread = await _with_a_past(programs)
    await ada.page.locator(".row").nth(2).hover()
    await ada.page.get_by_role("button", name="Rename Polite ways").click()
    await expect(ada.page.get_by_label("New title")).to_be_focused()
    return ada.page


@scene("search", open_drawer)
async def _(programs: Programs) -> Page:
    ada, thread = await _with_a_past(programs)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    await ada.page.get_by_role("searchbox").fill("tide")
    await expect(ada.page.get_by_test_id("hit").first).to_be_visible()
    return ada.page


@scene("nothing-found", open_drawer)
async def _(programs: Programs) -> Page:
    ada, _thread = await _with_a_past(programs)
    await ada.page.get_by_label("Search chats").fill("elephants on the moon")
    await expect(ada.page.locator(".no-threads")).to_be_visible()
    return ada.page


@scene("undo", open_drawer)
async def _(programs: Programs) -> Page:
    ada, _thread = await _with_a_past(programs)
    await ada.page.locator(".row").nth(1).hover()
    await ada.page.get_by_role("button", name="Delete A birthday").click()
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_visible()
    await ada.page.add_style_tag(content=".undo { animation: none !important }")
    return ada.page


@scene("chat-settings")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await pick_model(ada.page, "fake:think")
    await ada.page.get_by_role("button", name="Chat settings").click()
    await ada.page.get_by_label("Instructions").fill(
        "Answer in British English, in short sentences."
    )
    await ada.page.get_by_label("Thinking effort").select_option(label="High")
    return ada.page


@scene("models")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.page.get_by_role("combobox", name="Model").press("Enter")
    await expect(ada.page.get_by_role("listbox")).to_be_visible()
    return ada.page


@scene("answering")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program(CHAT_MODEL="fake:3000x30"))
    await ada.ask("Tell me about steady answers.")
    await until_text(ada.page, 200)
    return ada.page


async def _open_context(page: Page, viewport: Viewport) -> None:
    await viewports.apply(page, viewport)
    if not await page.locator(".context-card").is_visible():
        await page.locator(".context-button").click()
    await expect(page.get_by_role("button", name="Summarize older messages")).to_be_enabled()
    await viewports.apply(page, viewport)


@scene("context", _open_context)
async def _(programs: Programs) -> Page:
    """The warning that a chat is long, and the card of the meter."""
    program = programs.program(CHAT_CONTEXT_CHARS="2300")
    ada = await programs.person(program)
    thread = await samples.tell(
        data_of(program), ada.email, "High tides", samples.TIDES + samples.COVER
    )
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    await expect(ada.page.locator(".context-warning")).to_be_visible()
    return ada.page


@scene("new-text")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program(CHAT_MODEL="fake:3000x30"))
    await ada.ask("Tell me about steady answers, at length.")
    await until_text(ada.page, 1800)
    await ada.page.locator(".ct-scroll").hover()
    await ada.page.mouse.wheel(0, -600)
    await expect(ada.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    return ada.page


@scene("long-thread")
async def _(programs: Programs) -> Page:
    program = programs.program()
    ada = await programs.person(program)
    database = Database(read_settings(data_dir=data_of(program)).sqlalchemy_url)
    thread = await seed_messages(database, await principal_by_email(database, ada.email), 1000)
    await database.close()
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    await ada.page.locator(".ct-scroll").hover()
    await ada.page.mouse.wheel(0, -1500)
    return ada.page


@scene("long-title", open_drawer)
async def _(programs: Programs) -> Page:
    return await _told(programs, "An uncommonly long title about the tides " * 4, samples.TIDES)


@scene("long-word")
async def _(programs: Programs) -> Page:
    return await _told(programs, samples.LONG_WORD[:180], (samples.LONG_WORD, samples.LONG_WORD))


@scene("wide-table")
async def _(programs: Programs) -> Page:
    return await _told(programs, "The whole year", ("How warm was it last year?", samples.WIDE))


@scene("long-code")
async def _(programs: Programs) -> Page:
    return await _told(programs, "Three hundred lines", ("Show me all the steps.", samples.CODE))


@scene("tasks")
async def _(programs: Programs) -> Page:
    return await _told(programs, "Bread", ("What do I do tomorrow?", samples.TASKS))


@scene("limit")
async def _(programs: Programs) -> Page:
    program = programs.program(RUNS_PER_USER="1", CHAT_MODEL="fake:3000x30")
    ada = await programs.person(program)
    await ada.ask("The first question.")
    await until_text(ada.page, 20)
    other = await ada.tab()
    await other.goto(program.url)
    await composer(other).fill("A second question while the first one is being answered.")
    await composer(other).press("Enter")
    await expect(other.get_by_role("alert").filter(has_text="answer")).to_be_visible()
    return other


@scene("deleted-elsewhere")
async def _(programs: Programs) -> Page:
    ada, thread = await _with_a_past(programs)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    await ada.page.evaluate(
        "async (id) => (await fetch(`/api/threads/${id}`, {method: 'DELETE'})).status", str(thread)
    )
    await expect(ada.page.get_by_text("Chat not found")).to_be_visible()
    return ada.page


@scene("session-ended-elsewhere")
async def _(programs: Programs) -> Page:
    ada, _thread = await _with_a_past(programs)
    other = await ada.tab()
    await other.goto(ada.url)
    await expect(composer(other)).to_be_visible()
    await ada.sign_out()
    await expect(other.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    return other


@scene("offline")
async def _(programs: Programs) -> Page:
    program = programs.program(CHAT_MODEL="fake:20x1")
    ada = await programs.person(program)
    await ada.ask("Are you there?")
    await ended(ada.page, "complete")
    program.stop()
    await composer(ada.page).fill("Still there?")
    await composer(ada.page).press("Enter")
    await expect(ada.page.locator(".offline")).to_have_css("opacity", "1")
    await expect(ada.page.get_by_text("Waiting for the connection")).to_be_visible()
    return ada.page


async def _with_a_past(programs: Programs) -> tuple[BrowserUser, object]:
    program = programs.program()
    ada = await programs.person(program)
    thread = await samples.tell_all(data_of(program), ada.email)
    await ada.open("/")
    await expect(ada.titles().first).to_be_visible()
    return ada, thread


async def _told(programs: Programs, title: str, talk: samples.Talk) -> Page:
    program = programs.program()
    ada = await programs.person(program)
    thread = await samples.tell(data_of(program), ada.email, title, talk)
    await ada.open(f"/c/{thread}")
    await until_text(ada.page)
    return ada.page
