"""The dialog that moves a chat says who can read it there."""

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAYS = "It stays in Acme if you leave."


@pytest.mark.parametrize(
    ("allows", "is_off", "said"),
    [
        (
            True,
            False,
            f"You can read it there. Admins of Acme can too, if they give a reason. {STAYS}",
        ),
        (
            False,
            False,
            f"Only you can read it there, unless an owner of Acme lets admins read chats. {STAYS}",
        ),
        (False, True, f"Only you can read it there. {STAYS}"),
    ],
)
async def test_who_can_read_it_there(page: Page, allows: bool, is_off: bool, said: str) -> None:
    acme = {
        "id": "1",
        "name": "Acme",
        "allows_admin_reading": allows,
        "is_reading_off": is_off,
    }
    personal = {**acme, "id": "", "name": "Personal"}
    given = {"title": "Plans", "choices": [personal, acme], "current": "", "problem": ""}
    await page.evaluate('given => { window.it = lab.mount("MoveDialog", given) }', given)
    await expect(page.get_by_role("dialog").locator(".hint")).to_have_text(said)
    await page.evaluate("it.unmount()")
