"""Versions of messages as one person uses them; a reload and a second device agree at each step."""

from playwright.async_api import expect

from testing.browser_user import Meet, composer, pick_model, until_text
from testing.program import Program
from testing.two_devices import SAME, agree, press, row

LONG = "\n\n".join(f"The tide rises for the {number}th time." for number in range(100))
"""What takes long enough to say to be stopped before its end, twice."""


async def test_versions_to_and_fro_on_every_device(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await pick_model(page, "fake:think")
    await ada.ask("think: high or low? echo: The tide rises.")
    thread = await ada.thread()
    phone = await meet("Ada", program.url, viewport={"width": 360, "height": 640})
    phone.email = ada.email
    await phone.begin_session()
    await phone.open(f"/c/{thread}")
    first = await agree(ada, phone)
    assert [one[:3] for one in first] == [["user", "complete", ""], ["assistant", "complete", ""]]
    assert first[1][3].endswith("The tide rises.")

    # The question is edited by the keyboard: up from the empty field, and sent.
    await composer(page).press("ArrowUp")
    editor = page.get_by_role("textbox", name="Message text")
    await expect(editor).to_be_focused()
    await editor.fill("think: again? echo: The tide falls.")
    await editor.press("Enter")
    await expect(editor).to_have_count(0)
    await expect(composer(page)).to_be_focused()
    await expect(row(page, 0).locator("[aria-live]")).to_have_text("Version 2/ of 2")
    edited = await agree(ada, phone)
    assert [one[2] for one in edited] == ["Version 2/ of 2", ""]
    assert edited[1][3].endswith("The tide falls.")

    # To and fro, on either device.
    await press(phone.page, 0, "Previous version")
    before = [[*first[0][:2], "Version 1/ of 2", first[0][3]], first[1]]
    await page.wait_for_function(SAME, arg=before)
    await agree(ada, phone)
    await press(page, 0, "Next version")
    await page.wait_for_function(SAME, arg=edited)
    await expect(row(page, 0).get_by_role("button", name="Next version")).to_be_focused()
    assert await agree(ada, phone) == edited

    # Another model goes on in the middle; it is stopped, and continued in the same message.
    await pick_model(page, "fake:300x20")
    await ada.ask(f"echo: {LONG}")
    await until_text(page, 60)
    await page.get_by_test_id("stop").click()
    stopped = await agree(ada, phone)
    assert stopped[3][1] == "stopped"
    await press(page, 3, "Continue")
    await until_text(page, len(stopped[3][3]) + 60)
    await until_text(phone.page, len(stopped[3][3]) + 20)
    await page.get_by_test_id("stop").click()
    longer = await agree(ada, phone)
    whole_lines = stopped[3][3].rpartition("\n")[0]  # Markdown may read half a line in another way
    assert whole_lines
    assert longer[3][3].startswith(whole_lines)
    assert [one[2] for one in longer] == ["Version 2/ of 2", "", "", ""]

    # Regenerated with another model: a version of the answer.
    await pick_model(page, "fake")
    await press(page, 3, "Retry")
    await expect(row(page, 3)).to_have_attribute("data-status", "complete")
    again = await agree(ada, phone)
    assert (again[3][1], again[3][2]) == ("complete", "Version 2/ of 2")

    # Deleted on one device, gone on both, and back.
    await press(page, 3, "Delete this version")
    await page.wait_for_function(SAME, arg=longer)
    undo = page.get_by_role("button", name="Undo")
    await expect(undo).to_be_focused()
    await undo.hover()  # it stays as long as the pointer is there
    await phone.page.wait_for_function(SAME, arg=longer)
    await undo.click()
    await page.wait_for_function(SAME, arg=again)
    assert await agree(ada, phone) == again
    await press(page, 2, "Delete from here")
    await page.wait_for_function(SAME, arg=edited)
    assert await agree(ada, phone) == edited
    assert ada.errors == phone.errors == []
