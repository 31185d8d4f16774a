"""Passkeys and the second factor (TOTP, backup codes) in a real browser."""

import re
from collections.abc import Sequence

from playwright.async_api import expect
from pyotp.totp import TOTP

from testing.browser_user import PASSWORD, BrowserUser, composer

CODE = re.compile(r"/signin/code/?(\?|$)")
_DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def add_virtual_device(person: BrowserUser) -> None:
    """Give the tab a device that holds passkeys."""
    tools = await person.context.new_cdp_session(person.page)
    await tools.send("WebAuthn.enable")
    await tools.send("WebAuthn.addVirtualAuthenticator", {"options": _DEVICE})


async def add_passkey(person: BrowserUser, name: str) -> None:
    """Have the device of the tab make a passkey."""
    page = await person.settings("security")
    await page.fill("#passkey-name", name)
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.locator("#passkeys .entries")).to_contain_text(name)


async def sign_in_with_passkey(person: BrowserUser) -> None:
    """Sign in with it, from the page to sign in."""
    await person.page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(composer(person.page)).to_be_visible()


async def enable_two_factor(person: BrowserUser) -> Sequence[str]:
    """Turn the second factor on; the backup codes."""
    page = await person.settings("security")
    await page.get_by_role("button", name="Set up").click()
    await expect(page.locator("img.qr")).to_be_visible()
    secret = (await page.locator("code.secret").inner_text()).replace(" ", "")
    await page.fill("[name=code]", TOTP(secret).now())
    await page.get_by_role("button", name="Turn on").click()
    await expect(page.get_by_text("Save your backup codes")).to_be_visible()
    codes = await page.locator(".backup-codes code").all_inner_texts()
    await page.get_by_role("button", name="I've saved them").click()
    await expect(page.get_by_role("heading", name="Backup codes", exact=True)).to_be_visible()
    return codes


async def enter_password(person: BrowserUser) -> None:
    """The first half of signing in; the page asks for the code then."""
    page = person.page
    await person.open("/signin")
    await page.fill("[name=email]", person.email)
    await page.fill("[name=password]", PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url(CODE)


async def enter_backup_code(person: BrowserUser, code: str) -> None:
    """The second half, without the app; what the page says then is left to see."""
    page = person.page
    await page.get_by_role("button", name="Use a backup code").click()
    await page.fill("[name=code]", code)
    await page.get_by_role("button", name="Sign in", exact=True).click()
