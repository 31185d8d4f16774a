"""The states of the pages where a person comes in and changes what is theirs."""

from playwright.async_api import FilePayload, Page

from screenshots.programs import Person, Stage, expect
from screenshots.scene import scene
from testing.browser_mfa import password_first, turn_on, with_device
from testing.browser_user import png

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
async def _(stage: Stage) -> Page:
    ada = await stage.visitor(stage.program(**_WAYS))
    await ada.open("/signin")
    await expect(ada.page.locator(".provider")).to_have_count(3)
    return ada.page


@scene("sign-in-by-mail")
async def _(stage: Stage) -> Page:
    ada = await stage.visitor(stage.program())
    await ada.open("/signin/link")
    await ada.page.fill("[name=email]", "ada@example.com")
    return ada.page


@scene("letter-sent")
async def _(stage: Stage) -> Page:
    ada = await stage.visitor(stage.program())
    await ada.open("/reset")
    await ada.page.fill("[name=email]", "ada@example.com")
    await ada.page.get_by_role("button", name="Send link").click()
    await expect(ada.page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    return ada.page


@scene("letter-worn-out")
async def _(stage: Stage) -> Page:
    ada = await stage.visitor(stage.program())
    await ada.open("/reset/new#a-link-that-nobody-was-sent")
    await ada.page.fill("[name=password]", "violet kettle harbour thirty eight")
    await ada.page.get_by_role("button", name="Change password").click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("cannot be used")
    return ada.page


@scene("sign-in-code")
async def _(stage: Stage) -> Page:
    ada = await stage.person(stage.program())
    await turn_on(ada)
    await ada.open("/")
    await ada.sign_out()
    await password_first(ada)
    return ada.page


@scene("settings-profile")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "profile", "Profile")
    files = FilePayload(name="me.png", mimeType="image/png", buffer=png())
    await ada.page.locator("input[type=file]").set_input_files(files)
    await expect(ada.page.get_by_role("button", name="Remove picture")).to_be_visible()
    return ada.page


@scene("settings-password")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "password", "Password")
    await ada.page.fill("[name=password]", "password1234")
    await ada.page.get_by_role("button", name="Change password").click()
    await expect(ada.page.get_by_text("easy to guess")).to_be_visible()
    return ada.page


@scene("settings-connections")
async def _(stage: Stage) -> Page:
    return (await _at(stage, "connections", "Connections", **_WAYS)).page


@scene("settings-passkeys")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "passkeys", "Passkeys")
    await with_device(ada)
    await ada.page.fill("#passkey-name", "Laptop")
    await ada.page.get_by_role("button", name="Add a passkey").click()
    await expect(ada.page.locator(".entries")).to_contain_text("Laptop")
    return ada.page


@scene("settings-two-factor")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "two-factor", "Two-factor")
    await ada.page.get_by_role("button", name="Set up").click()
    await expect(ada.page.locator("img.qr")).to_be_visible()
    return ada.page


@scene("settings-backup-codes")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "two-factor", "Two-factor")
    await turn_on(ada)
    await ada.page.get_by_role("button", name="new codes").click()
    await expect(ada.page.get_by_text("Save your backup codes")).to_be_visible()
    return ada.page


@scene("settings-sessions")
async def _(stage: Stage) -> Page:
    program = stage.program()
    ada = await stage.person(program)
    phone = await stage.visitor(program)
    phone.email = ada.email
    await phone.sign_in()
    await ada.open("/settings/sessions")
    await expect(ada.page.locator(".tag")).to_have_text("This device")
    return ada.page


@scene("settings-data")
async def _(stage: Stage) -> Page:
    ada = await _at(stage, "data", "Your data")
    await ada.page.fill("[name=confirm]", "somebody@example.com")
    await ada.page.get_by_role("button", name="Delete everything").click()
    await expect(ada.page.get_by_text("Type the e-mail address")).to_be_visible()
    return ada.page


@scene("settings-confirm")
async def _(stage: Stage) -> Page:
    ada = await stage.person(stage.program())
    await ada.open("/settings/confirm?callbackUrl=/settings/passkeys")
    await expect(ada.page.locator("[name=password]")).to_be_visible()
    return ada.page


async def _at(stage: Stage, slug: str, title: str, **settings: str) -> Person:
    ada = await stage.person(stage.program(**settings))
    await ada.open(f"/settings/{slug}")
    await expect(ada.page.locator("h1")).to_have_text(title)
    return ada
