"""Scenes of the sign-in, sign-up and settings pages, and of a page that is not there."""

import re

from playwright.async_api import FilePayload, Page, Route

from screenshots.programs import BrowserUser, Programs, expect
from screenshots.scene import scene
from testing.browser_emails import sign_up_by_email, smtp_settings
from testing.browser_mfa import (
    add_virtual_device,
    enable_two_factor,
    enter_backup_code,
    enter_password,
)
from testing.browser_user import PASSWORD
from testing.mail_server import listening
from testing.pictures import png
from testing.program import Program

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


@scene("sign-in-waiting")
async def _(programs: Programs) -> Page:
    """The server lets the sign-in wait, as it does after many failures of one client."""
    ada = await programs.anonymous_user(programs.program())

    async def hold(route: Route) -> None:
        """Nothing comes back."""

    await ada.page.route("**/api/auth/callback/credentials", hold)
    await _sign_in(ada, "violet kettle harbour thirty eight")
    await expect(ada.page.get_by_text("This is taking longer")).to_be_visible()
    return ada.page


@scene("sign-in-paused")
async def _(programs: Programs) -> Page:
    """Other browsers have failed too often with this email."""
    ada = await programs.anonymous_user(programs.program(LIMIT_SIGN_IN_ACCOUNT="1/hour"))
    for said in ("Incorrect", "Too many failed sign-ins"):
        await _sign_in(ada, "not the password")
        await expect(ada.page.locator("#problem")).to_contain_text(said)
    return ada.page


@scene("sign-in-by-mail")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/signin/link")
    await ada.page.fill("[name=email]", "ada@example.com")
    return ada.page


@scene("email-sent")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/reset")
    await ada.page.fill("[name=email]", "ada@example.com")
    await ada.page.get_by_role("button", name="Send link").click()
    await expect(ada.page.get_by_role("heading", name="Open the link")).to_be_visible()
    return ada.page


@scene("link-expired")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/reset/new#a-link-that-nobody-was-sent")
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


@scene("sign-in-code-wrong")
async def _(programs: Programs) -> Page:
    ada = await programs.person(programs.program())
    await enable_two_factor(ada)
    await ada.open("/")
    await ada.sign_out()
    await enter_password(ada)
    await enter_backup_code(ada, "not-a-code")
    await expect(ada.page.locator("#problem")).to_contain_text("Incorrect code")
    return ada.page


@scene("password-changed")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/reset?done=1")
    await expect(ada.page.get_by_role("heading", name="Password changed")).to_be_visible()
    return ada.page


@scene("link-to-sign-in")
async def _(programs: Programs) -> Page:
    program = programs.program()
    ada = await programs.person(program)
    await ada.sign_out()
    await ada.open("/signin/link")
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.get_by_role("button", name="Send link").click()
    await expect(ada.page.get_by_role("heading", name="Open the link")).to_be_visible()
    await ada.page.goto(_last_link(program))
    await expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
    return ada.page


@scene("link-needs-session")
async def _(programs: Programs) -> Page:
    program = programs.program()
    ada = await _at(programs, "account", "Account")
    await ada.page.get_by_role("button", name="Verify your current email").click()
    await expect(ada.page.get_by_role("status").filter(has_text="server log")).to_be_visible()
    other = await programs.anonymous_user(program)
    await other.page.goto(_last_link(program))
    await expect(other.page.get_by_text("Sign in here as the user")).to_be_visible()
    return other.page


@scene("link-worn-out")
async def _(programs: Programs) -> Page:
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/confirm#sign_in_link.a-link-that-nobody-was-sent")
    await expect(ada.page.get_by_role("alert")).to_contain_text("already used")
    return ada.page


@scene("link-needs-password")
async def _(programs: Programs) -> Page:
    mailbox = await programs.closing.enter_async_context(listening())
    program = programs.program(**smtp_settings(mailbox))
    ada = await programs.anonymous_user(program)
    link = await sign_up_by_email(ada, mailbox)
    other = await programs.anonymous_user(program)
    await other.page.goto(link)
    await expect(other.page.locator("[name=password]")).to_be_visible()
    return other.page


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


@scene("settings-api-keys")
async def _(programs: Programs) -> Page:
    ada = await _at(programs, "api-keys", "API keys")
    for name in ("Backup script", "Phone"):
        await ada.page.fill("#api-key-name", name)
        await ada.page.get_by_role("button", name="Create key").click()
        await expect(ada.page.locator(".shown-once code")).to_be_visible()
        if name == "Backup script":
            await ada.page.get_by_role("button", name="Done").click()
    await ada.page.locator(".revoke summary").first.click()
    return ada.page


@scene("settings-usage")
async def _(programs: Programs) -> Page:
    """Nothing was used yet."""
    ada = await _at(programs, "usage", "Usage")
    await expect(ada.page.get_by_text("No model was used in these days.")).to_be_visible()
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


@scene("blocked")
async def _(programs: Programs) -> Page:
    """A proxy that drops the upgrade of the socket, and nothing else."""
    ada = await programs.anonymous_user(programs.program())
    await ada.page.route_web_socket("**/_event/**", lambda socket: socket.close())
    await _sign_up(ada)
    said = ada.page.get_by_text("This page can't connect")
    await expect(said).to_be_visible()
    return ada.page


@scene("unknown-host")
async def _(programs: Programs) -> Page:
    program = programs.program()
    ada = await programs.anonymous_user(program)
    await ada.page.goto(program.url.replace("localhost", "other.localhost"))
    await expect(ada.page.get_by_role("heading", name="Unknown host")).to_be_visible()
    return ada.page


@scene("unavailable")
async def _(programs: Programs) -> Page:
    """The operator's own directory does not answer."""
    program = programs.program(AUTH_SESSION_HOOK="testing.session_hooks:failing")
    ada = await programs.anonymous_user(program)
    await _sign_up(ada)
    await expect(ada.page.get_by_role("heading", name="Temporarily unavailable")).to_be_visible()
    return ada.page


@scene("path-not-found")
async def _(programs: Programs) -> Page:
    """A path that never reaches the pages."""
    ada = await programs.anonymous_user(programs.program())
    await ada.open("/_nothing")
    await expect(ada.page.get_by_role("heading", name="Page not found")).to_be_visible()
    return ada.page


async def _at(programs: Programs, slug: str, title: str, **settings: str) -> BrowserUser:
    ada = await programs.person(programs.program(**settings))
    await ada.open(f"/settings/{slug}")
    await expect(ada.page.locator("h1")).to_have_text(title)
    return ada


async def _sign_up(ada: BrowserUser) -> None:
    await ada.open("/signup")
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.fill("[name=password]", PASSWORD)
    await ada.page.get_by_role("button", name="Create account").click()


async def _sign_in(ada: BrowserUser, password: str) -> None:
    await ada.open("/signin")
    await ada.page.get_by_label("Email").fill("ada@example.com")
    await ada.page.locator("[name=password]").fill(password)
    await ada.page.get_by_role("button", name="Sign in", exact=True).click()


def _last_link(program: Program) -> str:
    """The link of the email that the program wrote last to its log."""
    return re.findall(r"https?://\S+#\S+", program.log.read_text())[-1]
