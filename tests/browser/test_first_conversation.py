"""A new user's first day: clone, one command, a conversation, a crash, and all of it is there."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import expect

from testing.browser_user import Meet, answers, until_done, until_text
from testing.program import Program

LONG = "Write a long story about the rain. Use many sentences."


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """The project as a new user gets it, in an empty folder."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    return folder


async def test_a_new_user_clones_it_and_loses_nothing(
    clone: Path, tmp_path: Path, meet: Meet
) -> None:
    make = shutil.which("make")
    assert make is not None
    # long enough to be caught in the middle, short enough to be waited for on a busy machine
    given = {"CHAT_MAX_TOKENS": "250"}
    program = Program(tmp_path, command=[make, "run"], root=clone, given=given)
    try:
        program.start()
        ada = await meet("Ada", program.url)
        await ada.sign_up_on_page()

        await ada.ask("Write a haiku about rain")
        await until_text(ada.page)
        await until_done(ada.page)
        assert (await ada.stored())[-1]["status"] == "complete"

        # a chat of its own: after a haiku the small model is short with whatever it is asked
        await ada.open("/")
        await expect(ada.page.get_by_role("heading", name="What can I help with?")).to_be_visible()
        await ada.ask(LONG)
        before = await until_text(ada.page, 40, nth=0)
        await ada.page.reload()
        after = await until_text(ada.page, len(before) + 20, nth=0)
        assert after.startswith(before.rstrip())
        await until_done(ada.page)
        live = await answers(ada.page).all_inner_texts()
        await ada.page.reload()
        await until_text(ada.page, nth=0)
        assert await answers(ada.page).all_inner_texts() == live
        assert [m["role"] for m in await ada.stored()] == ["user", "assistant"]

        await ada.ask(LONG)
        await until_text(ada.page, 40, nth=1)
        await ada.page.get_by_test_id("stop").click()
        await until_done(ada.page)
        stopped = await until_text(ada.page, nth=1)
        kept = (await ada.stored())[-1]
        assert kept["status"] == "stopped"
        assert plain(kept) == " ".join(stopped.split())

        await ada.ask(LONG)
        seen = await until_text(ada.page, 40, nth=2)
        program.kill()
        seen = await answers(ada.page).nth(2).inner_text()
        program.start()
        await ada.page.reload()
        again = await until_text(ada.page, nth=2)
        assert " ".join(again.split()).startswith(" ".join(seen.split()))
        row = ada.page.locator("[data-role=assistant]").nth(2)
        await expect(row).to_have_attribute("data-status", "interrupted")

        await row.get_by_role("button", name="Retry").click()
        await expect(ada.page.locator("[data-status=interrupted]")).to_have_count(0)
        await until_text(ada.page, 20, nth=2)
        await ada.page.get_by_test_id("stop").click()
        await until_done(ada.page)
        assert ada.errors == []
        program.stop()
        program.until_gone()
    finally:
        program.end()


def plain(message: dict[str, object]) -> str:
    """A stored text as it reads, when it holds no Markdown."""
    parts = message["content"] if "content" in message else message["parts"]
    assert isinstance(parts, list)
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    return " ".join(text.split())
