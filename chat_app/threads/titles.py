"""Thread titles: the rules for automatic, model and user titles. Pure."""

import re
import unicodedata

from chat_app.core.errors import InvalidInput
from chat_app.core.text import repair_surrogates

AUTOMATIC_LENGTH = 60
"""The longest automatic title, in characters."""
MAX_TITLE_LENGTH = 200
"""The longest title of a user, in characters."""

_BLOCK_MARK = re.compile(r"^(?:#+\s*|[-*>]\s+)+")
_PREFIX = re.compile(r"^[*_`]*(?:title|topic)\s*[*_`]*\s*:\s*", re.IGNORECASE)
_QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
_WRAPPING = " \t#>*_`~" + _QUOTES


def first_words(text: str, length: int = AUTOMATIC_LENGTH) -> str:
    """The beginning of a message as a title, cut between words.

    Args:
        text: The message.
        length: The longest result, in characters.
    """
    line = _one_line(text)
    if len(line) <= length:
        return line
    words, space, _ = line[:length].rpartition(" ")
    if not space or len(words) < length // 3:
        words = line[: length - 1]
    return words.rstrip(" ,;:-\u2013\u2014") + "…"


def clean_model_title(answer: str, length: int = AUTOMATIC_LENGTH) -> str | None:
    """The title in a model's answer; None if there is no usable one.

    Args:
        answer: The model's answer to the request for a title.
        length: The longest usable title, in characters; a longer one is a sentence, not a title.
    """
    lines = [line for line in repair_surrogates(answer).splitlines() if line.strip()]
    if not lines:
        return None
    line = _PREFIX.sub("", _BLOCK_MARK.sub("", lines[0].strip()))
    line = _one_line(re.sub(r"\*\*|__|`", "", line)).strip(_WRAPPING).rstrip(".,;: ")
    line = line.strip(_WRAPPING)
    if not any(character.isalnum() for character in line):
        return None
    return line if len(line) <= length else None


def clean_user_title(title: str) -> str:
    """A user's title, normalised.

    Raises:
        InvalidInput: It is empty or longer than `MAX_TITLE_LENGTH` characters.
    """
    line = _one_line(title)
    if not line:
        raise InvalidInput("Enter a title.")
    if len(line) > MAX_TITLE_LENGTH:
        raise InvalidInput(f"A title can have at most {MAX_TITLE_LENGTH} characters.")
    return line


def _one_line(text: str) -> str:
    visible = (
        " " if unicodedata.category(character) == "Cc" else character
        for character in repair_surrogates(text)
    )
    return " ".join("".join(visible).split())
