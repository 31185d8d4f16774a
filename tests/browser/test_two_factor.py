"""Passkeys and the second factor, as users meet them in Chromium."""

import re

from playwright.async_api import expect

from testing.browser_mfa import (
    add_passkey,
    add_virtual_device,
    enable_two_factor,
    enter_backup_code,
    enter_password,
    sign_in_with_passkey,
)
from testing.browser_user import SIGN_IN, Meet, composer
from testing.program import Program


async def test_a_passkey_alone_signs_in_and_proves_again_who_one_is(
    either_program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", either_program.url)
    await ada.sign_up()
    await add_virtual_device(ada)
    await add_passkey(ada, "Laptop")
    await ada.open("/settings/confirm?callbackUrl=/settings/passkeys")
    await ada.page.get_by_role("button", name="Use a passkey").click()
    await ada.page.wait_for_url(re.compile(r":\d+/settings/security/?#passkeys$"))
    await ada.open("/")
    await ada.sign_out()
    await sign_in_with_passkey(ada)
    assert ada.errors == []


async def test_a_backup_code_signs_in_once(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    code, *_ = await enable_two_factor(ada)
    await ada.open("/")
    await ada.sign_out()
    await enter_password(ada)
    await enter_backup_code(ada, code)
    await expect(composer(ada.page)).to_be_visible()
    await ada.sign_out()
    await ada.page.wait_for_url(SIGN_IN)
    await enter_password(ada)
    await enter_backup_code(ada, code)
    await expect(ada.page.get_by_role("alert")).to_contain_text("Incorrect code")
    assert ada.errors == []
