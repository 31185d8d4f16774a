"""Errors as OpenAI's and Anthropic's APIs have them, in a response and in a stream. Pure.

platform.openai.com/docs/guides/error-codes/api-errors, docs.anthropic.com/en/api/errors
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from chat_app.api.wires.sse import data_events, typed_events
from chat_app.core.errors import ChatError
from chat_app.core.json_values import JsonObject, compact_json


class _ErrorModel(BaseModel):
    """A part of an error, with exactly these fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class OpenAIErrorDetails(_ErrorModel):
    """What is wrong."""

    message: str
    """One sentence for people."""
    type: str
    """The kind of error."""
    param: str | None
    """The name of the field that is wrong."""
    code: str | None
    """For programs."""


class OpenAIError(_ErrorModel):
    """An error of OpenAI's API."""

    error: OpenAIErrorDetails


class AnthropicErrorDetails(_ErrorModel):
    """What is wrong."""

    type: str
    """The kind of error."""
    message: str
    """One sentence for people."""


class AnthropicError(_ErrorModel):
    """An error of Anthropic's API."""

    type: Literal["error"]
    error: AnthropicErrorDetails


_OPENAI_CODES = {"rate_limited": "rate_limit_exceeded"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_LAST_NUMBER = 2**31 - 1
"""Orders an event behind all that a stream can have had."""


def provider_status(status: int) -> int:
    """The status of an error; both APIs have 400 for a request that is invalid in any way."""
    return 400 if status == 422 else status


def openai_error(error: ChatError) -> JsonObject:
    """The body of an error response of OpenAI."""
    kind = "invalid_request_error"
    if error.status == 429:
        kind = "rate_limit_error"
    elif error.status >= 500:
        kind = "server_error"
    return {
        "error": {
            "message": error.message,
            "type": kind,
            "param": error.param,
            "code": _OPENAI_CODES.get(error.code, error.code),
        }
    }


def anthropic_error(error: ChatError) -> JsonObject:
    """The body of an error response of Anthropic."""
    kind = "api_error" if error.status >= 500 else "invalid_request_error"
    found = _ANTHROPIC_TYPES.get(error.status, kind)
    return {"type": "error", "error": {"type": found, "message": error.message}}


def openai_error_event(error: ChatError) -> bytes:
    """The last event of a stream of chat completions that breaks off."""
    return data_events([compact_json(openai_error(error))])


def responses_error_event(error: ChatError) -> bytes:
    """The last event of a stream of a response that breaks off."""
    described = openai_error(error)["error"]
    event = {
        "type": "error",
        "code": described["code"],
        "message": described["message"],
        "param": described["param"],
        "sequence_number": _LAST_NUMBER,
    }
    return typed_events([event])


def anthropic_error_event(error: ChatError) -> bytes:
    """The last event of a stream of a message that breaks off."""
    return typed_events([anthropic_error(error)])
