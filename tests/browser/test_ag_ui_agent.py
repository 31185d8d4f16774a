"""An agent that speaks AG-UI answers in a chat like any model: streamed, stopped, reloaded."""

from playwright.async_api import expect

from testing.ag_ui_agent import NAME, THOUGHT, ToyAgent, answer_to
from testing.axe import violations
from testing.browser_user import Meet, pick_model
from testing.program import Program
from testing.two_devices import row

QUESTION = "Please wait for the tide."
BEGINNING = answer_to(QUESTION)[0].strip()


async def test_an_agent_is_streamed_stopped_and_reloaded(
    program: Program, meet: Meet, agent: ToyAgent, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    await pick_model(page, f"ag-ui/{NAME}")
    await ada.ask(QUESTION)
    text = row(page, 1).locator(".ct-text > .ct-part")
    await expect(text.last).to_have_text(BEGINNING)
    await page.get_by_test_id("stop").click()
    await expect(row(page, 1)).to_have_attribute("data-status", "stopped")
    await agent.requests[-1].gone.wait()
    await page.reload()
    await expect(row(page, 1)).to_have_attribute("data-status", "stopped")
    await expect(text.last).to_have_text(BEGINNING)
    await ada.ask("And low tide?")
    whole = "".join(answer_to("And low tide?")).replace("*", "")
    answer = row(page, 3)
    await expect(answer).to_have_attribute("data-status", "complete")
    await expect(answer.locator(".ct-text > .ct-part").last).to_have_text(whole)
    assert await violations(page, axe) == []
    await page.reload()
    await expect(answer.locator(".ct-text > .ct-part").last).to_have_text(whole)
    assert BEGINNING in str(agent.inputs[-1].messages)
    assert THOUGHT not in str(agent.inputs[-1].messages), "reasoning is not sent back"
    assert ada.errors == []
