"""A person changes what is theirs, and every tab of theirs knows."""

import io
import json
import zipfile
from pathlib import Path

from playwright.async_api import FilePayload, expect

from testing.browser_user import (
    PASSWORD,
    SIGN_IN,
    BrowserUser,
    Meet,
    composer,
    pick_model,
    until_done,
)
from testing.pictures import opened, photo, tells
from testing.program import Program

NEW_PASSWORD = "violet kettle harbour thirty eight"
IMAGE = """async () => (await (await fetch("/api/auth/session")).json()).user.image"""


async def to(person: BrowserUser, page: str) -> None:
    """Follow the links to a page of the settings."""
    await person.page.get_by_test_id("account-menu").click()
    await person.page.get_by_role("link", name="Settings").click()
    await person.page.locator(".settings-menu").get_by_text(page, exact=True).click()
    heading = person.page.locator(".settings:not(.index) h1")
    await expect(heading).to_have_text(page)


async def test_a_new_name_and_a_picture_reach_every_tab(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    other = await ada.tab()
    await other.goto(program.url)
    await expect(other.locator(".person-name")).to_contain_text("Ada")
    await to(ada, "Account")
    await ada.page.fill("[name=name]", "Ada Lovelace")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_text("Saved.")).to_be_visible()
    await expect(other.locator(".person-name")).to_contain_text("Ada Lovelace")

    taken = photo(width=2400, height=1800, noise=0.5)
    assert len(taken) > 1_000_000
    files = FilePayload(name="me.jpg", mimeType="image/jpeg", buffer=taken)
    await ada.page.locator("input[type=file]").set_input_files(files)
    for page in (ada.page, other):
        picture = page.locator(".avatar img").first
        await expect(picture).to_be_attached()
        await expect(picture).to_have_js_property("naturalWidth", 512)
    shown = await ada.page.request.get(await other.evaluate(IMAGE))
    kept = await shown.body()
    assert (opened(kept).size, tells(kept), shown.ok) == ((512, 512), [], True)
    fake = FilePayload(name="me.png", mimeType="image/png", buffer=b"<svg onload='x'/>")
    await ada.page.locator("input[type=file]").set_input_files(fake)
    await expect(ada.page.get_by_text("Choose a PNG, JPEG or WebP picture.")).to_be_visible()
    await ada.page.get_by_role("button", name="Remove picture").click()
    for page in (ada.page, other):
        await expect(page.locator(".avatar img")).to_have_count(0)
    assert ada.errors == []


async def test_a_changed_password_is_the_one_that_opens(
    either_program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", either_program.url)
    await ada.sign_up_on_page()
    await to(ada, "Security")
    await ada.page.locator("#change-password summary").click()
    await ada.page.fill("[name=password]", "password1234")
    await ada.page.get_by_role("button", name="Save password").click()
    await expect(ada.page.get_by_text("easy to guess")).to_be_visible()
    await ada.page.fill("[name=password]", NEW_PASSWORD)
    await ada.page.get_by_role("button", name="Save password").click()
    await expect(ada.page.get_by_text("Password saved")).to_be_visible()
    await expect(ada.page.locator("[name=password]")).to_have_value("")
    await ada.page.get_by_role("button", name="Remove password").click()
    await expect(ada.page.get_by_text("the only way to sign in")).to_be_visible()
    # The new token is in the cookie: a reload is still signed in.
    await ada.page.reload()
    await expect(ada.page.locator("h1")).to_have_text("Security")
    await ada.page.get_by_role("link", name="Back to chats").click()
    await expect(composer(ada.page)).to_be_visible()
    await ada.sign_out()
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.fill("[name=password]", NEW_PASSWORD)
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(composer(ada.page)).to_be_visible()
    assert ada.errors == []


async def test_who_signs_in_again_goes_on_with_what_they_had_begun(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.open("/settings/confirm?callbackUrl=/settings/password")
    await ada.page.get_by_role("button", name="Sign in again").click()
    await ada.page.wait_for_url(SIGN_IN)
    goes_to = ada.page.locator(".auth-form input[name=callbackUrl]")
    await expect(goes_to).to_have_value("/settings/password")  # the script has read the address
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.fill("[name=password]", PASSWORD)
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(ada.page.locator("h1")).to_have_text("Security")
    assert ada.errors == []


async def test_a_person_takes_everything_along_and_leaves(
    program: Program, meet: Meet, tmp_path: Path
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.ask("echo: a word to take along")
    await ada.thread()
    await until_done(ada.page)
    await to(ada, "Data")
    async with ada.page.expect_download() as download:
        await ada.page.get_by_role("button", name="Download ZIP").click()
    saved = tmp_path / "export.zip"
    await (await download.value).save_as(saved)
    with zipfile.ZipFile(io.BytesIO(saved.read_bytes())) as archive:
        account = json.loads(archive.read("account.json"))
        texts = b"".join(archive.read(name) for name in archive.namelist())
    assert account["profile"]["email"] == ada.email
    assert texts.count(b"a word to take along") >= 2

    await ada.page.fill("[name=confirm]", "somebody@example.com")
    await ada.page.get_by_role("button", name="Delete everything").click()
    await expect(ada.page.get_by_text("Type your account's email")).to_be_visible()
    await ada.page.fill("[name=confirm]", ada.email)
    await ada.page.get_by_role("button", name="Delete everything").click()
    await ada.page.wait_for_url(SIGN_IN)
    # The same address begins anew, with nothing of what was.
    await ada.sign_up()
    assert await ada.threads() == []
    assert ada.errors == []


async def test_an_anonymous_user_is_sent_to_sign_in_and_back(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await ada.sign_out()
    await ada.open("/settings/sessions")
    await ada.page.wait_for_url(SIGN_IN)
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.fill("[name=password]", "correct horse battery staple")
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(ada.page.locator("h1")).to_have_text("Security")
    await expect(ada.page.locator(".tag")).to_have_text("This device")


async def test_a_chat_has_settings_of_its_own_and_a_new_one_begins_with_the_defaults(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    page = ada.page
    await pick_model(page, "fake:think")
    dialog = page.get_by_role("dialog", name="Chat settings")
    opens = page.get_by_role("button", name="Chat settings")
    await opens.click()
    await dialog.get_by_label("Instructions").fill("Answer in Latin.")
    await dialog.get_by_label("Thinking effort").select_option(label="Off")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await ada.ask("echo: Salve!")
    await ada.thread()
    await until_done(page)
    assert "reasoning" not in [part["type"] for part in (await ada.stored())[-1]["parts"]]

    # The other device has the same, and what it changes is here at once.
    other = await ada.tab()
    await other.goto(page.url)
    await expect(other.get_by_role("combobox", name="Model")).to_contain_text("think")
    await other.get_by_role("button", name="Chat settings").click()
    await expect(other.get_by_label("Instructions")).to_have_value("Answer in Latin.")
    await other.get_by_label("Thinking effort").select_option(label="High")
    await other.get_by_label("Temperature").fill("3")
    await other.get_by_role("button", name="Save").click()
    said = other.get_by_role("dialog").get_by_role("alert")
    await expect(said).to_have_text("The temperature can be 0 to 2.")
    await other.get_by_label("Temperature").fill("0.3")
    await other.get_by_role("button", name="Save").click()
    await expect(other.get_by_role("dialog")).to_have_count(0)
    await page.reload()
    await opens.click()
    await expect(dialog.get_by_label("Thinking effort")).to_have_value("high")
    await expect(dialog.get_by_label("Temperature")).to_have_value("0.3")

    # On a phone it fits, and leads to the defaults.
    await page.set_viewport_size({"width": 360, "height": 640})
    box = await dialog.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 360
    assert 0 <= box["y"] <= box["y"] + box["height"] <= 640
    await dialog.get_by_role("link", name="Settings for new chats").click()
    await expect(page.get_by_label("Instructions")).to_have_value("")
    await page.get_by_label("Instructions").fill("Be kind.")
    await page.get_by_label("Thinking effort").select_option(label="Low")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await ada.open("/")
    await opens.click()
    await expect(dialog.get_by_label("Instructions")).to_have_value("Be kind.")
    await expect(dialog.get_by_label("Thinking effort")).to_have_value("low")
    assert ada.errors == []
