"""A typed Python client of this server's HTTP API, for programs with an API key.

It imports nothing of the server: only httpx and pydantic.

    with ChatClient("http://localhost:3000", os.environ["CHAT_KEY"]) as chat:
        for event in chat.send("Hello"):
            if event.type == "text":
                print(event.text, end="")
"""

from chat_app.client.async_client import AsyncAnswerStream, AsyncChatClient
from chat_app.client.errors import ApiError
from chat_app.client.events import (
    AnswerEvent,
    ErrorEvent,
    FinishEvent,
    NoticeEvent,
    ReasoningEvent,
    TextEvent,
    TextWasReasoningEvent,
    ToolApprovalEvent,
    ToolCallEvent,
    ToolResultEvent,
    WholePartEvent,
)
from chat_app.client.models import (
    AnswerMetadata,
    AnswerTimings,
    ChatMessage,
    ChatModel,
    ChatModels,
    ChatThread,
    ChatUsage,
    DayUsage,
    ModelPrice,
    ModelUsage,
    PurposeUsage,
    TokenUsage,
    UsageCounts,
)
from chat_app.client.operations import ThreadChanges
from chat_app.client.sync_client import AnswerStream, ChatClient

__all__ = [
    "AnswerEvent",
    "AnswerMetadata",
    "AnswerStream",
    "AnswerTimings",
    "ApiError",
    "AsyncAnswerStream",
    "AsyncChatClient",
    "ChatClient",
    "ChatMessage",
    "ChatModel",
    "ChatModels",
    "ChatThread",
    "ChatUsage",
    "DayUsage",
    "ErrorEvent",
    "FinishEvent",
    "ModelPrice",
    "ModelUsage",
    "NoticeEvent",
    "PurposeUsage",
    "ReasoningEvent",
    "TextEvent",
    "TextWasReasoningEvent",
    "ThreadChanges",
    "TokenUsage",
    "ToolApprovalEvent",
    "ToolCallEvent",
    "ToolResultEvent",
    "UsageCounts",
    "WholePartEvent",
]
