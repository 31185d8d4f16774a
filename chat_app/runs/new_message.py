"""A message that a user sends: what is checked of it before anything is written. Pure."""

import math
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from chat_app.core.errors import InvalidInput, TooLarge
from chat_app.core.text import is_client_id, repair_surrogates
from chat_app.db.tables import PRIVATE
from chat_app.threads.options import ChatOptions


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A validated message of a user.

    Args:
        client_id: The idempotency key: the same id and text twice is one message.
        thread_id: The thread; None creates one.
        external_id: The name of the thread, if that is all that is known: it is created if no
            thread has it.
        options: Those of a thread that it creates; None for those of the user's new chats.
        edits: The question that it is another version of; its thread is that of the message.
        below: The message that it follows; None for the beginning of the thread.
        org_id: The organisation of a thread that it creates; `PRIVATE` for none.
    """

    text: str
    client_id: str
    thread_id: UUID | None
    external_id: str | None = None
    options: ChatOptions | None = None
    edits: UUID | None = None
    below: UUID | Literal["head"] | None = "head"
    org_id: UUID = PRIVATE


def validate_message(
    text: str, client_id: str, thread_id: UUID | None, *, max_bytes: int
) -> NewMessage:
    """Check a user's message and repair its Unicode.

    Args:
        max_bytes: The most bytes of UTF-8 a message may have.

    Raises:
        InvalidInput: The text is blank or the client id is malformed.
        TooLarge: The text is longer than `max_bytes`.
    """
    if not is_client_id(client_id):
        raise InvalidInput("A message id is 1 to 64 letters, digits, hyphens or underscores.")
    text = repair_surrogates(text)
    if not text.strip():
        raise InvalidInput("Write a message first.")
    size = len(text.encode())
    if size > max_bytes:
        raise TooLarge(
            f"This message is {math.ceil(size / 1000)} kB; the limit is {max_bytes // 1000} kB."
        )
    return NewMessage(text, client_id, thread_id)
