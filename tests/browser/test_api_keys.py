"""A user makes an API key, a program works with it, and its user revokes it."""

import re

import pytest
from playwright.async_api import Page, expect

from chat_app.auth.keys.tokens import PATTERN
from chat_app.client import ApiError, AsyncChatClient
from testing.browser_user import PASSWORD, BrowserUser, Meet
from testing.program import Program

NAME = "Backup script"
LONG_AGO = "2020-01-01 00:00:00.000000"


async def fill(page: Page) -> None:
    """Say what the key is for, and what it may do."""
    await page.fill("#api-key-name", NAME)
    await page.locator("input[value='threads:read']").check()
    await page.locator("#api-key-days").select_option("90")


async def make_key(ada: BrowserUser, page: Page) -> str:
    """Send the form, and copy the key."""
    await page.get_by_role("button", name="Create key").click()
    shown = page.locator(".shown-once code")
    await expect(shown).to_be_visible()
    key = await shown.inner_text()
    assert re.fullmatch(PATTERN, key)
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy", exact=True).click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == key
    await page.get_by_role("button", name="Done").click()
    await expect(shown).to_have_count(0)
    return key


async def test_a_key_is_made_used_and_revoked(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    program.behind_its_back(
        "UPDATE auth_session SET authenticated_at = ?"
        " WHERE user_id = (SELECT id FROM user WHERE email = ?)",
        LONG_AGO,
        ada.email,
    )
    page = await ada.settings("api-keys")
    await expect(page.get_by_text("No API keys yet.")).to_be_visible()
    await fill(page)
    await page.get_by_role("button", name="Create key").click()
    await page.wait_for_url(re.compile("/settings/confirm"))
    await page.fill("[name=password]", PASSWORD)
    await page.get_by_role("button", name="Confirm", exact=True).click()
    # What was typed before the step-up is still there.
    await expect(page.locator("#api-key-name")).to_have_value(NAME)
    await expect(page.locator("input[value='threads:read']")).to_be_checked()
    await expect(page.locator("#api-key-days")).to_have_value("90")
    key = await make_key(ada, page)
    row = page.locator("#api-keys .entries > li")
    await expect(row).to_contain_text(f"{NAME}")
    await expect(row).to_contain_text("chat, threads:read")
    await expect(row).to_contain_text("not used yet")
    await page.reload()
    await expect(row).to_contain_text(NAME)
    assert key not in await page.content()

    async with AsyncChatClient(program.url, key) as client:
        assert await client.threads() == []
        with pytest.raises(ApiError) as refused:
            await client.models()
        assert refused.value.code == "insufficient_scope"
        answer = await client.send("Hello?", model="fake:1500x120")
        while not answer.text:
            await anext(answer)
        await row.locator("summary").click()
        await row.get_by_role("button", name="Revoke key").click()
        await expect(page.get_by_text("No API keys yet.")).to_be_visible()
        with pytest.raises(ApiError) as ended:
            await answer.read()
        assert (ended.value.status, ended.value.code) == (401, "invalid_api_key")
        assert answer.finish is None
    [thread] = await ada.threads()
    await ada.open(f"/c/{thread['id']}")
    answer = page.locator("[data-role=assistant]")
    await expect(answer).to_have_attribute("data-status", "revoked")
    assert ada.errors == []


async def test_what_one_user_typed_is_not_shown_to_the_next(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    program.behind_its_back(
        "UPDATE auth_session SET authenticated_at = ?"
        " WHERE user_id = (SELECT id FROM user WHERE email = ?)",
        LONG_AGO,
        ada.email,
    )
    page = await ada.settings("api-keys")
    await fill(page)
    await page.get_by_role("button", name="Create key").click()
    await page.wait_for_url(re.compile("/settings/confirm"))
    await page.get_by_role("button", name="Sign in again").click()
    await page.wait_for_url(re.compile("/signin"))
    ada.email = f"next-{ada.email}"
    await ada.sign_up()
    page = await ada.settings("api-keys")
    await expect(page.locator("#api-key-name")).to_have_value("")
    await expect(page.locator("#api-key-name")).to_be_editable()
