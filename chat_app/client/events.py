"""The events of an answer that is being written, as a program reads them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from chat_app.client.models import AnswerMetadata


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The next piece of text.

    Args:
        text: The piece.
        part: The index of the part of the message that it belongs to.
    """

    type: Literal["text"] = field(default="text", init=False)
    text: str
    part: int


@dataclass(frozen=True, slots=True)
class ReasoningEvent:
    """The next piece of reasoning.

    Args:
        text: The piece.
        part: The index of the part of the message that it belongs to.
    """

    type: Literal["reasoning"] = field(default="reasoning", init=False)
    text: str
    part: int


@dataclass(frozen=True, slots=True)
class TextWasReasoningEvent:
    """The text of a part was reasoning: some models show that only where it ends.

    Args:
        part: The index of the part.
    """

    type: Literal["text-was-reasoning"] = field(default="text-was-reasoning", init=False)
    part: int


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """The model has called a tool, which runs on the server.

    Args:
        call_id: The id of the call.
        name: The tool.
        input: The arguments; their text if they are not valid JSON.
        error: What is wrong with the arguments, else empty.
    """

    type: Literal["tool-call"] = field(default="tool-call", init=False)
    call_id: str
    name: str
    input: Any
    error: str = ""


@dataclass(frozen=True, slots=True)
class ToolApprovalEvent:
    """A tool call waits until its user allows it. No tool of the server asks for that yet.

    Args:
        call_id: The id of the call.
        approval_id: The id of the question.
    """

    type: Literal["tool-approval"] = field(default="tool-approval", init=False)
    call_id: str
    approval_id: str


@dataclass(frozen=True, slots=True)
class ToolResultEvent:
    """A tool has returned or failed, or was not allowed.

    Args:
        call_id: The id of the call.
        output: What it returned.
        error: Why it failed, else empty.
        denied: Whether its user did not allow it.
    """

    type: Literal["tool-result"] = field(default="tool-result", init=False)
    call_id: str
    output: Any = None
    error: str = ""
    denied: bool = False


@dataclass(frozen=True, slots=True)
class NoticeEvent:
    """What the system says in the thread, such as that another model answers.

    Args:
        code: For programs.
        params: The parameters of its sentence.
        text: The sentence.
        part: The index of the part.
    """

    type: Literal["notice"] = field(default="notice", init=False)
    code: str
    params: dict[str, Any]
    text: str
    part: int


@dataclass(frozen=True, slots=True)
class WholePartEvent:
    """A part that arrives at once: a file, a source or data.

    Args:
        part: The index of the part.
        content: The part, as that of the AI SDK's `UIMessage`.
    """

    type: Literal["part"] = field(default="part", init=False)
    part: int
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The answer failed or was interrupted; the end follows. It keeps what it has.

    Args:
        message: One sentence for people.
    """

    type: Literal["error"] = field(default="error", init=False)
    message: str


@dataclass(frozen=True, slots=True)
class FinishEvent:
    """The end of the answer; nothing follows.

    Args:
        reason: `stop` (by itself), `length` (the limit of tokens), `size` (the server's limit of
            bytes), `content-filter`, `tool-calls`, `other`, `stopped` (by the user) or `error`.
        metadata: The model, tokens, cost and times.
    """

    type: Literal["finish"] = field(default="finish", init=False)
    reason: str
    metadata: AnswerMetadata


AnswerEvent = (
    TextEvent
    | ReasoningEvent
    | TextWasReasoningEvent
    | ToolCallEvent
    | ToolApprovalEvent
    | ToolResultEvent
    | NoticeEvent
    | WholePartEvent
    | ErrorEvent
    | FinishEvent
)
