"""Passkeys and the second factor, as somebody meets them in Chromium."""

import re
from collections.abc import Sequence

from playwright.async_api import expect
from pyotp.totp import TOTP

from tests.browser.conftest import Meet
from tests.browser.person import PASSWORD, PATIENCE, SIGN_IN, Person, composer
from tests.browser.program import Program

CODE = re.compile(r"/signin/code/?(\?|$)")
_DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def with_device(person: Person) -> None:
    """Give the tab a device that holds passkeys."""
    tools = await person.context.new_cdp_session(person.page)
    await tools.send("WebAuthn.enable")
    await tools.send("WebAuthn.addVirtualAuthenticator", {"options": _DEVICE})


async def turn_on(person: Person) -> Sequence[str]:
    """Turn the second factor on; the backup codes."""
    page = person.page
    await person.open("/settings/two-factor")
    await page.get_by_role("button", name="Set it up").click()
    await expect(page.locator("img.qr")).to_be_visible()
    secret = (await page.locator("code.secret").inner_text()).replace(" ", "")
    await page.fill("[name=code]", TOTP(secret).now())
    await page.get_by_role("button", name="Turn it on").click()
    await expect(page.get_by_text("Keep these codes")).to_be_visible()
    codes = await page.locator(".backup-codes code").all_inner_texts()
    await page.get_by_role("button", name="I have kept them").click()
    await expect(page.get_by_role("heading", name="Backup codes")).to_be_visible()
    return codes


async def password_first(person: Person) -> None:
    """The first half of signing in; the page asks for the code then."""
    page = person.page
    await person.open("/signin")
    await page.fill("[name=email]", person.email)
    await page.fill("[name=password]", PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url(CODE)


async def with_backup_code(person: Person, code: str) -> None:
    """The second half, without the app."""
    page = person.page
    await page.get_by_role("button", name="Use a backup code").click()
    await page.fill("[name=code]", code)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_a_passkey_alone_signs_in_and_proves_again_who_one_is(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    await with_device(ada)
    await ada.open("/settings/passkeys")
    await ada.page.fill("#passkey-name", "Laptop")
    await ada.page.get_by_role("button", name="Add a passkey").click()
    await expect(ada.page.locator(".entries")).to_contain_text("Laptop")
    await ada.open("/settings/confirm?callbackUrl=/settings/passkeys")
    await ada.page.get_by_role("button", name="Use a passkey").click()
    await ada.page.wait_for_url(re.compile(r":\d+/settings/passkeys/?$"))
    await ada.open("/")
    await ada.sign_out()
    await ada.page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(composer(ada.page)).to_be_visible(timeout=PATIENCE)
    assert ada.errors == []


async def test_a_backup_code_signs_in_once(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    code, *_ = await turn_on(ada)
    await ada.open("/")
    await ada.sign_out()
    await password_first(ada)
    await with_backup_code(ada, code)
    await expect(composer(ada.page)).to_be_visible(timeout=PATIENCE)
    await ada.sign_out()
    await ada.page.wait_for_url(SIGN_IN)
    await password_first(ada)
    await with_backup_code(ada, code)
    await expect(ada.page.get_by_role("alert")).to_contain_text("not right")
    assert ada.errors == []
