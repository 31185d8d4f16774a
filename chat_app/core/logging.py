"""Logging: events and counts, never content, tokens or users."""

import logging
import re
import secrets
import traceback

from chat_app.core.text import visible_line

_SILENCED = (
    "reflex",
    "reflex_base",
    "socketio",
    "engineio",
    "httpx",
    "httpx2",
    "openai",
    "authlib",
)
"""Libraries that log content, tokens or cookies below this level."""

logger = logging.getLogger("chat_app")


def configure_logging(level: str) -> None:
    """Log our own records at `level`, and those of `_SILENCED` libraries only if critical.

    Args:
        level: `debug`, `info`, `warning` or `error`.
    """
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


def log_unexpected_error(error: BaseException, where: str) -> str:
    """Log a bug: its type and place, not its text.

    Args:
        error: The exception.
        where: What was being done, in a few words.

    Returns:
        A short id that is in the log and may be shown to the user.
    """
    error_id = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    # the innermost line of ours says more than the library's line below it
    ours = [frame for frame in frames if "chat_app" in frame.filename] or frames
    at = f"{ours[-1].filename.rsplit('/', 1)[-1]}:{ours[-1].lineno}" if ours else "?"
    logger.error("unexpected %s in %s at %s [%s]", type(error).__name__, where, at, error_id)
    return error_id


_WORDS_MAX_LENGTH = 300  # characters


def error_words(words: object, *hidden: str) -> str:
    """What another server or a library says went wrong, fit for the log and the terminal.

    Args:
        words: Their message; it may contain anything.
        hidden: What must not be repeated, such as a password or a recipient.

    Returns:
        One line of at most 300 characters; empty when there are no words.
    """
    text = visible_line(str(words)[: 10 * _WORDS_MAX_LENGTH])
    for secret in filter(None, hidden):
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    return text[:_WORDS_MAX_LENGTH]
