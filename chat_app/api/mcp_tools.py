"""The tools of the MCP server: search the user's chats, read one, and ask a model.

A tool yields how far it is and at last its result. Only what the principal owns is found.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from chat_app.api.requests import id_of
from chat_app.api.responses import Timestamp
from chat_app.api.thread_ids import named_organisation, named_thread
from chat_app.auth.keys.scopes import credential_ended
from chat_app.auth.principal import Principal
from chat_app.core.events import ReasoningDelta, TextDelta, fold
from chat_app.core.json_values import compact_json
from chat_app.core.parts import Part, text_of
from chat_app.db.tables import MessageStatus
from chat_app.runs.follow import EndEvent, PartEvent
from chat_app.services import services
from chat_app.threads.actions import MAX_PAGE_SIZE
from chat_app.threads.search import MAX_HITS, Hit
from chat_app.threads.search_query import MAX_QUERY
from chat_app.threads.views import MessageView

PAGE_CHARACTERS = 60_000
"""The most text on a page of messages: about what a model's client accepts of one tool."""
_LISTED_MODELS = 30
_INTERRUPTED = "The answer was interrupted because the server stopped."


class Arguments(BaseModel):
    """The arguments of a tool: exactly these."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


class Structured(BaseModel):
    """The structured result of a tool."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tool is; the first one says that it takes a while.

    Args:
        count: Characters that the model has written, thoughts included.
        text: What is new of the answer; empty for nothing.
    """

    count: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class McpToolResult:
    """What a tool returns.

    Args:
        texts: For clients that read text alone.
        structured: The same in the form of the tool's schema.
        is_error: Whether the tool has failed.
    """

    texts: tuple[str, ...]
    structured: Structured | None = None
    is_error: bool = False


Steps = AsyncGenerator[Progress | McpToolResult]


@dataclass(frozen=True)
class McpTool:
    """A tool.

    Args:
        name: Its name for programs.
        title: Its name for people.
        description: What models read of it.
        arguments: The model of its arguments.
        result: The model of its result.
        run: Does it.
        reads_only: Whether it changes nothing.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    result: type[Structured]
    run: Callable[[Principal, Any], Steps]
    reads_only: bool


class SearchArguments(Arguments):
    """What is searched for."""

    query: Annotated[str, Field(max_length=MAX_QUERY)]
    """Words that all must be in a title or in a message. `"two words"` is a phrase; `title:`,
    `role:user`, `role:assistant`, `before:2026-01-31` and `after:2026-01` narrow it."""
    cursor: str | None = None
    """The `next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=MAX_HITS)] = 20
    """The most hits on the page."""


class FoundText(Structured):
    """A title or a message that was found."""

    thread_id: UUID
    title: str
    message_id: UUID | None
    """Null if the title itself was found."""
    role: Literal["user", "assistant"] | None
    created_at: Timestamp
    snippet: str
    """The line around the words."""


class SearchPage(Structured):
    """A page of hits, the best first."""

    hits: list[FoundText]
    next_cursor: str | None
    """For the next page; null at the end."""


class ReadArguments(Arguments):
    """What is read."""

    thread_id: str
    """The id of a thread."""
    cursor: str | None = None
    """The `next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 20
    """The most messages on the page."""


class ReadMessage(Structured):
    """A message."""

    id: UUID
    role: str
    created_at: Timestamp
    status: MessageStatus
    """`complete`; `running` while it is written; the others keep the text that they have:
    `stopped` by the user, `failed` at the model, `interrupted` by the server, `revoked` with the
    credential."""
    error: str | None
    """Why it failed."""
    model: str | None
    """The model that wrote it."""
    text: str
    """Its parts as text, without thoughts and notices."""
    is_cut: bool
    """Whether the text goes on in the page of the chat."""


class ThreadText(Structured):
    """A page of a thread: the branch that is shown, the oldest message first."""

    thread_id: UUID
    title: str
    url: str
    """The chat in the browser."""
    messages: list[ReadMessage]
    next_cursor: str | None
    """For the messages before these; null at the beginning."""


class AskArguments(Arguments):
    """What is asked."""

    question: str
    """The message to a model."""
    thread_id: str | None = None
    """The thread to continue; without it, a new one begins."""
    model: str | None = None
    """The id of a model; without it, the last one of the thread, or the default."""
    organisation: str | None = None
    """The id of the user's organisation in which a new thread is made; without it, in none."""


class Answer(Structured):
    """An answer, which is stored."""

    thread_id: UUID
    message_id: UUID
    url: str
    """The chat in the browser."""
    status: MessageStatus
    """`complete`, or why it ended before: see `read_thread`."""
    model: str
    """The id of the model that answered."""
    answer: str
    """The text."""


async def search_threads(principal: Principal, arguments: SearchArguments) -> Steps:
    """Search the titles and messages of the user's chats."""
    page = await services().search.find(
        principal, arguments.query, after=arguments.cursor or None, limit=arguments.limit
    )
    yield _structured(SearchPage(hits=[_found(hit) for hit in page.hits], next_cursor=page.next))


async def read_thread(principal: Principal, arguments: ReadArguments) -> Steps:
    """Read a page of a thread, from its end upwards."""
    thread_id = await named_thread(principal, arguments.thread_id)
    window = await services().threads.window(
        principal,
        thread_id,
        before=id_of(arguments.cursor) if arguments.cursor else None,
        limit=arguments.limit,
    )
    messages = list[ReadMessage]()
    left, has_older = PAGE_CHARACTERS, window.has_older
    for message in reversed(window.messages):
        text = await _message_text(principal, message)
        if messages and len(text) > left:
            has_older = True
            break
        messages.insert(0, _read(message, text[:left], is_cut=len(text) > left))
        left -= len(text)
    page = ThreadText(
        thread_id=thread_id,
        title=window.thread.title,
        url=_url(thread_id),
        messages=messages,
        next_cursor=str(messages[0].id) if messages and has_older else None,
    )
    yield _structured(page)


async def ask(principal: Principal, arguments: AskArguments) -> Steps:
    """Send a message as the user would, and follow its answer.

    Whoever stops reading changes nothing: the run belongs to the server.
    """
    thread_id = None
    if arguments.thread_id is not None:
        thread_id = await named_thread(principal, arguments.thread_id)
    created = await services().runs.send(
        principal,
        text=arguments.question,
        client_id=uuid4().hex,
        thread_id=thread_id,
        model=arguments.model or "",
        org_id=named_organisation(arguments.organisation),
    )
    yield Progress(0)
    followed = services().runs.follow(principal, created.run_id)
    answer = answer_steps(principal, created.thread_id, created.message_id, followed)
    async with aclosing(answer):
        async for step in answer:
            yield step


async def answer_steps(
    principal: Principal,
    thread_id: UUID,
    message_id: UUID,
    followed: AsyncGenerator[PartEvent | EndEvent],
) -> Steps:
    """What of an answer a client is told.

    Args:
        principal: The user.
        thread_id: The thread.
        message_id: The answer.
        followed: Its run, from the start.

    Raises:
        Unauthenticated: The credential has ended.
    """
    events, count = list[PartEvent](), 0
    async with aclosing(followed):
        async for event in followed:
            if isinstance(event, EndEvent):
                text = text_of(fold(each.event for each in events).parts)
                yield _answer(principal, thread_id, message_id, event, text)
                return
            events.append(event)
            if isinstance(event.event, TextDelta | ReasoningDelta) and event.event.text:
                count += len(event.event.text)
                yield Progress(count, event.event.text if event.event.kind == "text" else "")


def _answer(
    principal: Principal, thread_id: UUID, message_id: UUID, end: EndEvent, text: str
) -> McpToolResult:
    if end.status == "revoked":
        raise credential_ended(principal)
    answer = Answer(
        thread_id=thread_id,
        message_id=message_id,
        url=_url(thread_id),
        status=end.status,
        model=end.metrics.model,
        answer=text,
    )
    if end.status in ("failed", "interrupted"):
        return McpToolResult((end.error or _INTERRUPTED,), answer, is_error=True)
    note = "The answer was stopped before its end. " if end.status == "stopped" else ""
    return McpToolResult((text, f"{note}thread_id: {thread_id}"), answer)


def _structured(result: Structured) -> McpToolResult:
    return McpToolResult((compact_json(result.model_dump(mode="json")),), result)


def _found(hit: Hit) -> FoundText:
    return FoundText(
        thread_id=hit.thread_id,
        title=hit.title,
        message_id=hit.message_id,
        role="assistant" if hit.role == "assistant" else "user" if hit.role == "user" else None,
        created_at=hit.created_at,
        snippet="".join(part.text for part in hit.snippet),
    )


async def _message_text(principal: Principal, message: MessageView) -> str:
    parts = message.parts
    if message.run_id is not None and message.is_running:
        shown = await services().runs.snapshot(principal, message.run_id)
        parts = fold(event.event for event in shown).parts
    return "\n\n".join(filter(None, map(_part_text, parts)))


def _read(message: MessageView, text: str, *, is_cut: bool) -> ReadMessage:
    return ReadMessage(
        id=message.id,
        role=message.role,
        created_at=message.created_at,
        status=cast(MessageStatus, message.status),
        error=message.error or None,
        model=message.model or None,
        text=text,
        is_cut=is_cut,
    )


def _part_text(part: Part) -> str:
    """A part as text; empty for what is left out."""
    match part["type"]:
        case "text":
            return part["text"]
        case "tool-call":
            result = ""
            if part["state"] == "done":
                result = f": {compact_json(part.get('result'))}"
            return f"[tool {part['name']}({part['arguments']}), {part['state']}{result}]"
        case "file":
            return f"[file {part['name']}, {part['media_type']}]"
        case "source":
            return f"[source {part['title']}: {part['url']}]"
        case "data":
            return f"[data {part['name']}: {compact_json(part['data'])}]"
        case "reasoning" | "notice" | "summary":  # none of these is said to the user
            return ""


def _url(thread_id: UUID) -> str:
    return f"{services().settings.url}/c/{thread_id}"


async def ask_description(principal: Principal) -> str:
    """What models read of `ask`, with the models that the user can choose."""
    ids = [model.id for model in (await services().model_access.of(principal)).all()]
    listed = ", ".join(ids[:_LISTED_MODELS]) + (", …" if len(ids) > _LISTED_MODELS else "")
    return f"{_ASK} Models: {listed}." if ids else _ASK


_ASK = (
    "Ask a language model, and wait for its answer. The conversation is kept as a chat of the "
    "user, who can continue it in the browser; thread_id continues one here."
)

TOOLS = {
    tool.name: tool
    for tool in (
        McpTool(
            "search_threads",
            "Search chats",
            "Search the titles and messages of the user's chats with language models. Read a hit "
            "with read_thread.",
            SearchArguments,
            SearchPage,
            search_threads,
            reads_only=True,
        ),
        McpTool(
            "read_thread",
            "Read a chat",
            "Read the messages of one of the user's chats, from its end upwards, in pages.",
            ReadArguments,
            ThreadText,
            read_thread,
            reads_only=True,
        ),
        McpTool("ask", "Ask a model", _ASK, AskArguments, Answer, ask, reads_only=False),
    )
}
"""The tools by name, in the order in which they are listed."""
