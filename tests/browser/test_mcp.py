"""A chat that an MCP client begins is read, continued and stopped in the page."""

import asyncio

from playwright.async_api import expect

from testing.browser_user import Meet, answers, until_done, until_text
from testing.mcp_clients import Seen, open_client, structured
from testing.program import Program
from testing.two_devices import row

KEY = """async () => {
    const made = await fetch("/api/account/api-keys", { method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name: "Editor", scopes: ["mcp"], expiresInDays: 7 }) });
    return (await made.json()).key;
}"""


async def test_asked_over_mcp_continued_and_stopped_in_the_page(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    page = ada.page
    await ada.sign_up()
    async with open_client(program.url, await page.evaluate(KEY)) as client:
        asked = {"question": "echo: The otter eats.", "model": "fake:9x0"}
        thread_id = (await structured(client, "ask", **asked))["thread_id"]

        # the page that was open learns of it
        await expect(ada.titles()).to_have_count(1)
        await ada.titles().first.click()
        assert await ada.thread() == thread_id
        await expect(answers(page)).to_have_text("The otter eats.")
        await ada.ask("echo: And it sleeps.")
        await expect(row(page, 3)).to_have_attribute("data-status", "complete")
        await until_done(page)
        read = await structured(client, "read_thread", thread_id=thread_id)
        texts = [message["text"] for message in read["messages"]]
        assert texts[1::2] == ["The otter eats.", "And it sleeps."]

        # asked there, followed and stopped here
        seen = Seen()
        asked = {"question": "More", "thread_id": thread_id, "model": "fake:4000x20"}
        asking = asyncio.create_task(client.call_tool("ask", asked, progress_callback=seen))
        await expect(row(page, 5)).to_have_attribute("data-status", "running")
        await until_text(page, 20)
        await page.get_by_test_id("stop").click()
        await expect(row(page, 5)).to_have_attribute("data-status", "stopped")
        answer = (await asyncio.wait_for(asking, 60)).structured_content
    stored = await ada.stored()
    assert answer["status"] == stored[-1]["status"] == "stopped"
    text = "".join(part.get("text", "") for part in stored[-1]["parts"] if part["type"] == "text")
    assert answer["answer"] == seen.text == text
    assert ada.errors == []
