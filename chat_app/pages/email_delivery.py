"""What pages say about emails, by how the server delivers them: never of one that was not sent."""

from typing import cast

import reflex as rx

from chat_app.states.auth import AuthState

CANNOT_SEND = "This server can't send email. Ask your administrator."
IN_LOG = "No mail server is set up; find the link in the server log."


def by_delivery(
    *, sent: str, in_log: str = IN_LOG, none: str = CANNOT_SEND, unknown: str = ""
) -> rx.Var[str]:
    """A text that says what becomes of an email.

    Args:
        sent: Where emails are sent.
        in_log: Where their links are written to the server log instead.
        none: Where there are none.
        unknown: Until the server has told which of these it is.
    """
    by = ("smtp", sent), ("log", in_log), ("none", none)
    return cast("rx.Var[str]", rx.match(AuthState.email_delivery, *by, unknown))
