"""Signing up, signing in and choosing a password by email, as a user does."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from testing.browser_emails import sign_up_by_email, smtp_settings
from testing.browser_user import SIGN_IN, Meet, composer
from testing.mail_server import Mailbox, link_of
from testing.program import Program, running

NEW = "another-Lemon-44-chair"
ORGANISATIONS = "async () => (await fetch('/api/organisations')).json()"
INVITE = """async (email) => {
    const post = async (url, body) => (await fetch(url, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();
    const { id } = await post("/api/organisations", { name: "Rivers" });
    await post(`/api/organisations/${id}/invitations`, { email, role: "member" });
    return id;
}"""
VERIFIED_AT = "UPDATE user SET email_verified_at = nullif(?, '') WHERE email = ?"
CLAIM = re.compile(r"sent you|email you|check your inbox", re.IGNORECASE)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def posting(
    tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox
) -> AsyncIterator[Program]:
    """A program whose emails arrive."""
    given = {
        "FAKE_MODELS": "true",
        "EMBEDDED_MODEL": "false",
        **smtp_settings(mailbox),
    }
    with running(tmp_path_factory.mktemp("posting"), given=given) as one:
        yield one


async def test_a_day_with_letters(posting: Program, mailbox: Mailbox, meet: Meet) -> None:
    ada = await meet("Ada", posting.url)
    page = ada.page
    link = await sign_up_by_email(ada, mailbox)

    # Another browser, which nobody signed up in, is asked for the password that was chosen.
    eve = await meet("Eve", posting.url)
    await eve.page.goto(link)
    await expect(eve.page.locator(".email-lead")).to_contain_text(ada.email)
    await eve.page.fill("[name=password]", NEW)
    await eve.page.get_by_role("button", name="Create account").click()
    await expect(eve.page.get_by_role("alert")).to_contain_text("Incorrect")
    assert "#" not in eve.page.url

    await page.goto(link)
    await page.get_by_role("button", name="Create account").click()
    await expect(composer(page)).to_be_visible()

    # A phone comes in without a password; the link works there once.
    phone = await meet("Ada", posting.url, viewport={"width": 360, "height": 640})
    await phone.open("/signin")
    await phone.page.get_by_role("link", name="Sign in by email").click()
    await phone.page.get_by_role("button", name="Send link").wait_for()
    await phone.page.fill("[name=email]", ada.email)
    await phone.page.get_by_role("button", name="Send link").click()
    await expect(phone.page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    await mailbox.until(2)
    link = link_of(mailbox.emails[-1])
    await phone.page.goto(link)
    await phone.page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(composer(phone.page)).to_be_visible()
    await eve.page.goto(link)
    await expect(eve.page.get_by_role("alert")).to_contain_text("already used")

    # A new password signs every device out.
    await eve.open("/reset")
    await eve.page.fill("[name=email]", ada.email)
    await eve.page.get_by_role("button", name="Send link").click()
    await expect(eve.page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    await mailbox.until(3)
    await eve.page.get_by_role("link", name="Send it again").click()
    await expect(eve.page.get_by_label("Email")).to_have_value(ada.email)
    link = link_of(mailbox.emails[-1])
    late = await meet("Eve", posting.url)
    for tab in (eve.page, late.page):
        await tab.goto(link)
        await expect(tab.locator(".email-lead")).to_contain_text(ada.email)
    for password in ("short", NEW):
        await eve.page.fill("[name=password]", password)
        await eve.page.get_by_role("button", name="Change password").click()
        if password == "short":
            await expect(eve.page.get_by_role("alert")).to_contain_text("at least")
    await eve.page.wait_for_url(re.compile(r"/reset/?\?done=1"))
    # It worked once: what is left of the form says so, and leads to another one.
    await late.page.fill("[name=password]", NEW)
    await late.page.get_by_role("button", name="Change password").press("Enter")
    await expect(late.page.get_by_role("alert")).to_be_focused()
    await eve.page.goto(link)
    for tab in (late.page, eve.page):
        await expect(tab.get_by_role("alert")).to_contain_text("already used")
        await expect(tab.locator("[name=password]")).to_have_count(0)
        await expect(tab.get_by_role("link", name="Get a new one")).to_be_visible()
    for tab in (page, phone.page):
        await tab.wait_for_url(SIGN_IN)
        await expect(composer(tab)).to_have_count(0)
    assert (ada.errors, eve.errors, phone.errors, late.errors) == ([], [], [], [])


async def test_an_invitation_waits_until_its_recipient_is_signed_in(
    posting: Program, mailbox: Mailbox, meet: Meet
) -> None:
    ada, bob = await meet("Ada", posting.url), await meet("Bob", posting.url)
    for person in (ada, bob):
        await person.page.goto(await sign_up_by_email(person, mailbox))
        await person.page.get_by_role("button", name="Create account").click()
        await expect(composer(person.page)).to_be_visible()
    before = len(mailbox.emails)
    invited = await ada.page.evaluate(INVITE, bob.email)
    await mailbox.until(before + 1)
    (email,) = mailbox.to(bob.email)[1:]
    link = link_of(email)

    # Another user, and a browser without a session, can do nothing with it.
    eve = await meet("Eve", posting.url)
    for tab, said in ((ada.page, "for another user"), (eve.page, "Sign in with this email")):
        await tab.goto(link)
        await expect(tab.locator(".email-lead")).to_contain_text(bob.email)
        await expect(tab.get_by_text(said)).to_be_visible()
        await expect(tab.get_by_role("button", name="Join the organisation")).to_have_count(0)

    # Nor can the recipient, while the email is not verified.
    posting.behind_its_back(VERIFIED_AT, "", bob.email)
    await bob.page.goto(link)
    await bob.page.get_by_role("button", name="Join the organisation").click()
    await expect(bob.page.get_by_role("alert")).to_contain_text("Verify your email")
    posting.behind_its_back(VERIFIED_AT, "2026-01-01 00:00:00.000000", bob.email)

    await bob.page.goto(link)
    await expect(bob.page.get_by_role("alert")).to_be_empty()  # it was on this page: it loads anew
    await bob.page.get_by_role("button", name="Join the organisation").click()
    await expect(composer(bob.page)).to_be_visible()
    [joined] = (await bob.page.evaluate(ORGANISATIONS))["organisations"]
    assert (joined["id"], joined["role"]) == (invited, "member")
    await ada.page.reload()
    await expect(ada.page.get_by_role("alert")).to_contain_text("Ask for a new one.")
    assert ada.errors == bob.errors == []


async def test_without_a_mail_server_no_page_says_that_an_email_is_on_its_way(
    program: Program, meet: Meet
) -> None:
    ada = await meet("Ada", program.url)
    body = ada.page.locator("body")
    for path in (
        "/signin/link",
        "/reset",
        "/reset?sent=1",
        "/signin/link?sent=1",
        "/signup?sent=1",
    ):
        await ada.open(path)
        await expect(ada.page.locator(".lead")).to_contain_text(
            re.compile("Ask your administrator .* server log")
        )
        await expect(body).not_to_contain_text(CLAIM)
    await ada.sign_up()
    page = await ada.settings("account")
    await page.get_by_role("button", name="Verify your current email").click()
    await expect(page.get_by_role("status").filter(has_text="server log")).to_be_visible()
    await expect(body).not_to_contain_text(CLAIM)

    # Where its user is not signed in, the link says so and leads there.
    link = re.findall(r"http://\S+#verify_email\S+", program.log.read_text())[-1]
    phone = await meet("Ada", program.url)
    await phone.page.goto(link)
    await expect(phone.page.locator(".email-lead")).to_contain_text(ada.email)
    await phone.page.get_by_role("link", name="Sign in", exact=True).click()
    await phone.page.wait_for_url(SIGN_IN)
    assert ada.errors == []
