"""Every way in, one after the other, as one person finds them; the last one stays."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import expect

from testing.browser_emails import sign_up_by_email, smtp_settings
from testing.browser_mfa import (
    CODE,
    add_passkey,
    add_virtual_device,
    enable_two_factor,
    enter_backup_code,
    enter_password,
    sign_in_with_passkey,
)
from testing.browser_oidc import acme_settings, run_acme, sign_in_at_acme
from testing.browser_user import BrowserUser, Meet, composer
from testing.mail_server import Mailbox
from testing.program import Program, free_port


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, mailbox: Mailbox) -> AsyncIterator[Program]:
    """A program that sends emails and knows an OpenID provider."""
    there = free_port()
    given = {"FAKE_MODELS": "true", "EMBEDDED_MODEL": "false"}
    one = Program(tmp_path, given=given | smtp_settings(mailbox) | acme_settings(there))
    with run_acme(there, one):
        try:
            one.start()
            yield one
        finally:
            one.end()


async def out(person: BrowserUser) -> None:
    """Leave, from wherever they are."""
    await person.open("/")
    await person.sign_out()


async def test_a_whole_day(served: Program, mailbox: Mailbox, meet: Meet) -> None:
    ada = await meet("Ada", served.url)
    page = ada.page
    await add_virtual_device(ada)
    await page.goto(await sign_up_by_email(ada, mailbox))
    await page.get_by_role("button", name="Create account").click()
    await expect(composer(page)).to_be_visible()

    await add_passkey(ada, "Laptop")
    await out(ada)
    await sign_in_with_passkey(ada)

    # With a second factor the password alone is not enough, and each backup code helps once.
    first, second, third, *_ = await enable_two_factor(ada)
    await out(ada)
    await enter_password(ada)
    await enter_backup_code(ada, first)
    await expect(composer(page)).to_be_visible()
    await out(ada)
    await enter_password(ada)
    await enter_backup_code(ada, first)
    await expect(page.get_by_role("alert")).to_contain_text("Incorrect")
    await page.fill("[name=code]", second)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(composer(page)).to_be_visible()

    # An account elsewhere opens this one too, whatever its address is, and no more than half.
    await ada.settings("security")
    await page.get_by_role("button", name="Connect Acme").click()
    await sign_in_at_acme(page)
    rows = page.locator("#connections .entries > li")
    await expect(rows).to_contain_text("ada@example.org")
    await out(ada)
    await page.get_by_role("button", name="Continue with Acme").click()
    await page.wait_for_url(CODE)
    await enter_backup_code(ada, third)
    await expect(composer(page)).to_be_visible()

    # The other ways in go, and the last one cannot.
    await ada.settings("security")
    await page.get_by_role("button", name="Remove Laptop").click()
    await expect(page.get_by_text("No passkeys yet.")).to_be_visible()
    await page.get_by_role("button", name="Remove password").click()
    await expect(page.locator("#change-password summary")).to_have_text("Set a password")
    await expect(page.get_by_role("button", name="Remove password")).to_have_count(0)
    await ada.settings("security")
    await page.get_by_role("button", name=re.compile("Disconnect Acme")).click()
    await expect(rows.get_by_role("alert")).to_have_text(re.compile("only way to sign in"))
    await page.reload()
    await expect(rows).to_contain_text("Acme")
    assert ada.errors == []
