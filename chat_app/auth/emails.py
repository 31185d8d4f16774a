"""Normalised emails, so that two spellings of one email never make two accounts."""

import re
import unicodedata

from chat_app.auth.errors import InvalidEmail
from chat_app.settings.sign_in import DOMAIN_PATTERN

EMAIL_MAX_LENGTH = 254
"""Characters (RFC 5321 §4.5.3.1.3 less the angle brackets, erratum 1690)."""

_RAW_MAX_LENGTH = 1_000
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
# A browser's own check of <input type=email> (WHATWG HTML, "valid e-mail address") without its
# tolerance for stray dots: what the page lets through is what the server takes.
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{DOMAIN_PATTERN}")


def normalise(raw: str) -> str:
    """Normalise an email: NFKC, trimmed, lower case.

    Compatibility forms are folded before validation, and an `@` that appears only by folding
    (U+FF20, U+FE6B) is refused: no two parsers may see different domains in one email.

    Raises:
        InvalidEmail: It is not exactly one plain email of at most 254 characters.
    """
    if len(raw) > _RAW_MAX_LENGTH:
        raise InvalidEmail
    folded = unicodedata.normalize("NFKC", raw).strip().lower()
    if folded.count("@") != raw.count("@") or len(folded) > EMAIL_MAX_LENGTH:
        raise InvalidEmail
    if not _ADDRESS.fullmatch(folded):
        raise InvalidEmail
    return folded
