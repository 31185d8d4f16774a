"""A chat that goes on over three dialects, with providers that refuse whatever is wrong.

A reload and a second device agree at each step.
"""

from playwright.async_api import Page, expect

from testing.axe import violations
from testing.browser_user import BrowserUser, Meet, composer, pick_model
from testing.program import Program
from testing.providers.server import Answer
from testing.strict_providers import StrictProviders, sent_texts
from testing.two_devices import SAME, agree, press, row


async def answered(page: Page, place: int, text: str) -> None:
    """Wait until a message is a complete answer that ends so."""
    await expect(row(page, place)).to_have_attribute("data-status", "complete")
    await expect(row(page, place).locator(".ct-text > .ct-part").last).to_have_text(text)


async def second_device(meet: Meet, ada: BrowserUser) -> BrowserUser:
    """A phone of the same user, at the same chat."""
    phone = await meet("Ada", ada.url, viewport={"width": 360, "height": 640})
    phone.email = ada.email
    await phone.begin_session()
    await phone.open(f"/c/{await ada.thread()}")
    return phone


async def test_a_chat_goes_on_with_any_model_from_any_version(
    program: Program, meet: Meet, strict_providers: StrictProviders, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    page, say = ada.page, strict_providers.answers.append
    await ada.sign_up()

    # Asked with thinking, and the question edited.
    await pick_model(page, strict_providers.model("chat-completions"))
    say(Answer("Twice a day.", "I weigh the moon.", seed=1))
    await ada.ask("How often is high tide?")
    phone = await second_device(meet, ada)
    await answered(page, 1, "Twice a day.")
    first = await agree(ada, phone)
    assert first[1][3].startswith("Thought for")
    await composer(page).press("ArrowUp")
    editor = page.get_by_role("textbox", name="Message text")
    await editor.fill("How often is low tide?")
    say(Answer("As often as high tide.", "I weigh it again.", seed=2))
    await editor.press("Enter")
    await expect(row(page, 0).locator("[aria-live]")).to_have_text("Version 2/ of 2")
    await answered(page, 1, "As often as high tide.")
    edited = await agree(ada, phone)

    # To and fro, on either device.
    await press(phone.page, 0, "Previous version")
    before = [[*first[0][:2], "Version 1/ of 2", first[0][3]], first[1]]
    await page.wait_for_function(SAME, arg=before)
    await press(page, 0, "Next version")
    await page.wait_for_function(SAME, arg=edited)
    assert await agree(ada, phone) == edited

    # The same chat goes on over the other dialects.
    await pick_model(page, strict_providers.model("anthropic"))
    say(Answer("The sun pulls too.", "Sun and moon.", seed=3))
    await ada.ask("What else pulls?")
    await answered(page, 3, "The sun pulls too.")
    await agree(ada, phone)
    await pick_model(page, strict_providers.model("responses"))
    say(Answer("A spring tide.", "A name.", seed=4))
    await ada.ask("And together?")
    await answered(page, 5, "A spring tide.")
    await agree(ada, phone)

    # Stopped, which its provider notices, and continued in the same text.
    text = "A spring tide rises higher, and it falls lower too."
    say(Answer(text, "The range.", seed=5, stalls=True))
    await ada.ask("What does it do?")
    await expect(row(phone.page, 7)).to_contain_text("higher, and it")
    await page.get_by_test_id("stop").click()
    await strict_providers.requests("responses")[-1].gone.wait()
    stopped = await agree(ada, phone)
    assert stopped[7][1] == "stopped"
    say(Answer(text[14:], "Where was I?", seed=6))
    await press(page, 7, "Continue")
    await expect(row(page, 7)).to_have_attribute("data-status", "complete")
    await expect(row(page, 7).locator(".ct-text > .ct-part")).to_have_text([text])
    whole = await agree(ada, phone)
    assert [one[0] for one in whole] == ["user", "assistant"] * 4

    # Regenerated with another model.
    await pick_model(page, strict_providers.model("anthropic"))
    say(Answer("It rises and falls.", "Shorter.", seed=8))
    await press(page, 7, "Regenerate")
    await expect(row(page, 7).locator("[aria-live]")).to_have_text("Version 2/ of 2")
    await answered(page, 7, "It rises and falls.")
    again = await agree(ada, phone)
    for device in (page, phone.page):
        assert await violations(device, axe) == []

    # Deleted and brought back by the keyboard; then deleted for good.
    shown = [*again[:7], [*whole[7][:2], "", whole[7][3]]]
    await row(page, 7).get_by_role("button", name="Delete this version").press("Enter")
    undo = page.get_by_role("button", name="Undo")
    await expect(undo).to_be_focused()
    assert await violations(page, axe) == []
    await phone.page.wait_for_function(SAME, arg=shown)
    await undo.press("Enter")
    await expect(row(page, 7)).to_be_focused()
    assert await agree(ada, phone) == again
    await row(page, 7).get_by_role("button", name="Delete this version").press("Enter")
    await page.get_by_role("button", name="Dismiss").press("Enter")
    await expect(composer(page)).to_be_focused()
    assert await agree(ada, phone) == shown

    # Each request was right the first time, and no model was sent another one's thoughts.
    counts = {"chat-completions": 2, "anthropic": 2, "responses": 3}
    sent = {dialect: strict_providers.requests(dialect) for dialect in counts}
    assert {dialect: len(requests) for dialect, requests in sent.items()} == counts
    assert "I weigh" not in sent_texts([*sent["anthropic"], *sent["responses"]])
    assert "Sun and moon." not in sent_texts(sent["responses"])
    assert "As often as high tide." in sent_texts(sent["anthropic"][:1])
    assert "The sun pulls too." in sent_texts(sent["responses"][:1])
    assert ada.errors == phone.errors == []
