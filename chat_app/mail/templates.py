"""The text of every email the application sends. Pure.

No email contains text that a user typed: otherwise an attacker could have this server send their
words to anyone.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Email:
    """One email, before it is rendered as plain text and HTML.

    Args:
        to: The recipient's normalised email.
        subject: One line.
        intro: Paragraphs before the link.
        link: A URL of this application, or empty.
        link_label: The label of the link's button.
        outro: Paragraphs after the link.
    """

    to: str
    subject: str
    intro: tuple[str, ...]
    link: str = ""
    link_label: str = ""
    outro: tuple[str, ...] = ()


_IGNORE = "If this wasn't you, you can ignore this email."


class EmailTemplates:
    """Fills in the email templates.

    Args:
        url: The application's public origin.
        minutes: How long a link is valid.
        hours: How long a sign-up link is valid.
        days: How long an invitation is valid.
    """

    def __init__(self, url: str, *, minutes: int, hours: int, days: int) -> None:
        self._url = url
        self._site = urlsplit(url).netloc
        self._expires = f"The link works once and expires in {minutes} minutes."
        self._invitation_days = days
        self._sign_up_expires = f"The link works once and expires in {hours} hours."

    def sign_in(self, to: str, token: str) -> Email:
        """A magic link."""
        return Email(
            to,
            f"Your sign-in link for {self._site}",
            (f"Use the link below to sign in to {self._site}.",),
            self._confirm_url("sign_in_link", token),
            "Sign in",
            (self._expires, _IGNORE),
        )

    def reset_password(self, to: str, token: str) -> Email:
        """A link to choose a new password."""
        return Email(
            to,
            f"Reset your password for {self._site}",
            (f"We received a request to reset the password of your account at {self._site}.",),
            f"{self._url}/reset/new#{token}",
            "Reset password",
            (self._expires, f"{_IGNORE} Your password stays the same."),
        )

    def no_account(self, to: str) -> Email:
        """A magic link or a password reset was requested for an email without an account."""
        return Email(
            to,
            f"No account for this email at {self._site}",
            (
                f"We received a request to sign in to {self._site} with this email, but there is "
                "no account for it.",
                "If this was you, try another of your email addresses.",
            ),
            outro=(_IGNORE,),
        )

    def sign_up(self, to: str, token: str) -> Email:
        """A link that creates the account that was requested."""
        return Email(
            to,
            f"Confirm your email address for {self._site}",
            (f"Confirm your email address to create your account at {self._site}.",),
            self._confirm_url("sign_up", token),
            "Confirm email address",
            (self._sign_up_expires, f"{_IGNORE} No account is created without the link."),
        )

    def account_exists(self, to: str, _token: str = "") -> Email:
        """A sign-up was requested for an email that has an account."""
        return Email(
            to,
            f"You already have an account at {self._site}",
            (
                f"We received a request to create an account at {self._site} with this email, but "
                "you already have one.",
                "If this was you, sign in. If you forgot your password, you can reset it there.",
            ),
            f"{self._url}/signin",
            "Sign in",
            (f"{_IGNORE} Nothing has changed.",),
        )

    def email_not_allowed(self, to: str, _token: str = "") -> Email:
        """A sign-up was requested for an email that the operator does not allow."""
        return Email(
            to,
            f"This email can't be used at {self._site}",
            (
                f"We received a request to create an account at {self._site} with this email, but "
                "its administrator doesn't allow it.",
            ),
            outro=(_IGNORE,),
        )

    def verify_email(self, to: str, token: str) -> Email:
        """A link that verifies the email of an existing account."""
        return Email(
            to,
            f"Confirm your email address for {self._site}",
            (f"Confirm that this is the email address of your account at {self._site}.",),
            self._confirm_url("verify_email", token),
            "Confirm email address",
            (self._expires, _IGNORE),
        )

    def change_email(self, to: str, token: str) -> Email:
        """To a new email: a link that makes it the account's."""
        return Email(
            to,
            f"Confirm your new email address for {self._site}",
            (f"We received a request to use this email for an account at {self._site}.",),
            self._confirm_url("change_email", token),
            "Confirm email address",
            (self._expires, _IGNORE),
        )

    def email_in_use(self, to: str) -> Email:
        """Another user requested to move their account to an email that has one."""
        return Email(
            to,
            f"This email is already in use at {self._site}",
            (
                f"We received a request to use this email for another account at {self._site}, "
                "but it already has an account. Nothing has changed.",
            ),
            outro=(_IGNORE,),
        )

    def email_changed(self, to: str) -> Email:
        """To the previous email, after a change."""
        return Email(
            to,
            f"Your email address at {self._site} was changed",
            (f"Your account at {self._site} now uses another email address.",),
            outro=("If this wasn't you, contact your administrator right away.",),
        )

    def password_changed(self, to: str) -> Email:
        """After a password reset."""
        return Email(
            to,
            f"Your password for {self._site} was changed",
            (
                f"Your account at {self._site} has a new password. All devices were signed out.",
                "If this wasn't you, reset your password right away:",
            ),
            f"{self._url}/reset",
            "Reset password",
        )

    def invitation(self, to: str, token: str) -> Email:
        """A link to join an organisation, whose name a user has typed."""
        return Email(
            to,
            f"You are invited to an organisation at {self._site}",
            (
                f"You are invited to join an organisation at {self._site}. Sign in with this email "
                "address, or create an account with it, and open the link below.",
            ),
            self._confirm_url("invitation", token),
            "See the invitation",
            (f"The link works once and expires in {self._invitation_days} days.", _IGNORE),
        )

    def chats_read(self, to: str) -> Email:
        """An admin of an organisation has begun to read chats; the page says who, where and why."""
        return Email(
            to,
            f"An admin is reading your chats at {self._site}",
            (
                f"An admin of an organisation at {self._site} has opened the list of your chats in "
                "it, or one of them. Your settings say who, when, for which reason, and which "
                "chats were opened.",
            ),
            f"{self._url}/settings/data#readings",
            "See who read your chats",
        )

    def test(self, to: str) -> Email:
        """Sent by the operator, to see whether emails arrive."""
        return Email(
            to,
            f"Test email from {self._site}",
            (f"Emails from {self._site} arrive at this address.",),
        )

    def _confirm_url(self, purpose: str, token: str) -> str:
        # A fragment reaches no server, no log and no Referer.
        return f"{self._url}/confirm#{purpose}.{token}"
