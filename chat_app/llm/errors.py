"""Provider failures: which one an HTTP status or an error in a stream means.

The provider's own text is never repeated: it may hold the prompt, the key or markup.
"""

import math
import re
from enum import Enum

from chat_app.llm.base import ProviderError

_QUOTA = re.compile(r"insufficient_quota|billing|payment|credit")
_RATE_LIMIT = re.compile(r"rate_?limit|overloaded|too_many|resource_exhausted|\b(429|503|529)\b")
_CONTEXT = re.compile(r"context_length|exceed_context|context_size|too_long|too_large")
_API_KEY = re.compile(r"invalid_api_key|authentication|permission|\b(401|403)\b")
_MODEL = re.compile(r"model_not_found|\b404\b")


class ContextTooLong(ProviderError):
    """The conversation does not fit into the model's context; a shorter one may."""


class Failure(Enum):
    """A way to fail: the code of the error and the code of its message."""

    API_KEY = ("refused", "api_key_rejected")
    MODEL = ("refused", "model_not_offered")
    QUOTA = ("refused", "quota_exhausted")
    CONTEXT = ("refused", "context_too_long")
    REQUEST = ("refused", "request_rejected")
    REDIRECT = ("refused", "provider_moved")
    RATE_LIMIT = ("limited", "rate_limited")
    SERVER = ("unreachable", "provider_error")
    UNREACHABLE = ("unreachable", "provider_unreachable")
    SLOW = ("stalled", "first_token_timeout")
    STALLED = ("stalled", "idle_timeout")
    CUT_OFF = ("broken_off", "cut_off")
    REPORTED = ("broken_off", "error_in_stream")
    MALFORMED = ("malformed", "malformed_response")

    def error(self, model: str, retry_after: int | None = None) -> ProviderError:
        """The error to raise.

        Args:
            model: The display name of the model.
            retry_after: Seconds until another attempt can succeed, if the provider sent them.
        """
        error_class = ContextTooLong if self is Failure.CONTEXT else ProviderError
        params: dict[str, object] = {"model": model}
        if retry_after is not None:
            params["retry_after"] = retry_after
        return error_class(*self.value, **params)


def failure_of_status(status: int, codes: str = "") -> Failure:
    """The failure that an HTTP error response means.

    Args:
        status: The HTTP status, 300 to 599.
        codes: The `code` and `type` of the error, never its message.
    """
    if status < 400:
        return Failure.REDIRECT
    if status in (401, 403):
        return Failure.API_KEY
    if status == 402 or (status == 429 and _QUOTA.search(codes)):
        return Failure.QUOTA
    if status == 404:
        return Failure.MODEL
    if status in (429, 503, 529):
        return Failure.RATE_LIMIT
    if status == 413 or (status < 500 and _CONTEXT.search(codes)):
        return Failure.CONTEXT
    if status in (408, 504):
        return Failure.SLOW
    return Failure.SERVER if status >= 500 else Failure.REQUEST


def failure_of_codes(codes: str) -> Failure:
    """The failure that an error inside a stream means.

    Args:
        codes: The `code` and `type` of the error, never its message.
    """
    for pattern, failure in (
        (_QUOTA, Failure.QUOTA),
        (_RATE_LIMIT, Failure.RATE_LIMIT),
        (_CONTEXT, Failure.CONTEXT),
        (_API_KEY, Failure.API_KEY),
        (_MODEL, Failure.MODEL),
    ):
        if pattern.search(codes):
            return failure
    return Failure.REPORTED


def codes_of(error: object) -> str:
    """The `code` and `type` of an OpenAI-style error object, in lower case."""
    if not isinstance(error, dict):
        return ""
    codes = (error.get("code"), error.get("type"))
    return " ".join(str(code) for code in codes if isinstance(code, str | int)).lower()


def parse_retry_after(header: str | None) -> int | None:
    """The seconds of a `Retry-After` header (RFC 9110 §10.2.3); None for a date or nonsense."""
    if header is None or not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", header.strip()):
        return None
    return max(1, math.ceil(float(header)))
