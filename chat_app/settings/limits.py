"""Limits: sizes and counts that one client or user may not exceed.

Rates are in `rate_limits.py`, sessions per user in `sessions.py`.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from chat_app.settings.validation import SettingsGroup

_FRAME_OVERHEAD = 4096  # bytes of a socket frame besides the message: event name, ids
_BYTES_PER_CHARACTER = 4  # of UTF-8, at most

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How long a model thinks before it answers, in the words of OpenAI; `none` is not at all."""


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

    sockets_per_user: int = Field(60, ge=1)
    """Maximum number of open tabs (WebSockets) of one user, in all sessions together."""

    sockets_per_address: int = Field(50, ge=1)
    """Maximum number of WebSockets without a session per client IP. Has no effect where every
    client has the IP of a reverse proxy that TRUSTED_PROXY_HOPS does not count."""

    sockets_anonymous: int = Field(200, ge=0)
    """Maximum number of WebSockets without a session in total. Pages for signing in work without
    one; docs/limits.md says how much memory each can hold."""

    answer_bytes: int = Field(1_000_000, ge=10_000)
    """Maximum size of an answer, in bytes; reasoning and tool calls count. An answer that reaches
    it ends there and is kept, whatever CHAT_MAX_TOKENS the provider was told."""

    messages_page_bytes: int = Field(500_000, ge=10_000)
    """Maximum size of the messages that are read at a time, in bytes; the last one may exceed
    it."""

    stored_bytes_per_user: int = Field(1_000_000_000, ge=100_000)
    """Maximum size of the chats of one user, in bytes. Each chat and each message counts 1000 bytes
    besides its text, and deleted chats count until they are removed for good."""

    client_reports_bytes: int = Field(10_000_000, ge=100_000)
    """Maximum size of what one user's clients report, in bytes. Each report counts 1000 bytes
    besides its content."""

    requests_per_user: int = Field(50, ge=1)
    """Maximum number of HTTP requests of one user that are open at the same time, those that read a
    running answer included."""

    connections_per_address: int = Field(1_000, ge=10)
    """Maximum number of open connections of one client IP. Has no effect where every client has the
    IP of a reverse proxy that TRUSTED_PROXY_HOPS does not count."""

    chat_context_chars: int = Field(0, ge=0)
    """Maximum size of the history sent to a model, in bytes of UTF-8 (not characters, despite the
    name); older messages are summarized. 0 uses the context window of the model, and 24000 where
    that is unknown."""

    chat_max_tokens: int = Field(2_048, ge=16)
    """Maximum length of an answer, in tokens."""

    chat_instructions_chars: int = Field(4_000, ge=0)
    """Maximum length of the instructions that a user gives for a chat, in characters; 0 turns them
    off. Lowered to what fits into SOCKET_FRAME_BYTES beside the longest message."""

    chat_max_temperature: float = Field(2, ge=0, le=2)
    """Highest temperature that a user can choose."""

    chat_max_effort: Effort = "max"
    """Highest thinking effort that a user can choose: none, minimal, low, medium, high, xhigh or
    max."""

    @model_validator(mode="after")
    def _message_fits_into_a_frame(self) -> Self:
        if self.message_bytes * 2 + _FRAME_OVERHEAD > self.socket_frame_bytes:
            raise ValueError(
                f"MESSAGE_BYTES may be at most {(self.socket_frame_bytes - _FRAME_OVERHEAD) // 2}, "
                "or SOCKET_FRAME_BYTES must be larger: JSON encoding can double the size of a text"
            )
        return self

    @property
    def instructions_limit(self) -> int:
        """The most characters of instructions: the first message of a chat brings them along."""
        left = self.socket_frame_bytes - _FRAME_OVERHEAD - self.message_bytes * 2
        return min(self.chat_instructions_chars, left // _BYTES_PER_CHARACTER)
