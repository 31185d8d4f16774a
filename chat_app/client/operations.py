"""The requests of the API, as values: what is sent, and how the response is read. Pure.

An operation of several requests is a generator: it yields each, and is sent what came back.
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID, uuid4

from chat_app.client.errors import UNEXPECTED_RESPONSE, ApiError
from chat_app.client.models import ApiModel, ChatMessage, ChatModels, ChatThread, ChatUsage

Id = UUID | str
"""The id of a thing, or the one under which a program made it."""
ThreadFilter = Literal["regular", "archived", "all"]
"""Which threads are listed."""
OrganisationId = UUID | str
"""The id of an organisation; in a list `private` for the threads in none, or `all`."""


class ThreadChanges(TypedDict, total=False):
    """What can be changed of a thread; what is not given stays.

    Args:
        title: Its title.
        status: Whether it is in the archive.
        custom: What programs keep with it, in place of what they kept; None for nothing.
        model: The id of the model that answers next.
        instructions: A text that follows the system prompt.
        temperature: None leaves it to the model.
        effort: How much the model thinks; None leaves it to the model.
    """

    title: str
    status: Literal["regular", "archived"]
    custom: Mapping[str, Any] | None
    model: str
    instructions: str
    temperature: float | None
    effort: str | None


THREADS_PAGE = 200
MESSAGES_PAGE = 100
"""The most that the server returns at a time."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[_T]):
    """A request, and what its response is.

    Args:
        method: The HTTP method.
        path: The path, with encoded ids.
        read: Makes the result from the JSON of the response; from None when it has no content.
        query: The query.
        body: The JSON body; None for none.
        may_repeat: Whether it can be sent twice, because the server takes it once.
    """

    method: str
    path: str
    read: Callable[[Any], _T]
    query: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    body: Mapping[str, Any] | None = None
    may_repeat: bool = False

    def result(self, content: Any) -> _T:
        """The result of a successful response.

        Args:
            content: Its JSON, or None.

        Raises:
            ApiError: It is not what this API returns.
        """
        try:
            return self.read(content)
        except (ValueError, TypeError, KeyError):
            message = f"The server's response to {self.method} {self.path} is not of this API."
            raise ApiError(message, code=UNEXPECTED_RESPONSE) from None


Steps = Generator[ApiRequest[Any], Any, _T]
"""An operation of several requests."""


class _ThreadPage(ApiModel):
    threads: list[ChatThread]
    next_cursor: str | None


class _MessagePage(ApiModel):
    messages: list[ChatMessage]
    has_older: bool


def checked_id(given: Id) -> str:
    """An id, as it is written in a path.

    Raises:
        ValueError: It can be no id.
    """
    text = str(given)
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} is no id: an id has 1 to 64 letters, digits, '-' and '_'.")
    return text


def models() -> ApiRequest[ChatModels]:
    """See `ChatClient.models`."""
    return ApiRequest("GET", "/api/models", ChatModels.model_validate)


def usage(days: int) -> ApiRequest[ChatUsage]:
    """See `ChatClient.usage`."""
    return ApiRequest("GET", "/api/usage", ChatUsage.model_validate, {"days": days})


def threads(
    search: str, status: ThreadFilter, limit: int | None, organisation: OrganisationId
) -> Steps[list[ChatThread]]:
    """See `ChatClient.threads`."""
    found: list[ChatThread] = []
    after: str | None = ""
    while after is not None and (limit is None or len(found) < limit):
        size = THREADS_PAGE if limit is None else min(THREADS_PAGE, limit - len(found))
        query = {"after": after, "limit": size, "search": search, "status": status}
        query |= {"organisation": str(organisation)}
        page: _ThreadPage = yield ApiRequest(
            "GET", "/api/threads", _ThreadPage.model_validate, query
        )
        found += page.threads
        after = page.next_cursor
    return found


def thread(thread_id: Id) -> ApiRequest[ChatThread]:
    """See `ChatClient.thread`."""
    return ApiRequest("GET", _thread_path(thread_id), ChatThread.model_validate)


def create_thread(
    title: str,
    local_id: str | None,
    custom: Mapping[str, Any] | None,
    organisation: OrganisationId | None,
) -> ApiRequest[ChatThread]:
    """See `ChatClient.create_thread`."""
    org_id = None if organisation is None else str(organisation)
    body = _given(title=title or None, localId=local_id, custom=custom, orgId=org_id)
    return ApiRequest("POST", "/api/threads", ChatThread.model_validate, body=body)


def change_thread(thread_id: Id, changes: Mapping[str, Any]) -> ApiRequest[None]:
    """See `ChatClient.change_thread`."""
    return ApiRequest("PATCH", _thread_path(thread_id), _nothing, body=changes)


def move_thread(thread_id: Id, organisation: OrganisationId | None) -> ApiRequest[None]:
    """See `ChatClient.move_thread`."""
    body = {"orgId": None if organisation is None else str(organisation)}
    return ApiRequest("PATCH", _thread_path(thread_id), _nothing, body=body)


def delete_thread(thread_id: Id) -> ApiRequest[None]:
    """See `ChatClient.delete_thread`."""
    return ApiRequest("DELETE", _thread_path(thread_id), _nothing)


def messages(thread_id: Id, limit: int | None) -> Steps[list[ChatMessage]]:
    """See `ChatClient.messages`."""
    path = f"{_thread_path(thread_id)}/messages"
    found: list[ChatMessage] = []
    has_older = True
    while has_older and (limit is None or len(found) < limit):
        size = MESSAGES_PAGE if limit is None else min(MESSAGES_PAGE, limit - len(found))
        query: dict[str, str | int] = {"limit": size}
        if found:
            query["before"] = str(found[0].id)
        page: _MessagePage = yield ApiRequest("GET", path, _MessagePage.model_validate, query)
        found = [*page.messages, *found]
        has_older = page.has_older and bool(page.messages)
    return found


def stop(thread_id: Id, stream_id: Id | None) -> ApiRequest[None]:
    """See `ChatClient.stop`."""
    body = _given(activeStreamId=None if stream_id is None else str(stream_id))
    return ApiRequest("POST", f"/api/chat/{checked_id(thread_id)}/stop", _nothing, body=body)


def send(
    text: str,
    thread_id: Id | None,
    model: str | None,
    message_id: str | None,
    organisation: OrganisationId | None = None,
) -> ApiRequest[None]:
    """See `ChatClient.send`."""
    said = _message(text, message_id)
    org_id = None if organisation is None else str(organisation)
    return _answer(
        *("submit-message", thread_id, None, model, [said]), organisation=org_id, may_repeat=True
    )


def edit(thread_id: Id, message_id: Id, text: str, model: str | None) -> ApiRequest[None]:
    """See `ChatClient.edit`."""
    return _answer("submit-message", thread_id, message_id, model, [_message(text, None)])


def regenerate(thread_id: Id, message_id: Id | None, model: str | None) -> ApiRequest[None]:
    """See `ChatClient.regenerate`."""
    return _answer("regenerate-message", thread_id, message_id, model)


def continue_answer(thread_id: Id, message_id: Id | None) -> ApiRequest[None]:
    """See `ChatClient.continue_answer`."""
    return _answer("continue-message", thread_id, message_id, None)


def resume(stream_id: Id) -> ApiRequest[None]:
    """See `ChatClient.resume`."""
    path = f"/api/chat/resume/{checked_id(stream_id)}"
    return ApiRequest("GET", path, _nothing, may_repeat=True)


def resume_thread(thread_id: Id) -> ApiRequest[None]:
    """See `ChatClient.resume_thread`."""
    path = f"/api/chat/{checked_id(thread_id)}/stream"
    return ApiRequest("GET", path, _nothing, may_repeat=True)


def _message(text: str, message_id: str | None) -> dict[str, Any]:
    id_ = uuid4().hex if message_id is None else checked_id(message_id)
    return {"id": id_, "role": "user", "parts": [{"type": "text", "text": text}]}


def _answer(
    trigger: str,
    thread_id: Id | None,
    message_id: Id | None,
    model: str | None,
    messages: Sequence[Mapping[str, Any]] | None = None,
    *,
    organisation: str | None = None,
    may_repeat: bool = False,
) -> ApiRequest[None]:
    body = _given(
        trigger=trigger,
        id=None if thread_id is None else checked_id(thread_id),
        messageId=None if message_id is None else checked_id(message_id),
        model=model,
        messages=messages,
        organisation=organisation,
    )
    return ApiRequest("POST", "/api/chat", _nothing, body=body, may_repeat=may_repeat)


def _thread_path(thread_id: Id) -> str:
    return f"/api/threads/{checked_id(thread_id)}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _nothing(_content: Any) -> None:
    return None
