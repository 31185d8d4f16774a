"""Logging: events and counts as text or JSON, never content, tokens or emails.

A line has the time with its offset from UTC and, inside a request, the id of that request.
"""

import json
import logging
import re
import secrets
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal, get_args

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
security_logger = logging.getLogger("chat_app.security")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request or socket that is handled, also in the tasks that it starts."""

request_client: ContextVar[str] = ContextVar("request_client", default="")
"""The client IP that it comes from."""

SecurityEvent = Literal[
    "sign_in",
    "sign_in_failed",
    "locked_out",
    "session_ended",
    "user_created",
    "user_deleted",
    "user_disabled",
    "user_enabled",
    "user_unlocked",
    "role_changed",
    "password_changed",
    "password_removed",
    "password_reset",
    "password_link_created",
    "email_changed",
    "second_factor_on",
    "second_factor_off",
    "passkey_added",
    "passkey_removed",
    "api_key_created",
    "api_key_ended",
    "login_method_added",
    "login_method_removed",
    "email_verified",
    "backup_codes_renewed",
    "account_exported",
    "chats_exported",
    "audit_exported",
    "audit_key_changed",
    "organisation_created",
    "organisation_changed",
    "organisation_deleted",
    "member_removed",
    "member_left",
    "invitation_created",
    "invitation_accepted",
    "invitation_revoked",
    "invitation_declined",
    "thread_moved",
    "reading_granted",
    "reading_listed",
    "thread_read",
    "reading_ended",
    "model_rule_changed",
    "setup_link_used",
    "sign_up_policy_changed",
    "announcement_created",
    "announcement_changed",
    "announcement_ended",
    "announcement_deleted",
]
"""What is logged as a security event (ASVS 16.3), and kept in the audit log."""

SECURITY_EVENT_NAMES: frozenset[str] = frozenset(get_args(SecurityEvent))


def configure_logging(level: str, form: Literal["text", "json"] = "text") -> None:
    """Log our own records at `level`, and those of `_SILENCED` libraries only if critical.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: A line of text, or a line of JSON.
    """
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger.setLevel(level.upper())
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    for handler in logger.handlers:
        handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())


class TextFormatter(logging.Formatter):
    """`2026-11-28T18:56:00.123+00:00 INFO message key=value request_id=…`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds."""
        fields = {**_fields_of(record), **_request_of(record)}
        named = "".join(f" {name}={_text(value)}" for name, value in fields.items())
        message = _printable(record.getMessage())
        return f"{_time_of(record)} {record.levelname} {message}{named}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, the fields, `request_id`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds."""
        line = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
            **_request_of(record),
        }
        return json.dumps(line, default=str)


def log_security_event(event: SecurityEvent, **fields: object) -> None:
    """Log a security event at level `info`.

    Args:
        event: What happened.
        fields: Ids, codes and IP addresses, never an email: what is typed there may be a password.
    """
    named = {name: value for name, value in fields.items() if value not in ("", None)}
    security_logger.info("security %s", event, extra={"fields": {"event": event, **named}})


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


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    return getattr(record, "fields", {})


def _request_of(record: logging.LogRecord) -> Mapping[str, Any]:
    found = getattr(record, "request_id", "") or request_id.get()
    return {"request_id": found} if found else {}


def _text(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and not set(text) & set(' "=') else json.dumps(text)


def _printable(text: str) -> str:
    """Text without line ends and terminal codes, which could forge a line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
