"""The version picker of a message, the form in which one's own is edited, and the way back."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOUNT = """([kind, props, events]) => {
    window.it = lab.mount(kind, props, { events });
}"""


async def _mount(page: Page, kind: str, *events: str, **props: object) -> None:
    await page.evaluate(MOUNT, [kind, props, list(events)])


async def _calls(page: Page) -> list:
    return await page.evaluate("it.calls")


async def test_the_only_version_has_no_picker(page: Page) -> None:
    for versions in ([], ["a"], ["b", "c"]):
        await _mount(page, "VersionPicker", "onChoose", message="a", versions=versions)
        await expect(page.get_by_role("group")).to_have_count(0)


async def test_the_arrows_go_to_the_neighbours_and_end_at_the_ends(page: Page) -> None:
    await _mount(page, "VersionPicker", "onChoose", message="b", versions=["a", "b", "c"])
    group = page.get_by_role("group", name="Versions")
    back = group.get_by_role("button", name="Previous version")
    on = group.get_by_role("button", name="Next version")
    await expect(group.locator("[aria-live]")).to_have_text("Version 2/ of 3")
    await back.click()
    await on.click()
    assert await _calls(page) == [["onChoose", "a"], ["onChoose", "c"]]
    await page.evaluate("it.set({ message: 'c' })")
    await expect(on).to_have_attribute("aria-disabled", "true")
    await on.press("Enter")
    assert len(await _calls(page)) == 2


async def test_the_keyboard_stays_on_the_arrow_when_the_row_is_made_anew(page: Page) -> None:
    await _mount(page, "VersionPicker", "onChoose", message="b", versions=["a", "b"])
    await page.get_by_role("button", name="Previous version").press("Enter")
    await page.evaluate("it.unmount()")
    await _mount(page, "VersionPicker", "onChoose", message="a", versions=["a", "b"])
    await expect(page.get_by_role("button", name="Previous version")).to_be_focused()


EDITED = {
    "message": "m1",
    "parts": [{"type": "text", "text": "What is a tide?"}],
    "accepted": "",
    "refused": "",
}


async def _edit(page: Page) -> None:
    await page.evaluate("sessionStorage.clear()")
    await _mount(page, "EditForm", "onSend", **EDITED)
    await page.evaluate("window.button = lab.mount('EditButton', { message: 'm1' })")
    await expect(page.get_by_role("textbox")).to_have_count(0)
    await page.get_by_role("button", name="Edit your message").click()
    await expect(page.get_by_role("textbox")).to_be_focused()


async def test_an_edit_is_sent_once_and_closes_when_it_is_accepted(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox", name="Message text")
    await expect(field).to_have_value("What is a tide?")
    await field.press("End")
    await field.press_sequentially(" Briefly.")
    await field.press("Enter")
    await field.press("Enter")
    ((_, client_id, message, text),) = await _calls(page)
    assert (message, text) == ("m1", "What is a tide? Briefly.")
    await page.evaluate("it.set({ accepted: 'another' })")
    await expect(field).to_be_visible()
    await page.evaluate("(accepted) => it.set({ accepted })", client_id)
    await expect(field).to_have_count(0)
    assert (
        await page.evaluate("Object.keys(sessionStorage).filter((k) => k.includes('edit'))") == []
    )


async def test_an_accepted_edit_is_over_when_its_message_is_shown_again(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox")
    await field.fill("Why?")
    await field.press("Enter")
    client_id = (await _calls(page))[0][1]
    # The answer and the new version come at once.
    await page.evaluate("(accepted) => it.set({ message: 'm2', accepted })", client_id)
    await expect(field).to_have_count(0)
    await page.evaluate("it.set({ message: 'm1', accepted: '' })")
    await expect(field).to_have_count(0)
    await page.evaluate("(accepted) => it.set({ accepted })", client_id)
    await page.get_by_role("button", name="Edit your message").click()
    await expect(field).to_have_value("What is a tide?")


async def test_an_edit_that_was_sent_stays_when_its_row_is_made_anew(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox")
    await field.fill("Why?")
    await field.press("Enter")
    client_id = (await _calls(page))[0][1]
    await page.evaluate("it.set({ key: 'again' })")
    await expect(field).to_have_value("Why?")
    await page.evaluate("(accepted) => it.set({ accepted })", client_id)
    await expect(field).to_have_count(0)


async def test_a_refused_edit_keeps_its_text_and_its_id(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox")
    await field.fill("Why?")
    await field.press("Enter")
    client_id = (await _calls(page))[0][1]
    await page.evaluate("(refused) => it.set({ refused })", client_id)
    await expect(field).to_have_value("Why?")
    await page.get_by_role("button", name="Send").click()
    assert [call[1] for call in await _calls(page)] == [client_id] * 2
    await page.evaluate("it.set({ refused: '' })")
    await page.evaluate("(refused) => it.set({ refused })", client_id)
    await field.fill("Why not?")
    await field.press("Enter")
    assert (await _calls(page))[2][1] != client_id


async def test_escape_and_cancel_leave_the_message_as_it_was(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox")
    await field.fill("Something else")
    await field.press("Escape")
    await expect(field).to_have_count(0)
    await page.get_by_role("button", name="Edit your message").click()
    await expect(field).to_have_value("What is a tide?")
    await field.press("Shift+Enter")
    await page.get_by_role("button", name="Cancel").click()
    await expect(field).to_have_count(0)
    assert await _calls(page) == []


async def test_what_is_typed_survives_a_row_that_is_made_anew(page: Page) -> None:
    await _edit(page)
    await page.get_by_role("textbox").fill("Half a thought")
    await page.evaluate("it.unmount()")
    await _mount(page, "EditForm", "onSend", **EDITED)
    await expect(page.get_by_role("textbox")).to_have_value("Half a thought")


async def test_an_unchanged_or_empty_edit_sends_nothing(page: Page) -> None:
    await _edit(page)
    field = page.get_by_role("textbox")
    await field.fill("  ")
    await field.press("Enter")
    await expect(field).to_be_visible()
    await field.fill("What is a tide?")
    await field.press("Enter")
    await expect(field).to_have_count(0)
    assert await _calls(page) == []


async def test_an_edit_that_is_too_long_says_so(page: Page) -> None:
    await _edit(page)
    await page.evaluate("it.set({ maxBytes: 10 })")
    field = page.get_by_role("textbox")
    await field.fill("twelve bytes")
    await field.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("the limit is")
    assert await _calls(page) == []


async def test_the_undo_button_takes_the_focus_and_gives_it_to_what_comes_back(page: Page) -> None:
    await _mount(page, "UndoBranch", "onUndo", message="m1")
    await expect(page.get_by_role("button")).to_be_focused()
    await page.get_by_role("button").click()
    assert len(await _calls(page)) == 1
    await page.evaluate(
        """() => {
            it.unmount();
            document.body.insertAdjacentHTML("beforeend", "<article data-message=m1>Hi</article>");
        }"""
    )
    await _mount(page, "VersionPicker", "onChoose", message="m1", versions=[])
    await expect(page.locator("article")).to_be_focused()
