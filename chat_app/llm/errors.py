"""What can go wrong with a provider, each as one sentence a person can read.

The provider's own text is never repeated: it may hold the prompt, the key or markup.
"""

import math
import re
from enum import Enum

from chat_app.llm.base import ProviderError

_QUOTA = re.compile(r"insufficient_quota|billing|payment|credit")
_LIMIT = re.compile(r"rate_?limit|overloaded|too_many|resource_exhausted|\b(429|503|529)\b")
_LENGTH = re.compile(r"context_length|exceed_context|context_size|too_long|too_large")
_KEY = re.compile(r"invalid_api_key|authentication|permission|\b(401|403)\b")
_MODEL = re.compile(r"model_not_found|\b404\b")


class ContextTooLong(ProviderError):
    """The conversation does not fit into the model; a shorter one may."""


class Failure(Enum):
    """A way to fail: the code for programs and the sentence for people."""

    KEY = ("refused", "The provider of {model} refused the key of this app.")
    MODEL = ("refused", "The provider does not offer the model {model}.")
    QUOTA = ("refused", "The account of this app at the provider of {model} is used up.")
    LENGTH = ("refused", "This conversation is too long for {model}. Start a new chat.")
    REQUEST = ("refused", "The provider of {model} refused the request.")
    REDIRECT = ("refused", "The provider of {model} has moved. Its address in the settings is old.")
    LIMIT = ("limited", "{model} is busy or its limit is reached. Try again {when}.")
    SERVER = ("unreachable", "The provider of {model} has a fault. Try again in a moment.")
    UNREACHABLE = ("unreachable", "The provider of {model} cannot be reached.")
    SLOW = ("stalled", "{model} did not begin to answer in time.")
    STALLED = ("stalled", "{model} stopped sending in the middle of its answer.")
    BROKEN_OFF = ("broken_off", "The answer of {model} broke off before its end.")
    REPORTED = ("broken_off", "The provider of {model} had a fault in the middle of the answer.")
    MALFORMED = ("malformed", "The provider of {model} sent something that is not an answer.")

    def error(self, model: str, retry_after: int | None = None) -> ProviderError:
        """The error to raise.

        Args:
            model: The model's name as people know it.
            retry_after: Seconds until another try can succeed, where the provider told.
        """
        code, sentence = self.value
        when = "in a moment"
        if retry_after is not None:
            when = "in 1 second" if retry_after == 1 else f"in {retry_after} seconds"
        kind = ContextTooLong if self is Failure.LENGTH else ProviderError
        return kind(sentence.format(model=model, when=when), code)


def of_status(status: int, words: str = "") -> Failure:
    """Which failure an HTTP answer means.

    Args:
        status: The HTTP status, 300 to 599.
        words: The machine-readable `code` and `type` of the error, never its message.
    """
    if status < 400:
        return Failure.REDIRECT
    if status in (401, 403):
        return Failure.KEY
    if status == 402 or (status == 429 and _QUOTA.search(words)):
        return Failure.QUOTA
    if status == 404:
        return Failure.MODEL
    if status in (429, 503, 529):
        return Failure.LIMIT
    if status == 413 or (status < 500 and _LENGTH.search(words)):
        return Failure.LENGTH
    if status in (408, 504):
        return Failure.SLOW
    return Failure.SERVER if status >= 500 else Failure.REQUEST


def of_words(words: str) -> Failure:
    """Which failure an error inside a stream means.

    Args:
        words: The machine-readable `code` and `type` of the error, never its message.
    """
    for pattern, failure in (
        (_QUOTA, Failure.QUOTA),
        (_LIMIT, Failure.LIMIT),
        (_LENGTH, Failure.LENGTH),
        (_KEY, Failure.KEY),
        (_MODEL, Failure.MODEL),
    ):
        if pattern.search(words):
            return failure
    return Failure.REPORTED


def words_of(error: object) -> str:
    """The machine-readable parts of an OpenAI-style error object, in lower case."""
    if not isinstance(error, dict):
        return ""
    parts = (error.get("code"), error.get("type"))
    return " ".join(str(part) for part in parts if isinstance(part, str | int)).lower()


def seconds_of(header: str | None) -> int | None:
    """The seconds of a `Retry-After` header (RFC 9110 §10.2.3), or None for dates and nonsense."""
    if header is None or not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", header.strip()):
        return None
    return max(1, math.ceil(float(header)))
