"""Errors with a message for the user and a code for programs, and the table of messages.

They are raised where a rule lives and shown by the interfaces. Every other exception is a bug.
The errors that several layers raise or catch are here; others stand in the module that raises them.
"""

import math
from collections import defaultdict
from collections.abc import Mapping

MESSAGES = {
    "api_key_rejected": (
        "{model}'s provider rejected this server's API key. Tell your administrator."
    ),
    "model_not_offered": "The provider doesn't offer the model {model}. Choose another one.",
    "quota_exhausted": (
        "This server's quota at {model}'s provider is used up. Tell your administrator."
    ),
    "context_too_long": "This conversation is too long for {model}. Start a new chat.",
    "request_rejected": "{model}'s provider rejected the request.",
    "tools_rejected": (
        "{model}'s provider rejected the tools of the request. The model may not take any."
    ),
    "provider_moved": "{model}'s provider has moved. Tell your administrator.",
    "rate_limited": "{model} is busy or rate-limited. Try again {when}.",
    "provider_error": "{model}'s provider returned an error. Try again in a moment.",
    "provider_unreachable": "{model}'s provider can't be reached.",
    "first_token_timeout": "{model} didn't start to answer in time.",
    "idle_timeout": "{model} stopped responding in the middle of its answer.",
    "cut_off": "{model}'s answer was cut off.",
    "error_in_stream": "{model}'s provider returned an error in the middle of the answer.",
    "malformed_response": "{model}'s provider sent a response that is not an answer.",
    "embedded_not_started": "The model on this machine could not be started.",
    "no_model": (
        "There is no model. Set OPENAI_API_KEY or OPENAI_BASE_URL with CHAT_MODELS, "
        "or install the embedded model."
    ),
    "no_model_allowed": "No model is available. Ask your administrator.",
    "model_switched_off": "{model} isn't available any more. Choose another model.",
    "empty_answer": "The model sent an empty answer. Try again, or choose another model.",
    "answer_withheld": "{model}'s provider withheld this answer.",
    "limit_before_answer": (
        "The model used its whole answer limit on thinking. Choose a lower thinking effort in "
        "Chat settings, or another model, then retry."
    ),
    "internal_error": "Something went wrong while writing the answer. Try again.",
    "not_saved": "The answer couldn't be saved, so it was stopped. Try again in a moment.",
    "database_busy": "The database is busy. Try again in a moment.",
    "database_full": "The disk is full. Nothing was saved.",
    "database_unreachable": "The database can't be reached. Nothing was saved.",
    "summary_failed": "The older messages couldn't be summarized. Try again in a moment.",
    "model_changed": "The model was changed from {before} to {after}.",
    "model_fallback": "{before} isn't available right now, so {after} answered.",
    # stored by earlier versions
    "context_trimmed": "This chat is long: the model no longer sees its oldest messages.",
    "unknown": "{text}",
}
"""Messages by message code. Rows store the code and the parameters, never the message."""


_UNITS = (
    ("second", 1, 90),
    ("minute", 60, 90),
    ("hour", 3_600, 48),
    ("day", 86_400, 60),
    ("month", 30 * 86_400, 24),
    ("year", 365 * 86_400, math.inf),
)
"""Each unit of time: its length in seconds, and up to how many of it are said."""


def message_of(code: str, params: Mapping[str, object]) -> str:
    """The message for the user; empty for no code.

    Args:
        code: A key of `MESSAGES`.
        params: The parameters of its message; `retry_after` is in seconds.
    """
    if not code:
        return ""
    seconds = params.get("retry_after")
    when = wait_phrase(seconds) if isinstance(seconds, int) and seconds > 0 else "in a moment"
    template = MESSAGES.get(code, "The model couldn't answer.")
    return template.format_map(defaultdict(str, params, when=when))


def wait_phrase(seconds: int) -> str:
    """How long to wait as people say it, rounded up: `in 20 seconds`, `in 24 hours`, `in 3 days`.

    Args:
        seconds: At least 1.
    """
    unit, length = next((unit, length) for unit, length, most in _UNITS if seconds <= most * length)
    count = math.ceil(seconds / length)
    return f"in {count} {unit}" if count == 1 else f"in {count} {unit}s"


class ChatError(Exception):
    """A rule refused something.

    Args:
        message: One clear sentence for the user.

    Attributes:
        code: A stable code for programs.
        status: The HTTP status of the response.
        param: The name of the field that is invalid; None where there is none.
    """

    code = "error"
    status = 400
    param: str | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StorableError(ChatError):
    """An error that a row can store as a code and parameters.

    Args:
        message_code: A key of `MESSAGES`.
        params: The parameters of its message; JSON values.
    """

    def __init__(self, message_code: str, **params: object) -> None:
        super().__init__(message_of(message_code, params))
        self.message_code = message_code
        self.params = params


class NotFound(ChatError):
    """The thing is missing or foreign, which look the same; so there is no detail."""

    code = "not_found"
    status = 404

    def __init__(self) -> None:
        super().__init__("Not found.")


class InvalidInput(ChatError):
    """The input is invalid; nothing has changed.

    Args:
        message: One clear sentence for the user.
        param: The name of the field that is invalid; empty where there is none.
    """

    code = "invalid"
    status = 422

    def __init__(self, message: str, param: str = "") -> None:
        super().__init__(message)
        self.param = param or None


class InvalidJson(InvalidInput):
    """The input is no JSON."""


class TooLarge(ChatError):
    """The input is larger than a limit."""

    code = "too_large"
    status = 413


class Conflict(ChatError):
    """The request conflicts with the current state."""

    code = "conflict"
    status = 409


class IdInUse(Conflict):
    """The id that a client chose is taken, also by what its user doesn't reach any more."""

    code = "id_in_use"

    def __init__(self) -> None:
        super().__init__("This id is in use. Use a new one.")


class Unauthenticated(ChatError):
    """The client is not signed in."""

    code = "unauthenticated"
    status = 401

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class Forbidden(ChatError):
    """Signed in, but not allowed."""

    code = "forbidden"
    status = 403


class RateLimited(ChatError):
    """Too many attempts.

    Args:
        message: One clear sentence for the user.
        retry_after: Seconds until another attempt can succeed.
    """

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ChatError):
    """The server cannot do this now, but later."""

    code = "unavailable"
    status = 503


class DatabaseError(ChatError):
    """The database cannot do this now; nothing has changed."""

    code = "unavailable"
    status = 503


class DatabaseBusy(DatabaseError, StorableError):
    """Another process holds the database, or no connection came free in time."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("database_busy")


class DatabaseFull(DatabaseError, StorableError):
    """The disk that holds the database is full."""

    code = "full"
    status = 507

    def __init__(self) -> None:
        super().__init__("database_full")


class DatabaseUnreachable(DatabaseError, StorableError):
    """The file cannot be read or written (a quota, a broken disk), or the server is down."""

    def __init__(self) -> None:
        super().__init__("database_unreachable")
