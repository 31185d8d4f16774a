"""Emails of a program in a real browser: SMTP settings, sign-up by an emailed link."""

from playwright.async_api import expect

from testing.browser_user import PASSWORD, BrowserUser
from testing.mail_server import Mailbox, link_of


def smtp_settings(mailbox: Mailbox) -> dict[str, str]:
    """The settings of a program whose emails arrive there."""
    return {
        "SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
        "MAIL_FROM": "Chat <chat@chat.example>",
    }


async def sign_up_by_email(person: BrowserUser, mailbox: Mailbox) -> str:
    """Sign up where the email must be verified; its link."""
    page, before = person.page, len(mailbox.emails)
    await person.open("/signup")
    await page.fill("[name=email]", person.email)
    await page.fill("[name=password]", PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("heading", name="Verify your email")).to_be_visible()
    await mailbox.until(before + 1)
    return link_of(mailbox.emails[-1])
