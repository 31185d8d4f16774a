"""The turns of a conversation: what every dialect sends of a branch of stored messages. Pure.

Any model can go on with what any other one wrote. The rules are those that the strictest providers
have in common, so a lax server gets the same:

- Turns alternate, begin with the user's and end with the user's, or with the results of tools.
- No turn is empty. An answer that failed or was stopped before it had text keeps its place, with a
  note in brackets. Only at the end of the conversation it is left out: it is to be written again.
- A conversation that ends with an answer is to be continued; a user's turn says so.
- Tool calls are sent as such if the request offers tools, else as text. Every call has its result
  right behind it; one that never ended gets a result that says so.
- Calls get new ids, nine letters and digits each, because every provider accepts those and none
  accepts those of all others.
- Reasoning is no part of an answer: it is sent only to a provider that wants it. What a provider
  made to be sent back (`NativeItem`) is sent to that provider and model, and before what it led to.
- A file that cannot be sent is named. Sources and notices are left out, and the texts around them
  are one text. Texts around reasoning are paragraphs, whether the reasoning is sent or not.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chat_app.core.json_values import json_value
from chat_app.core.parts import FilePart, NativeItem, Part, ToolCallPart
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import PromptMessage

CONTINUE = "Continue your last answer exactly where it ends. Repeat nothing of it."
"""What a user's turn says when an answer is to be continued."""
NO_BEGINNING = "[The beginning of this conversation is not shown.]"
EMPTY_MESSAGE = "[Empty message]"
NO_RESULT = "[No result: the call was not finished.]"
DENIED = "[The user did not allow this call.]"
EMPTY_RESULT = "[No output]"
_NO_ANSWER = {
    "failed": "[No answer: the model failed.]",
    "interrupted": "[No answer: it was interrupted.]",
    "stopped": "[No answer: it was stopped.]",
    "revoked": "[No answer: it was stopped.]",
}
_NO_TEXT = "[No answer]"
_IMAGE_TYPES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
"""What every provider with images can read."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_BEGINS_ROUND = frozenset(("thinking", "redacted_thinking", "reasoning"))
"""Native items that a model writes before the calls that they lead to."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Text; never blank."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningBlock:
    """What a model thought, for providers that want it back as text; never blank."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """An image of the user.

    Args:
        url: An `https:` or a `data:` URL with Base64.
        media_type: JPEG, PNG, GIF or WebP.
    """

    url: str
    media_type: str


@dataclass(frozen=True, slots=True)
class CallBlock:
    """A call of a tool and its result.

    Args:
        call_id: Unique in the request.
        name: Of letters, digits, `_` and `-`.
        arguments: The arguments, a JSON object.
        result: The result as text; never blank.
        failed: Whether it is an error.
        original_id: The id in the part.
    """

    call_id: str
    name: str
    arguments: dict[str, Any]
    result: str
    failed: bool
    original_id: str


@dataclass(frozen=True, slots=True)
class NativeBlock:
    """What this provider needs back.

    Args:
        item: As its decoder stored it.
        text: The reasoning before it; empty if there is none.
    """

    item: dict[str, Any]
    text: str


Block = TextBlock | ReasoningBlock | ImageBlock | CallBlock | NativeBlock
RoundBlock = TextBlock | ReasoningBlock | NativeBlock


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says: at least a text, an image or a call."""

    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a request says.

    Args:
        system: The system prompt; empty for none.
        turns: At least one; see the rules above.
    """

    system: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """What a model wrote at once: reasoning, text, and the calls at its end; a text or a call."""

    blocks: tuple[RoundBlock, ...]
    calls: tuple[CallBlock, ...]


def conversation_of(
    prompt: Sequence[PromptMessage],
    *,
    tools: bool,
    images: bool = True,
    image_urls: bool = True,
    made_by: str = "",
    history: bool = True,
) -> Conversation:
    """The turns of a prompt.

    Args:
        prompt: The branch, oldest message first.
        tools: Whether tool calls are sent as such.
        images: Whether images are sent.
        image_urls: Whether they are sent as an address, too.
        made_by: The provider and model that are asked; native items of others are left out.
        history: Whether those of earlier answers than the last message are sent.
    """
    system = "\n\n".join(
        text for each in prompt if each.role == "system" and (text := _clean(each.text)).strip()
    )
    messages = [each for each in prompt if each.role != "system"]
    while messages and messages[-1].role == "assistant" and not _has_answer(messages[-1]):
        messages.pop()
    prefixes = ("data:", "https:") if image_urls else ("data:",)
    builder = _TurnBuilder(tools, prefixes if images else (), made_by, history=history)
    for message in messages:
        if message.role == "user":
            builder.add_user(message)
        else:
            builder.add_answer(message, is_last=message is messages[-1])
    return Conversation(system, builder.turns())


def rounds_of(turn: Turn) -> Iterator[Round]:
    """The rounds of an answer: text, calls, results, more text, more calls."""
    blocks: list[RoundBlock] = []
    calls: list[CallBlock] = []
    for block in turn.blocks:
        if isinstance(block, CallBlock):
            calls.append(block)
        elif not isinstance(block, ImageBlock):
            if calls and _begins_round(block):
                yield Round(tuple(blocks), tuple(calls))
                blocks, calls = [], []
            blocks.append(block)
    if calls or text_of_blocks(blocks):
        yield Round(tuple(blocks), tuple(calls))


def _begins_round(block: RoundBlock) -> bool:
    return not isinstance(block, NativeBlock) or block.item.get("type") in _BEGINS_ROUND


def text_of_blocks(blocks: Iterable[Block]) -> str:
    """The text among blocks."""
    return "\n\n".join(block.text for block in blocks if isinstance(block, TextBlock))


class _TurnBuilder:
    def __init__(
        self, tools: bool, image_prefixes: tuple[str, ...], made_by: str, *, history: bool
    ) -> None:
        self._tools = tools
        self._image_prefixes = image_prefixes
        self._made_by = made_by
        self._history = history
        self._turns: list[Turn] = []
        self._calls = 0

    def turns(self) -> tuple[Turn, ...]:
        turns = self._turns
        if not turns:
            return (Turn("user", (TextBlock(EMPTY_MESSAGE),)),)
        if turns[0].role == "assistant":
            turns.insert(0, Turn("user", (TextBlock(NO_BEGINNING),)))
        last = turns[-1]
        if last.role == "assistant" and not _ends_with_call(last.blocks):
            turns.append(Turn("user", (TextBlock(CONTINUE),)))
        return tuple(turns)

    def add_user(self, message: PromptMessage) -> None:
        blocks = [block for part in message.parts if (block := self._said(part)) is not None]
        self._add(Turn("user", tuple(blocks) or (TextBlock(EMPTY_MESSAGE),)))

    def add_answer(self, message: PromptMessage, *, is_last: bool) -> None:
        blocks: list[Block] = []
        native: list[NativeItem] = []
        if self._history or is_last:
            native = [item for item in message.native if item["made_by"] == self._made_by]
        text_at: int | None = None
        for index, part in enumerate(message.parts):
            blocks += self._native(native, index, message.parts)
            if part["type"] == "reasoning":
                if (text := _clean(part["text"])).strip():
                    blocks.append(ReasoningBlock(text))
            elif part["type"] == "tool-call" and self._tools:
                blocks.append(self._call(part))
            elif part["type"] == "text":
                text_at = _add_text(blocks, _clean(part["text"]), text_at)
            elif (text := _answered(part)).strip():
                blocks.append(TextBlock(text))
        blocks += self._native(native, len(message.parts), message.parts)
        blocks = _without_last_thoughts(blocks)
        note = TextBlock(_NO_ANSWER.get(message.status, _NO_TEXT))
        if not any(isinstance(block, TextBlock | CallBlock) for block in blocks):
            blocks = [note]
        elif _ends_with_call(blocks) and not is_last:
            blocks.append(note)
        self._add(Turn("assistant", tuple(blocks)))

    def _add(self, turn: Turn) -> None:
        if not self._turns or self._turns[-1].role != turn.role:
            self._turns.append(turn)
            return
        self._turns[-1] = Turn(turn.role, self._turns[-1].blocks + turn.blocks)

    def _said(self, part: Part) -> Block | None:
        if part["type"] == "file" and _is_image(part, self._image_prefixes):
            return ImageBlock(part["url"], part["media_type"])
        text = _answered(part)
        return TextBlock(text) if text.strip() else None

    def _native(
        self, items: Sequence[NativeItem], index: int, parts: Sequence[Part]
    ) -> Iterator[NativeBlock]:
        for item in items:
            if item["at"] == index:
                before = parts[index - 1] if index else None
                text = before["text"] if before and before["type"] == "reasoning" else ""
                yield NativeBlock(item["item"], text)

    def _call(self, part: ToolCallPart) -> CallBlock:
        self._calls += 1
        return CallBlock(
            f"call{self._calls:05}",
            _tool_name(part["name"]),
            _arguments(part["arguments"]),
            _result(part),
            part["state"] != "done",
            part["call_id"],
        )


def _has_answer(message: PromptMessage) -> bool:
    return any(
        part["type"] == "tool-call" or bool(_answered(part).strip()) for part in message.parts
    )


def _add_text(blocks: list[Block], text: str, last: int | None) -> int | None:
    """Add the text of a part, to the last text if nothing is sent between them.

    Args:
        blocks: Those of the answer so far.
        text: The text.
        last: Where the last text is; None if there is none.

    Returns:
        Where it is now.
    """
    if last is not None and not any(map(_separates, blocks[last + 1 :])):
        text = text_of_blocks([blocks.pop(last)]) + text
    elif not text.strip():
        return last
    blocks.append(TextBlock(text))
    return len(blocks) - 1


def _separates(block: Block) -> bool:
    """Whether a block has a place among the texts, and not a field beside them."""
    if isinstance(block, NativeBlock):
        return _begins_round(block) or block.item.get("type") == "message"
    return True


def _without_last_thoughts(blocks: list[Block]) -> list[Block]:
    """The blocks without reasoning that nothing follows; providers refuse it."""
    kept: list[Block] = []
    is_followed = False
    for block in reversed(blocks):
        is_followed = is_followed or isinstance(block, TextBlock | CallBlock)
        if is_followed or (isinstance(block, NativeBlock) and not _begins_round(block)):
            kept.append(block)
    return kept[::-1]


def _ends_with_call(blocks: Sequence[Block]) -> bool:
    written = [block for block in blocks if isinstance(block, TextBlock | CallBlock)]
    return isinstance(written[-1], CallBlock)


def _answered(part: Part) -> str:
    """A part as text; empty for what is not sent."""
    match part["type"]:
        case "text":
            return _clean(part["text"])
        case "file":
            return _clean(f"[File: {part['name']} ({part['media_type']})]")
        case "data":
            return f"[{_clean(part['name'])}: {_json(part['data'])}]"
        case "tool-call":
            name, arguments = _clean(part["name"]), _clean(part["arguments"])
            return f"[Called the tool {name} with {arguments or '{}'}. Result: {_result(part)}]"
        case _:
            return ""


def _is_image(part: FilePart, prefixes: tuple[str, ...]) -> bool:
    url = part["url"]
    if part["media_type"] not in _IMAGE_TYPES or not url.startswith(prefixes):
        return False
    data = url.partition(";base64,")[2]
    return url.startswith("https:") or (len(data) % 4 == 0 and bool(_BASE64.fullmatch(data)))


def _tool_name(name: str) -> str:
    """A name of the letters and the length that every provider accepts."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "tool"


def _arguments(text: str) -> dict[str, Any]:
    """The arguments of a call as an object, which they may not be: a model wrote them."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        value = {"arguments": text}
    return json.loads(_json(value if isinstance(value, dict) else {"arguments": value}))


def _result(part: ToolCallPart) -> str:
    match part["state"]:
        case "done":
            result = part.get("result")
            text = _clean(result) if isinstance(result, str) else _json(result)
            return text if text.strip() else EMPTY_RESULT
        case "failed":
            return f"[The tool failed: {part.get('error') or 'unknown error'}]"
        case "denied":
            reason = _clean(part.get("approval", {}).get("reason", ""))
            return f"[The user did not allow this call: {reason}]" if reason.strip() else DENIED
        case _:
            return NO_RESULT


def _json(value: object) -> str:
    return repair_surrogates(json.dumps(json_value(value), ensure_ascii=False))


def _clean(text: str) -> str:
    return repair_surrogates(text)
