"""A day with the example: real assistant-ui, AI SDK and Auth.js clients against this server."""

from typing import Any

from playwright.async_api import expect

from testing.example_user import ExampleUser, is_out

from .conftest import Arrive


async def stored(user: ExampleUser) -> list[dict[str, Any]]:
    """The messages of the open thread, as the server has them."""
    return await user.page.evaluate(
        """async () => {
            const thread = new URLSearchParams(location.search).get("thread");
            const answer = await fetch(`/api/threads/${thread}/messages?limit=30`);
            return (await answer.json()).messages;
        }"""
    )


async def test_a_reload_in_mid_answer_resumes_it_without_doubling(arrive: Arrive) -> None:
    ada = await arrive("Ada")
    await ada.sign_up()
    await ada.ask("Tell me about the rain")
    before = await ada.until_text(40)
    await ada.page.reload()
    after = await ada.until_text(len(before) + 40)
    assert after.startswith(before)
    whole = await ada.until_done()
    assert await ada.page.locator(".message").count() == 2
    messages = await stored(ada)
    assert [one["role"] for one in messages] == ["user", "assistant"]
    assert [part["text"] for part in messages[-1]["parts"]] == [whole]
    await ada.page.reload()
    assert await ada.until_done() == whole
    assert len(await stored(ada)) == 2
    assert ada.errors == []


async def test_threads_are_renamed_archived_restored_and_deleted(arrive: Arrive) -> None:
    ada = await arrive("Ada")
    await ada.sign_up()
    for question in ("echo: one", "echo: two"):
        await ada.new_chat()
        await ada.ask(question)
        await ada.until_done()
    await expect(ada.titles()).to_have_text(["echo: two", "echo: one"])
    await ada.titles().last.click()
    await expect(ada.answers()).to_have_text(["one"])

    await ada.do("echo: one", "Rename")
    await ada.page.get_by_label("Title").fill("The first")
    await ada.page.get_by_label("Title").press("Enter")
    await expect(ada.titles()).to_have_text(["echo: two", "The first"])
    await ada.do("echo: two", "Archive")
    await expect(ada.titles()).to_have_text(["The first"])
    await ada.page.reload()
    await expect(ada.titles()).to_have_text(["The first"])
    await ada.page.get_by_role("button", name="Archived").click()
    await expect(ada.titles()).to_have_text(["echo: two"])
    await ada.do("echo: two", "Unarchive")
    await expect(ada.titles()).to_have_text([])
    await ada.page.get_by_role("button", name="Archived").click()
    await ada.do("The first", "Delete")
    await expect(ada.titles()).to_have_text(["echo: two"])
    await ada.page.reload()
    await expect(ada.titles()).to_have_text(["echo: two"])
    assert ada.errors == []


async def test_signing_out_in_one_tab_empties_the_other_and_the_next_user_finds_nothing(
    arrive: Arrive,
) -> None:
    bob, ada = await arrive("Bob"), await arrive("Ada")
    await bob.sign_up()
    await ada.sign_up()
    await ada.ask("echo: hers")
    await ada.until_done()
    thread = ada.page.url
    other = await ada.tab()
    await other.goto(thread)
    await expect(ada.titles(other)).to_have_text(["echo: hers"])

    await ada.sign_out()
    await is_out(other)
    ada.email = bob.email
    await ada.sign_in()
    await expect(other.locator("footer")).to_contain_text(bob.email)
    await expect(ada.titles(other)).to_have_count(0)
    await other.goto(thread)
    await expect(other.locator("footer")).to_contain_text(bob.email)
    await expect(other.locator(".message")).to_have_count(0)
