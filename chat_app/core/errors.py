"""Errors a person can read and a program can tell apart.

They are raised where a rule lives and shown at the face. Every other exception is a bug.
"""


class ChatError(Exception):
    """A rule said no.

    Args:
        sentence: One clear sentence for the person.

    Attributes:
        code: A stable word for programs.
        status: The HTTP status a route answers with.
    """

    code = "error"
    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(ChatError):
    """Missing and foreign look the same, so this error carries no detail."""

    code = "not_found"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is nothing here.")


class InvalidInput(ChatError):
    """What was sent cannot be taken; nothing has changed."""

    code = "invalid"
    status = 422


class TooLarge(ChatError):
    """What was sent is larger than a limit."""

    code = "too_large"
    status = 413


class Conflict(ChatError):
    """What was asked does not fit what is there now."""

    code = "conflict"
    status = 409


class Unauthenticated(ChatError):
    """Nobody is signed in."""

    code = "unauthenticated"
    status = 401

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class Forbidden(ChatError):
    """Signed in, but not allowed."""

    code = "forbidden"
    status = 403


class RateLimited(ChatError):
    """Too many tries.

    Args:
        sentence: One clear sentence for the person.
        retry_after: Seconds until another try can succeed.
    """

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ChatError):
    """The program cannot do this now; later it can."""

    code = "unavailable"
    status = 503
