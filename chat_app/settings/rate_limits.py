"""How often something may be done: sign-in attempts, emails, socket events.

Counters are kept in memory, per process; wrong second-factor codes are counted in the database.
The checks are in `auth/rate_limits.py`, `gateway/sockets.py`, `threads/user_limits.py` and
`threads/client_reports.py`.
"""

from typing import Annotated

from pydantic import Field

from chat_app.settings.validation import SettingsGroup, matching

Rate = Annotated[
    str, matching(r"\d+/(\d+ )?(second|minute|hour|day)s?", "must look like 5/15 minutes")
]
"""A count per period, for example `5/15 minutes`."""


class RateLimitSettings(SettingsGroup):
    """Rate limits.

    Sign-in attempts and wrong codes count when they fail; emails, new accounts and started
    sign-ins count always. Messages and chats count when they are stored. Where APP_URL is public
    and TRUSTED_PROXY_HOPS is 0, the IP of a proxy on this machine or in a private network is not
    limited, because all clients share it.
    """

    limit_sign_in_known: Rate = "5/15 minutes"
    """Failed sign-ins per email in a browser where its user has signed in before. Beyond them it
    counts like any other browser."""

    limit_sign_in_pair: Rate = "5/15 minutes"
    """Failed sign-ins per email and client IP, in other browsers."""

    limit_sign_in_address: Rate = "100/hour"
    """Failed sign-ins per client IP, in other browsers. Beyond them its sign-ins wait, for 2 to 30
    seconds."""

    limit_sign_in_account: Rate = "100/hour"
    """Failed sign-ins per email, in other browsers together. Beyond them its user needs a passkey,
    a link by email or a browser where they have signed in before."""

    limit_sign_up_address: Rate = "20/hour"
    """New accounts per client IP."""

    limit_start_address: Rate = "600/hour"
    """Sign-ins with an identity provider or a passkey started per client IP. Beyond them it waits,
    for 2 to 30 seconds."""

    limit_second_factor: Rate = "5/15 minutes"
    """Wrong second-factor codes in a row per user."""

    limit_mail_address: Rate = "30/hour"
    """Emails requested per client IP."""

    limit_mail_recipient: Rate = "5/hour"
    """Emails sent per recipient."""

    limit_mail_known: Rate = "1/hour"
    """Emails that a browser where the recipient has signed in before can request besides those."""

    limit_messages: Rate = "60/minute"
    """Messages that a user may send, and answers that they may regenerate."""

    limit_threads: Rate = "60/minute"
    """Empty chats that a user may create over the API."""

    limit_reports: Rate = "240/minute"
    """Requests in which a user's clients report runs, feedback, events and scores."""

    socket_events_per_second: float = Field(20, gt=0)
    """Events per second that a tab may send over its WebSocket."""

    socket_event_burst: int = Field(60, ge=1)
    """Events that a tab may send at once, before that rate applies."""
