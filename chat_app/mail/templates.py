"""What each letter says. Pure.

Nothing that a stranger typed is ever in a letter: else anybody could make the program send their
words to anybody.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Email:
    """One letter.

    Args:
        to: The normalised address.
        subject: One line.
        before: What is said first, as paragraphs.
        link: An address of this program, or empty.
        words: What the link does, in a few words.
        after: What is said last, as paragraphs.
    """

    to: str
    subject: str
    before: tuple[str, ...]
    link: str = ""
    words: str = ""
    after: tuple[str, ...] = ()


_IGNORE = "If that was not you, you need not do anything."


class EmailTemplates:
    """Writes letters.

    Args:
        url: The origin people use.
        minutes: How long a link works.
        hours: How long the link works that confirms a new account.
    """

    def __init__(self, url: str, *, minutes: int, hours: int) -> None:
        self._url = url
        self._place = urlsplit(url).netloc
        self._once = f"It works once, within {minutes} minutes."
        self._once_today = f"It works once, within {hours} hours."

    def sign_in(self, to: str, token: str) -> Email:
        """A link that signs its reader in."""
        return Email(
            to,
            f"Your link to sign in to {self._place}",
            (f"Somebody asked for a link to sign in to {self._place} with this address.",),
            self._confirm("sign_in_link", token),
            "Sign in",
            (self._once, f"{_IGNORE} Nobody can sign in without this letter."),
        )

    def reset_password(self, to: str, token: str) -> Email:
        """A link to choose a new password."""
        return Email(
            to,
            f"Choose a new password for {self._place}",
            (f"Somebody asked for a new password for your account at {self._place}.",),
            f"{self._url}/reset/new#{token}",
            "Choose a new password",
            (self._once, f"{_IGNORE} Your password stays as it is."),
        )

    def unknown(self, to: str) -> Email:
        """For an address that a link was asked for, and that has nothing to be opened with one."""
        return Email(
            to,
            f"No account for this address at {self._place}",
            (
                f"Somebody asked for a link to sign in to {self._place} with this address, but "
                "there is no account here that it could open.",
                "If that was you: perhaps you have used another of your addresses here.",
            ),
            after=(_IGNORE,),
        )

    def sign_up(self, to: str, token: str) -> Email:
        """A link that makes the account that somebody asked for."""
        return Email(
            to,
            f"Confirm your address for {self._place}",
            (f"Somebody wants to make an account with this address at {self._place}.",),
            self._confirm("sign_up", token),
            "Confirm the address",
            (self._once_today, f"{_IGNORE} Without this letter there will be no account."),
        )

    def already_here(self, to: str, _token: str = "") -> Email:
        """For an address that somebody wanted to make an account with, and that has one."""
        return Email(
            to,
            f"You have an account at {self._place}",
            (
                f"Somebody wanted to make an account with this address at {self._place}, but you "
                "have one here already.",
                "If that was you: sign in, and if the password is forgotten, choose a new one.",
            ),
            f"{self._url}/signin",
            "Sign in",
            (f"{_IGNORE} Nothing has changed.",),
        )

    def not_welcome(self, to: str, _token: str = "") -> Email:
        """For an address that somebody wanted to make an account with, and that may have none."""
        return Email(
            to,
            f"This address cannot be used at {self._place}",
            (
                f"Somebody wanted to make an account with this address at {self._place}, but the "
                "people who run it do not let this address in.",
            ),
            after=(_IGNORE,),
        )

    def verify(self, to: str, token: str) -> Email:
        """A link that proves an address of an account that exists."""
        return Email(
            to,
            f"Confirm your address for {self._place}",
            (f"Confirm that this is the address of your account at {self._place}.",),
            self._confirm("verify_email", token),
            "Confirm the address",
            (self._once, _IGNORE),
        )

    def change(self, to: str, token: str) -> Email:
        """To a new address: a link that makes it the account's."""
        return Email(
            to,
            f"Confirm your new address for {self._place}",
            (f"Somebody wants to use this address for their account at {self._place}.",),
            self._confirm("change_email", token),
            "Use this address",
            (self._once, _IGNORE),
        )

    def not_changed(self, to: str) -> Email:
        """To an address that somebody wanted for their account, and that has one already."""
        return Email(
            to,
            f"This address stays where it is at {self._place}",
            (
                f"Somebody wanted to use this address for another account at {self._place}, but "
                "it has an account of its own already. Nothing has changed.",
            ),
            after=(_IGNORE,),
        )

    def changed(self, to: str) -> Email:
        """To the old address: it opens the account no more."""
        return Email(
            to,
            f"Your address at {self._place} was changed",
            (f"Your account at {self._place} has another address from now on.",),
            after=("If that was not you, tell the people who run this server at once.",),
        )

    def password_changed(self, to: str) -> Email:
        """To somebody whose password was chosen anew by a letter."""
        return Email(
            to,
            f"Your password at {self._place} was changed",
            (
                f"Your account at {self._place} has a new password. Every device was signed out.",
                "If that was not you, choose another one at once:",
            ),
            f"{self._url}/reset",
            "Choose a new password",
        )

    def _confirm(self, purpose: str, token: str) -> str:
        # A fragment reaches no server, no log and no Referer.
        return f"{self._url}/confirm#{purpose}.{token}"
