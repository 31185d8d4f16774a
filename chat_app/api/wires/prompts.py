"""Prompts of programs that have their own conversation: what their requests say, as messages. Pure.

The APIs of OpenAI and Anthropic differ in names. Their results of tools are put into the calls that
they belong to, as in a stored message.
"""

import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from chat_app.core.errors import InvalidInput
from chat_app.core.json_values import json_value
from chat_app.core.parts import FilePart, Part, ToolCallPart, text_part
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import PromptMessage, Tool, text_message
from chat_app.settings.validation import split_url

Json = Mapping[str, Any]

MAX_MESSAGES = 10_000
MAX_TOOLS = 128
_TOOL_NAME_LENGTH = 64
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class PromptBuilder:
    """Collects the messages of a request, in order."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, list[Part]]] = []
        self._calls: dict[str, ToolCallPart] = {}

    def add_system(self, text: str) -> None:
        """Add instructions; a model gets all of them before the conversation."""
        self._messages.append(("system", [text_part(repair_surrogates(text))]))

    def user(self, parts: list[Part]) -> None:
        """Add what the user says."""
        self._messages.append(("user", parts))

    def answer(self, parts: list[Part]) -> None:
        """Add what a model has said, to what it said just before."""
        if self._messages and self._messages[-1][0] == "assistant":
            self._messages[-1][1].extend(parts)
        else:
            self._messages.append(("assistant", parts))

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a call of a tool to what a model has said."""
        part: ToolCallPart = {
            "type": "tool-call",
            "call_id": call_id,
            "name": name,
            "arguments": repair_surrogates(arguments),
            "state": "called",
        }
        self._calls[call_id] = part
        self.answer([part])

    def result(self, call_id: str, text: str, where: str, *, failed: bool = False) -> None:
        """Add the result of a call.

        Args:
            call_id: The id of the call, which is before it.
            text: The result.
            where: Names the result in an error.
            failed: Whether it is an error of the tool.

        Raises:
            InvalidInput: There is no such call.
        """
        call = self._calls.get(call_id)
        if call is None:
            raise InvalidInput(f"{where} is the result of a tool call that is not there.", where)
        if failed:
            call["state"], call["error"] = "failed", repair_surrogates(text)
        else:
            call["state"], call["result"] = "done", repair_surrogates(text)

    def prompt(self) -> tuple[PromptMessage, ...]:
        """The messages.

        Raises:
            InvalidInput: There is none.
        """
        if all(role == "system" for role, _ in self._messages):
            raise InvalidInput("There is no message to answer.", "messages")
        return tuple(
            text_message("system", "".join(part["text"] for part in parts if "text" in part))
            if role == "system"
            else PromptMessage("user" if role == "user" else "assistant", tuple(parts))
            for role, parts in self._messages
        )


def text_of_content(content: object, where: str, *types: str) -> str:
    """The text of a content: a string, or parts of these types with a `text` each.

    Raises:
        InvalidInput: It is none.
    """
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, part in enumerate(objects_of(content, where)):
        if part.get("type") not in types:
            raise InvalidInput(
                f"{where}.{index} must be a part of the type {types[0]}.", f"{where}.{index}"
            )
        texts.append(string_of(part, "text", f"{where}.{index}"))
    return "\n\n".join(texts)


def parts_of_content(
    content: object, where: str, read: Callable[[Json, str], Part | None]
) -> list[Part]:
    """The parts of a content: of a string, or of a list.

    Args:
        content: The content.
        where: Names it in an error.
        read: Reads one part of a list; None for one that is left out.

    Raises:
        InvalidInput: It is not valid.
    """
    if isinstance(content, str):
        return [text_part(repair_surrogates(content))]
    found = (read(part, f"{where}.{n}") for n, part in enumerate(objects_of(content, where)))
    return [part for part in found if part is not None]


def text_part_of(part: Json, where: str) -> Part:
    """A text part of a request."""
    return text_part(repair_surrogates(string_of(part, "text", where)))


def image_part(url: object, where: str) -> FilePart:
    """An image, by its `data:` URL, or by an `https:` URL that the provider reads.

    Raises:
        InvalidInput: It is neither.
    """
    if isinstance(url, str) and url.startswith("data:"):
        media_type, mark, data = url[5:].partition(";base64,")
        is_base64 = len(data) % 4 == 0 and _BASE64.fullmatch(data)
        if mark and is_base64 and media_type in _IMAGE_TYPES:
            return {"type": "file", "url": url, "media_type": media_type, "name": "image"}
        raise InvalidInput(
            f"{where} must be a JPEG, PNG, GIF or WebP image in Base64, as a data: URL.", where
        )
    parts = split_url(url) if isinstance(url, str) else None
    if isinstance(url, str) and url.startswith("https://") and parts and parts.hostname:
        guessed, _ = mimetypes.guess_type(parts.path)
        media_type = guessed if guessed in _IMAGE_TYPES else _IMAGE_TYPES[0]
        return {"type": "file", "url": url, "media_type": media_type, "name": "image"}
    raise InvalidInput(f"{where} must be a data: or https: URL of an image.", where)


def forced_tool(name: object, tools: Iterable[Tool]) -> str:
    """The name of the tool that a request says must be called.

    Args:
        name: As the request has it; None when it names no function.
        tools: The tools of the request.

    Raises:
        InvalidInput: It is none of them.
    """
    for tool in tools:
        if tool.name == name:
            return tool.name
    raise InvalidInput("tool_choice must name a function of tools.", "tool_choice")


def tool_of(name: object, description: object, parameters: object, where: str) -> Tool:
    """A tool of a request.

    Raises:
        InvalidInput: Its name or its schema is not valid.
    """
    is_name = (
        isinstance(name, str)
        and 0 < len(name) <= _TOOL_NAME_LENGTH
        and name.isascii()
        and name.replace("_", "").replace("-", "").isalnum()
    )
    if not is_name:
        raise InvalidInput(
            f"{where}.name must have 1 to 64 letters, digits, underscores and hyphens.",
            f"{where}.name",
        )
    if description is not None and not isinstance(description, str):
        raise InvalidInput(f"{where}.description must be a text.", f"{where}.description")
    schema = {"type": "object", "properties": {}} if parameters is None else parameters
    if not isinstance(schema, dict):
        raise InvalidInput(f"{where} must have a JSON schema of an object.", where)
    safe = cast(dict[str, Any], json_value(schema))
    return Tool(str(name), repair_surrogates(description or ""), safe)


def objects_of(value: object, where: str) -> list[Json]:
    """A list of objects.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidInput(f"{where} must be a list of objects.", where)
    return cast(list[Json], value)


def string_of(value: Json, name: str, where: str) -> str:
    """A field that is a string.

    Raises:
        InvalidInput: It is none.
    """
    found = value.get(name)
    if not isinstance(found, str):
        raise InvalidInput(f"{where}.{name} must be a text.", f"{where}.{name}")
    return found


def json_text(value: object) -> str:
    """A JSON value as text."""
    return json.dumps(json_value(value), ensure_ascii=False)
