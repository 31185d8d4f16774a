"""Scenes of the sign-in, sign-up and settings pages, and of a page that is not there."""

from playwright.async_api import FilePayload, Page

from screenshots.programs import BrowserUser, Programs, expect
from screenshots.scene import scene
from testing.browser_mfa import add_virtual_device, enable_two_factor, enter_password
from testing.pictures import png

_WAYS = {
    "AUTH_GITHUB_ID": "chat",
    "AUTH_GITHUB_SECRET": "a secret that nobody uses",
    "AUTH_GOOGLE_ID": "chat",
    "AUTH_GOOGLE_SECRET": "a secret that nobody uses",
    "AUTH_OIDC_ACME_ISSUER": "https://login.acme.example",
    "AUTH_OIDC_ACME_ID": "chat",
    "AUTH_OIDC_ACME_SECRET": "a secret that nobody uses",
}


@scene("sign-in-ways")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program(**_WAYS))
    await ada.open("/signin")
    await expect(ada.page.locator(".provider")).to_have_count(3)
    return ada.page


@scene("sign-in-by-mail")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/signin/link")
    await ada.page.fill("[name=email]", "ada@example.com")
    return ada.page


@scene("letter-sent")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/reset")
    await ada.page.fill("[name=email]", "ada@example.com")
    await ada.page.get_by_role("button", name="Send link").click()
    await expect(ada.page.get_by_role("heading", name="Open the link")).to_be_visible()
    return ada.page


@scene("letter-worn-out")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/reset/new#a-link-that-nobody-was-sent")
    await ada.page.fill("[name=password]", "violet kettle harbour thirty eight")
    await ada.page.get_by_role("button", name="Change password").click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("already used")
    return ada.page


@scene("sign-in-code")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await enable_two_factor(ada)
    await ada.open("/")
    await ada.sign_out()
    await enter_password(ada)
    return ada.page


@scene("settings-account")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "account", "Account")
    files = FilePayload(name="me.png", mimeType="image/png", buffer=png())
    await ada.page.locator("input[type=file]").set_input_files(files)
    await expect(ada.page.get_by_role("button", name="Remove picture")).to_be_visible()
    return ada.page


@scene("settings-security")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "security", "Security", **_WAYS)
    await ada.page.locator("#change-password summary").click()
    await ada.page.fill("[name=password]", "password1234")
    await ada.page.get_by_role("button", name="Save password").click()
    await expect(ada.page.get_by_text("easy to guess")).to_be_visible()
    return ada.page


@scene("settings-passkeys")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "security", "Security")
    await add_virtual_device(ada)
    await ada.page.fill("#passkey-name", "Laptop")
    await ada.page.get_by_role("button", name="Add a passkey").click()
    await expect(ada.page.locator("#passkeys .entries")).to_contain_text("Laptop")
    return ada.page


@scene("settings-two-factor")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "security", "Security")
    await ada.page.get_by_role("button", name="Set up").click()
    await expect(ada.page.locator("img.qr")).to_be_visible()
    return ada.page


@scene("settings-backup-codes")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "security", "Security")
    await enable_two_factor(ada)
    await ada.page.get_by_role("button", name="new codes").click()
    await expect(ada.page.get_by_text("Save your backup codes")).to_be_visible()
    return ada.page


@scene("settings-sessions")
async def _(programs: Programs) -> Page:
    program = programs.program()
    ada = await programs.person(program)
    phone = await programs.anonymous_user(program)
    phone.email = ada.email
    await phone.sign_in()
    await ada.open("/settings/security#sessions")
    await expect(ada.page.locator(".tag")).to_have_text("This device")
    return ada.page


@scene("settings-data")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "data", "Data")
    await ada.page.fill("[name=confirm]", "somebody@example.com")
    await ada.page.get_by_role("button", name="Delete everything").click()
    await expect(ada.page.get_by_text("Type your account's email")).to_be_visible()
    return ada.page


@scene("settings-chat")
async def _(programs: Programs) -> Page:
    return (await _at(programs, "chat", "Chat")).page


@scene("settings")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.open("/settings")
    await expect(ada.page.locator(".settings-menu")).to_be_visible()
    return ada.page


@scene("settings-confirm")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.open("/settings/confirm?callbackUrl=/settings/passkeys")
    await expect(ada.page.locator("[name=password]")).to_be_visible()
    return ada.page


@scene("page-not-found")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await ada.open("/no/such/page")
    await expect(ada.page.get_by_role("heading", name="Page not found")).to_be_visible()
    return ada.page


async def _at(programs: Programs, slug: str, title: str, **settings: str) -> BrowserUser:
    ada = await programs.person(programs.program(**settings))
    await ada.open(f"/settings/{slug}")
    await expect(ada.page.locator("h1")).to_have_text(title)
    return ada
