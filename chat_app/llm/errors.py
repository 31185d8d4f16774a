"""Provider failures: which one an HTTP status, an error body or an error in a stream means.

The provider's own text is read to find out, and never repeated: it may hold the prompt, the key or
markup.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from chat_app.llm.base import ProviderError

_CONTEXT_CODES = re.compile(r"context_length|exceed_context|context_size|too_long|too_large|1261\b")
_WITHHELD_CODES = re.compile(
    r"content_filter|content_policy|responsibleai|inspection_failed|moderation"
)
_QUOTA_CODES = re.compile(r"insufficient_quota|billing|payment|credit|\b402\b")
_RATE_LIMIT_CODES = re.compile(
    r"rate_?limit|overloaded|too_many|resource_exhausted|\b(429|503|529)\b"
)
_API_KEY_CODES = re.compile(r"invalid_api_key|authentication|permission|\b(401|403)\b")
_MODEL_CODES = re.compile(r"model_not_found|\b404\b")

_CONTEXT_WORDS = re.compile(
    r"exceed\w{0,5}[^.]{0,60}\bcontext\b"  # the request exceeds the available context size
    r"|\bcontext\b.{0,40}\b(exceed|overflow)"  # context size has been exceeded
    r"|context ?window ?exceeded|context_length_exceeded"
    r"|\b(maximum|max) (context|prompt|model|input) length\b"
    r"|\bcontext the overflows|\b(greater|longer|larger) than the (model's )?context"
    r"|\b(prompts?|inputs?|requests?|messages?|conversation)\b[^.]{0,40}\btoo (long|large)\b"
    r"|\b(prompt|input) (token )?(length|count)\b[^.]{0,40}"
    r"\b(exceed|greater than|larger than|supports? up to|should be)"
    r"|\binput length and .?max_tokens|\bprompt exceeds max length"
    r"|exceeds? the maximum number of (input )?tokens|\binputs?.? tokens \+ .{0,30}must be"
    r"|\binputs?.? must have less than|\bnumber of (input )?tokens\b.{0,40}\b(exceed|must not)"
    r"|\breduce the length of|\b(model|total) tokens? limit|\btoo many input tokens"
)
_WITHHELD_WORDS = re.compile(r"content management policy|content filter|flagged|data inspection")
_QUOTA_WORDS = re.compile(
    r"(insufficient|exceeded your current|not enough|run out of|used all|low)"
    r"\W{1,3}(\w{1,12} ){0,2}(quota|credit|balance|fund)"
    r"|balance is too low|payment required"
)
_RATE_LIMIT_WORDS = re.compile(
    r"rate.?limit|overloaded|too many requests|at capacity|(server|service|model) is (too )?busy"
    r"|service (is )?(temporarily )?unavailable|resource.?exhausted"
)
_API_KEY_WORDS = re.compile(
    r"(invalid|incorrect|missing|no|unknown|expired) (api|access).?(key|token)"
    r"|api.?key (is )?(not valid|invalid|expired)|unauthorized"
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,80}\b(not found|does not exist|not exist)|no such model|not a valid model"
)

_TEXT_FIELDS = (
    *("message", "msg", "status_msg", "detail", "error", "errors", "raw", "reason"),
    *("metadata", "base_resp"),
)
_CODE_FIELDS = ("code", "type", "status", "status_code", "http_code", "error_code", "error_type")
_MAX_WORDS = 4_000
_MAX_DEPTH = 4
_MAX_WAIT_SECONDS = 100 * 366 * 86_400


class ContextTooLong(ProviderError):
    """The conversation does not fit into the model's context; a shorter one may."""


class Failure(Enum):
    """A way to fail: the code of the error and the code of its message."""

    API_KEY = ("refused", "api_key_rejected")
    MODEL = ("refused", "model_not_offered")
    QUOTA = ("refused", "quota_exhausted")
    CONTEXT = ("refused", "context_too_long")
    WITHHELD = ("refused", "answer_withheld")
    REQUEST = ("refused", "request_rejected")
    TOOLS = ("refused", "tools_rejected")
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


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What an error body says, in lower case. It decides which failure it is and is never shown.

    Args:
        codes: Its codes, types and statuses.
        words: Its messages.
    """

    codes: str = ""
    words: str = ""

    @classmethod
    def of(cls, body: object) -> "ErrorDetails":
        """The details of a decoded error body, of its `error` object, or of a text."""
        codes: list[str] = []
        words: list[str] = []
        for field, text in _fields(body, "message", 0):
            (codes if field in _CODE_FIELDS else words).append(text[:_MAX_WORDS])
        joined = " ".join(words)[:_MAX_WORDS]
        return cls(" ".join(codes)[:_MAX_WORDS].lower(), joined.lower())


def _fields(value: object, field: str, depth: int) -> Iterator[tuple[str, str]]:
    """The codes and messages in an error body, each with the name of its field."""
    if isinstance(value, str):
        yield field, value
    elif type(value) is int and field in _CODE_FIELDS:
        yield field, str(value)
    elif depth == _MAX_DEPTH:
        return
    elif isinstance(value, list):
        for item in value[:10]:
            yield from _fields(item, field, depth + 1)
    elif isinstance(value, dict):
        for name in (*_CODE_FIELDS, *_TEXT_FIELDS):
            if name in value:
                yield from _fields(value[name], name, depth + 1)


def failure_of_status(status: int, details: ErrorDetails) -> Failure:
    """The failure that an HTTP error response means.

    Args:
        status: The HTTP status, 300 to 599.
        details: What its body says.
    """
    if status < 400:
        return Failure.REDIRECT
    if status == 401:
        return Failure.API_KEY
    if status == 402 or (status == 429 and _says_quota(details)):
        return Failure.QUOTA
    if status in (429, 529):
        return Failure.RATE_LIMIT
    if status == 413 or _says_context(details):
        return Failure.CONTEXT
    if status in (400, 403, 422, 451) and _says_withheld(details):
        return Failure.WITHHELD
    if status == 403:
        return Failure.API_KEY
    if status == 404:
        return Failure.MODEL
    if status == 503:
        return Failure.RATE_LIMIT
    if status in (408, 504):
        return Failure.SLOW
    said = failure_in_stream(details)
    if said is not Failure.REPORTED:
        return said
    return Failure.SERVER if status >= 500 else Failure.REQUEST


def failure_in_stream(details: ErrorDetails) -> Failure:
    """The failure that an error inside a stream means.

    Args:
        details: What the error says.
    """
    if _says_context(details):
        return Failure.CONTEXT
    if _says_withheld(details):
        return Failure.WITHHELD
    if _says_quota(details):
        return Failure.QUOTA
    for codes, words, failure in (
        (_RATE_LIMIT_CODES, _RATE_LIMIT_WORDS, Failure.RATE_LIMIT),
        (_API_KEY_CODES, _API_KEY_WORDS, Failure.API_KEY),
        (_MODEL_CODES, _MODEL_WORDS, Failure.MODEL),
    ):
        if codes.search(details.codes) or words.search(details.words):
            return failure
    return Failure.REPORTED


def _says_context(details: ErrorDetails) -> bool:
    return bool(_CONTEXT_CODES.search(details.codes) or _CONTEXT_WORDS.search(details.words))


def _says_withheld(details: ErrorDetails) -> bool:
    return bool(_WITHHELD_CODES.search(details.codes) or _WITHHELD_WORDS.search(details.words))


def _says_quota(details: ErrorDetails) -> bool:
    return bool(_QUOTA_CODES.search(details.codes) or _QUOTA_WORDS.search(details.words))


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """The seconds until another attempt can succeed; None if that is past or not said.

    Args:
        headers: Of the response: `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), or
            `retry-after-ms`. A date is compared with the server's own clock, if it sent one.
        now: The time of this machine.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return _whole_seconds(milliseconds / 1000)
    header = headers.get("retry-after")
    if (seconds := _number(header)) is not None:
        return _whole_seconds(seconds)
    if (until := _date(header)) is None:
        return None
    return _whole_seconds((until - (_date(headers.get("date")) or now)).total_seconds())


def _number(header: str | None) -> float | None:
    number = header and re.fullmatch(r"\d{1,12}(\.\d{1,6})?", header.strip())
    return float(number[0]) if number else None


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _whole_seconds(seconds: float) -> int | None:
    if seconds < 0:
        return None
    return max(1, min(math.ceil(seconds), _MAX_WAIT_SECONDS))
