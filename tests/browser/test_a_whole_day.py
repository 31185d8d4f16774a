"""Every way in, one after the other, as one person finds them; the last one stays."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from testing.browser_emails import ask_for_account, delivered_to
from testing.browser_mfa import (
    CODE,
    add_passkey,
    come_in_by_passkey,
    password_first,
    turn_on,
    with_backup_code,
    with_device,
)
from testing.browser_oidc import acme, acme_at, sign_in_there
from testing.browser_user import PATIENCE, Meet, Person, composer
from testing.mail_server import Mailbox
from testing.program import Program, free_port


@pytest.fixture
async def served(tmp_path: Path, mailbox: Mailbox) -> AsyncIterator[Program]:
    """A program that sends letters and knows an OpenID provider."""
    there = free_port()
    given = {"FAKE_MODELS": "true", "EMBEDDED_MODEL": "false"}
    one = Program(tmp_path, given=given | delivered_to(mailbox) | acme_at(there))
    with acme(there, one):
        try:
            one.start()
            yield one
        finally:
            one.end()


async def out(person: Person) -> None:
    """Leave, from wherever they are."""
    await person.open("/")
    await person.sign_out()


async def test_a_whole_day(served: Program, mailbox: Mailbox, meet: Meet) -> None:
    ada = await meet("Ada", served.url)
    page = ada.page
    await with_device(ada)
    await page.goto(await ask_for_account(ada, mailbox))
    await page.get_by_role("button", name="Create account").click()
    await expect(composer(page)).to_be_visible(timeout=PATIENCE)

    await add_passkey(ada, "Laptop")
    await out(ada)
    await come_in_by_passkey(ada)

    # With a second factor the password alone is not enough, and each backup code helps once.
    first, second, third, *_ = await turn_on(ada)
    await out(ada)
    await password_first(ada)
    await with_backup_code(ada, first)
    await expect(composer(page)).to_be_visible(timeout=PATIENCE)
    await out(ada)
    await password_first(ada)
    await with_backup_code(ada, first)
    await expect(page.get_by_role("alert")).to_contain_text("Incorrect")
    await page.fill("[name=code]", second)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(composer(page)).to_be_visible(timeout=PATIENCE)

    # An account elsewhere opens this one too, whatever its address is, and no more than half.
    await ada.settings("connections")
    await page.get_by_role("button", name="Connect Acme").click()
    await sign_in_there(page)
    rows = page.locator(".entries > li")
    await expect(rows).to_contain_text("ada@example.org", timeout=PATIENCE)
    await out(ada)
    await page.get_by_role("button", name="Continue with Acme").click()
    await page.wait_for_url(CODE)
    await with_backup_code(ada, third)
    await expect(composer(page)).to_be_visible(timeout=PATIENCE)

    # The other ways in go, and the last one cannot.
    await ada.settings("passkeys")
    await page.get_by_role("button", name="Remove Laptop").click()
    await expect(page.get_by_text("No passkeys yet.")).to_be_visible()
    await ada.settings("password")
    await page.get_by_role("button", name="Remove password").click()
    await expect(page.get_by_role("button", name="Set password")).to_be_visible()
    await expect(page.get_by_role("button", name="Remove password")).to_have_count(0)
    await ada.settings("connections")
    await page.get_by_role("button", name=re.compile("Disconnect Acme")).click()
    await expect(rows.get_by_role("alert")).to_have_text(re.compile("only way to sign in"))
    await page.reload()
    await expect(rows).to_contain_text("Acme")
    assert ada.errors == []
