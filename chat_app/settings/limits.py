"""Limits: sizes and counts that one client or user may not exceed.

Rates are in `rate_limits.py`, sessions per user in `sessions.py`.
"""

from typing import Self

from pydantic import Field, model_validator

from chat_app.settings.validation import SettingsGroup

_FRAME_OVERHEAD = 4096  # bytes of a socket frame besides the message: event name, ids


class LimitSettings(SettingsGroup):
    """Limits.

    A larger message, body or frame is refused; only the history is cut to fit.
    """

    message_bytes: int = Field(100_000, ge=1_000)
    """Maximum size of a chat message, in bytes."""

    runs_per_user: int = Field(4, ge=1)
    """Maximum number of answers that run at the same time for one user."""

    request_bytes: int = Field(4_000_000, ge=10_000)
    """Maximum size of an HTTP request body, in bytes. API clients send whole conversations."""

    socket_frame_bytes: int = Field(262_144, ge=4096)
    """Maximum size of a WebSocket frame, in bytes; at least twice MESSAGE_BYTES plus 4096."""

    sockets_per_session: int = Field(50, ge=1)
    """Maximum number of open tabs (WebSockets) of one session."""

    sockets_per_address: int = Field(50, ge=1)
    """Maximum number of WebSockets without a session per client IP. The server buffers up to 16 MB
    for each before it checks the frame size."""

    chat_context_chars: int = Field(24_000, ge=1_000)
    """Maximum length of the history sent to a model, in characters."""

    chat_max_tokens: int = Field(2_048, ge=16)
    """Maximum length of an answer, in tokens."""

    @model_validator(mode="after")
    def _message_fits_into_a_frame(self) -> Self:
        if self.message_bytes * 2 + _FRAME_OVERHEAD > self.socket_frame_bytes:
            raise ValueError(
                f"MESSAGE_BYTES may be at most {(self.socket_frame_bytes - _FRAME_OVERHEAD) // 2}, "
                "or SOCKET_FRAME_BYTES must be larger: JSON encoding can double the size of a text"
            )
        return self
