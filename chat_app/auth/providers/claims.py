"""What a provider says about a person, made fit for our rows."""

from chat_app.auth.emails import normalise
from chat_app.auth.names import shortened
from chat_app.auth.providers.wire import UnfitAnswer
from chat_app.auth.refusals import InvalidEmail

_SUBJECT_MAX_LENGTH = 255


def subject(value: object) -> str:
    """The provider's own lasting key of a person (OpenID Connect Core §2, `sub`).

    Raises:
        UnfitAnswer: It is not 1 to 255 printable ASCII characters.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > _SUBJECT_MAX_LENGTH:
        raise UnfitAnswer("names nobody")
    if not (value.isascii() and value.isprintable()):
        raise UnfitAnswer("names nobody")
    return value


def text(value: object) -> str:
    """A text, or nothing for whatever else stands there."""
    return value if isinstance(value, str) else ""


def email(value: object) -> str:
    """An address in its one form, or nothing for what is none that we take."""
    try:
        return normalise(text(value))
    except InvalidEmail:
        return ""


def name(*candidates: object) -> str:
    """The first of some names that has something to show."""
    return next((kept for one in candidates if (kept := shortened(text(one)))), "")
