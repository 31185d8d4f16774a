"""Calls of OpenAI's and Anthropic's clients that are stored: each is a message of a chat.

The chat belongs to the owner of the key, and is like any other: the server has the conversation
then, and the answer goes on without its reader.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from starlette.requests import Request

from chat_app.api.requests import id_of
from chat_app.api.streaming import THREAD_HEADER
from chat_app.auth.keys.scopes import require_scope
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, InvalidInput
from chat_app.core.events import Event, Finish
from chat_app.core.text import is_client_id
from chat_app.llm.base import CallOptions, Model, PromptMessage
from chat_app.runs.follow import EndEvent
from chat_app.services import services

STORE_HEADER = "x-chat-store"
"""`true` has a call stored; OpenAI's own `store` does the same."""
IDEMPOTENCY_HEADER = "idempotency-key"
"""Two calls with the same key and the same text are one."""

_ENDINGS = {
    "failed": "The model couldn't answer.",
    "interrupted": "The answer was interrupted. Try again.",
    "revoked": "The API key has ended.",
}


class AnswerFailed(ChatError):
    """A stored answer is not complete."""

    code = "answer_failed"
    status = 502


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call that is stored, and whose answer has begun.

    Args:
        thread_id: The chat.
        run_id: The run that answers.
        model: The id of the model that was asked; of an answer that is there, of the one that gave
            it.
    """

    thread_id: UUID
    run_id: UUID
    model: str


def wants_store(request: Request, store: bool | None = None) -> bool:
    """Whether a call is to be stored.

    Args:
        request: The request.
        store: The field of OpenAI's APIs.
    """
    return bool(store) or request.headers.get(STORE_HEADER, "").strip().lower() == "true"


async def start_stored_call(
    request: Request,
    principal: Principal,
    model: Model,
    prompt: Sequence[PromptMessage],
    options: CallOptions,
) -> StoredCall:
    """Store the message of a call, and start to answer it.

    Args:
        request: The request; a header may name the chat.
        principal: The owner of the key.
        model: The model.
        prompt: One message of the user, and instructions if the chat is new.
        options: How to answer; the chat keeps the temperature and the effort.

    Raises:
        InsufficientScope: The key may not change chats.
        InvalidInput: The call has what cannot be stored.
        NotFound: The chat is missing, foreign or deleted.
        Conflict: An answer is running in the chat.
        RateLimited, StorageFull: The user has reached a limit.
    """
    require_scope(principal, "threads:write")
    named = request.headers.get(THREAD_HEADER)
    thread_id = None if named is None else id_of(named)
    text = _question(prompt)
    if options.tools:
        raise InvalidInput("A call with tools can't be stored.", "tools")
    instructions = "\n\n".join(each.text for each in prompt if each.role == "system")
    if instructions and thread_id is not None:
        raise InvalidInput("The instructions of a chat are given when it begins.", "messages")
    chosen: dict[str, Any] = {"temperature": options.temperature, "effort": options.effort}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    given = request.headers.get(IDEMPOTENCY_HEADER, "")
    created = await services().runs.send(
        principal,
        text=text,
        client_id=given if is_client_id(given) else uuid4().hex,
        thread_id=thread_id,
        model=model.id,
        options={**chosen, "instructions": instructions} if thread_id is None else None,
    )
    asked = model.id
    if created.duplicate:  # a repeated call may name another model
        asked = (await services().runs.metrics(principal, created.message_id)).model
    return StoredCall(created.thread_id, created.run_id, asked)


async def events_of_stored_call(principal: Principal, call: StoredCall) -> AsyncGenerator[Event]:
    """The events of a stored answer, from its start.

    Raises:
        AnswerFailed: The answer did not become complete.
    """
    async for event in services().runs.follow(principal, call.run_id):
        if not isinstance(event, EndEvent):
            yield event.event
            continue
        if event.status in _ENDINGS:
            raise AnswerFailed(event.error or _ENDINGS[event.status])
        if event.metrics.usage is not None:
            yield event.metrics.usage
        reasons = ("stop", "length", "content-filter", "tool-calls", "size")
        yield Finish(event.reason if event.reason in reasons else "other")


def _question(prompt: Sequence[PromptMessage]) -> str:
    """The text of the only message of the user.

    Raises:
        InvalidInput: There are more messages, or it is more than text.
    """
    messages = [each for each in prompt if each.role != "system"]
    if len(messages) != 1 or messages[0].role != "user":
        raise InvalidInput(
            "A stored call has one message of the user; the chat has those before it.", "messages"
        )
    if any(part["type"] != "text" for part in messages[0].parts):
        raise InvalidInput("Images can't be stored yet.", "messages")
    return messages[0].text
