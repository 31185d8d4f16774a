"""What people may call themselves."""

import re
import unicodedata

from chat_app.auth.refusals import InvalidName

NAME_MAX_LENGTH = 100
"""Characters."""

# Control characters, line breaks, halves of surrogate pairs, and marks that turn text around.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_name(name: str) -> str:
    """A name as it was typed, without the spaces around it.

    Raises:
        InvalidName: It is too long or has characters that are no text.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if len(name) > NAME_MAX_LENGTH or _UNFIT.search(name):
        raise InvalidName
    return name


def shortened(name: str) -> str:
    """A name that a provider gave, made to fit: nobody is there to type it again."""
    return _UNFIT.sub("", unicodedata.normalize("NFC", name)).strip()[:NAME_MAX_LENGTH].strip()
