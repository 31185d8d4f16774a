"""The one exception of the client."""

import json
from collections.abc import Mapping
from typing import Any

UNREACHABLE = "unreachable"
"""The code when no connection could be made, so that nothing was sent."""
CONNECTION_LOST = "connection_lost"
"""The code when a connection broke before its response was whole."""
UNEXPECTED_RESPONSE = "unexpected_response"
"""The code of a response that is not of this API, such as a proxy's page."""
NO_ANSWER = "no_answer"
"""The code when no answer is being written in a thread."""
ANSWER_FAILED = "answer_failed"
"""The code of an answer whose model failed; its message is in the stream alone."""


class ApiError(Exception):
    """The server refused a request or cannot be reached, or an answer failed.

    Args:
        message: One sentence for people.
        code: For programs: the `code` of the server's problem (RFC 9457), or one of this module.
        status: The HTTP status; None without a response.
        retry_after: Seconds after which the server takes the request, if it says so.
        request_id: The id of the request in the server's log, if there is one.

    Attributes:
        message: See above, as all of these.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        retry_after: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that a response says.

    Args:
        status: Its status.
        headers: Its headers, whose names are compared without case.
        body: All of its body.
    """
    problem = _object(body)
    code, detail = problem.get("code"), problem.get("detail")
    if not isinstance(code, str) or not isinstance(detail, str):
        code, detail = UNEXPECTED_RESPONSE, f"The server responded with the status {status}."
    seconds = headers.get("retry-after", "")
    return ApiError(
        detail,
        code=code,
        status=status,
        retry_after=int(seconds) if seconds.isdecimal() else None,
        request_id=headers.get("x-request-id"),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
