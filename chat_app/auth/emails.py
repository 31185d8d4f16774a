"""Normalization of emails: one strict form, so that two spellings are never two users."""

import re
import unicodedata

from chat_app.auth.errors import InvalidEmail

EMAIL_MAX_LENGTH = 254
"""Characters (RFC 5321 §4.5.3.1.3 less the angle brackets, erratum 1690)."""

_RAW_MAX_LENGTH = 1_000
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
# A browser's own check of <input type=email> (WHATWG HTML, "valid e-mail address") without its
# tolerance for stray dots: the page and the server accept the same.
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def normalise(raw: str) -> str:
    """Normalize an email: NFKC, trimmed, lower case.

    Compatibility forms are folded first, and an `@` that appears only by the folding (U+FF20,
    U+FE6B) is refused, so that all readers see the same domain.

    Raises:
        InvalidEmail: It is not exactly one plain email of at most 254 characters.
    """
    if len(raw) > _RAW_MAX_LENGTH:
        raise InvalidEmail
    folded = unicodedata.normalize("NFKC", raw).strip().lower()
    if folded.count("@") != raw.count("@") or len(folded) > EMAIL_MAX_LENGTH:
        raise InvalidEmail
    if not _EMAIL.fullmatch(folded):
        raise InvalidEmail
    return folded
