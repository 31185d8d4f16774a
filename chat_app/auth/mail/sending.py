"""What everything needs that sends a letter."""

from dataclasses import dataclass

from chat_app.auth.mail.letters import Letters
from chat_app.auth.mail.postman import Postman
from chat_app.auth.throttle import Throttle
from chat_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Sending:
    """What a letter is written with, goes out by, and is counted by.

    Args:
        postman: Delivers.
        letters: Writes.
        throttle: Counts; the one that passwords are counted with.
        settings: Whose addresses are taken, and who may sign up.
    """

    postman: Postman
    letters: Letters
    throttle: Throttle
    settings: Settings
