"""A conversation with everything in it, for the tests of the dialects."""

from typing import Any

from chat_app.core.parts import NativeItem, Part, text_part
from chat_app.llm.base import PromptMessage, Tool, text_message

MADE_BY = "one/model"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = Tool(
    "weather",
    "The weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}},
)
IMAGE: Part = {"type": "file", "url": PIXEL, "media_type": "image/png", "name": "p.png"}
CALL: Part = {
    "type": "tool-call",
    "call_id": "toolu_1",
    "name": "weather",
    "arguments": '{"city": "Rome"}',
    "state": "done",
    "result": "sunny",
}
FAILED: Part = {**CALL, "call_id": "toolu_2", "state": "failed", "error": "timeout"}  # pyright: ignore
THOUGHT: Part = {"type": "reasoning", "text": "hm"}


def native(at: int, item: dict[str, Any]) -> NativeItem:
    return {"at": at, "made_by": MADE_BY, "item": item}


def prompt(*items: NativeItem) -> list[PromptMessage]:
    """A question with an image; an answer with reasoning, calls and text; another question.

    Args:
        items: The native items of the answer, whose parts are reasoning, two calls and a text.
    """
    answer = (THOUGHT, CALL, FAILED, text_part("It is sunny."))
    return [
        text_message("system", "be kind"),
        PromptMessage("user", (IMAGE, text_part("How is the weather?"))),
        PromptMessage("assistant", answer, model=MADE_BY, native=items),
        text_message("user", "And tomorrow?"),
    ]
