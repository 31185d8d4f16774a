"""Errors as problem details (RFC 9457), for the routes and for the gateway.

`error` and `message` are what `code` and `detail` were called before, and what the page reads.
Nothing in a body names the request: the response about another user's thing and the one about a
missing thing are the same to the byte.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chat_app.core.errors import ChatError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    421: "Unknown host",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
    507: "Disk full",
}
"""The statuses of errors, and what each means in general."""


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    type: str = Field(json_schema_extra={"format": "uri-reference"})
    """Identifies the kind of problem, and is the address of its description."""
    title: str
    """The kind of problem in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong with this request: one sentence for people."""
    code: str
    """The kind of problem, for programs."""
    error: str
    """The same as `code`."""
    message: str
    """The same as `detail`."""


class PlainError(BaseModel):
    """An error outside `/api`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    error: str
    """The kind of error, for programs."""
    message: str
    """One sentence for people."""


def problem_type(code: str) -> str:
    """The `type` of problems with a code, relative to the server."""
    return f"/api/docs#problem-{code}"  # the page that describes the API


def problem(error: ChatError) -> dict[str, Any]:
    """The problem details of an error."""
    return Problem(
        type=problem_type(error.code),
        title=TITLES.get(error.status, "Error"),
        status=error.status,
        detail=error.message,
        code=error.code,
        error=error.code,
        message=error.message,
    ).model_dump()


def plain_error(error: ChatError) -> dict[str, Any]:
    """An error outside `/api`, without the members of RFC 9457."""
    return {"error": error.code, "message": error.message}
