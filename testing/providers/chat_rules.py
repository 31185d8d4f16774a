"""What OpenAI's chat completions refuse; other servers refuse most of it too."""

from collections.abc import Iterator
from typing import Any

from testing.providers.rules import (
    TOOL_NAME,
    Check,
    Refused,
    Request,
    has_lone_surrogate,
    image_problem,
    rule,
)

_CREATE = (
    "https://github.com/openai/openai-python/blob/main/src/openai/types/chat/"
    "completion_create_params.py"
)
_GUIDES = "https://developers.openai.com/api/docs/guides"
UNICODE = rule("openai: the body is valid JSON", "https://github.com/anomalyco/opencode/pull/13985")
FIELDS = rule(
    "openai: no unknown field",
    "https://github.com/teabranch/open-responses-server/issues/41",
)
MESSAGES = rule(
    "openai: at least one message", "https://github.com/CopilotKit/CopilotKit/issues/529"
)
ROLES = rule(
    "openai: known roles",
    "https://github.com/openai/openai-python/blob/main/src/openai/types/chat/"
    "chat_completion_message_param.py",
)
CONTENT = rule(
    "openai: content is a string or parts",
    "https://github.com/openai/openai-python/blob/main/src/openai/types/chat/"
    "chat_completion_content_part_param.py",
)
NO_CONTENT = rule(
    "openai: an assistant has content or tool calls",
    "https://github.com/langchain-ai/langchainjs/issues/4153",
)
EMPTY_CALLS = rule(
    "openai: tool calls are not an empty list",
    "https://github.com/openai/openai-python/issues/2061",
)
CALL_IDS = rule(
    "openai: ids of tool calls have at most 40 characters",
    "https://github.com/camel-ai/camel/issues/2215",
)
NAMES = rule("openai: names of functions", "https://github.com/mcp-use/mcp-use/pull/94")
NAME_LENGTH = rule(
    "openai: names of functions have at most 64 characters",
    "https://github.com/mrexodia/ida-pro-mcp/issues/129",
)
RESULTS = rule(
    "openai: every tool call has its result", "https://github.com/aliasrobotics/cai/issues/111"
)
STRAY_RESULT = rule(
    "openai: a tool message follows its call",
    "https://github.com/microsoft/promptflow/pull/3130",
)
IMAGE_ROLE = rule(
    "openai: images only from users", "https://github.com/openai/openai-node/issues/1030"
)
IMAGE = rule("openai: images are readable", f"{_GUIDES}/images-vision")
TOOLS = rule("openai: tools are not an empty list", "https://github.com/runebookai/tome/pull/87")
STREAM_OPTIONS = rule(
    "openai: stream options only with a stream",
    _CREATE,
)
LIMITS = rule(
    "openai: limits and temperature in their ranges",
    _CREATE,
)
MAX_TOKENS = rule(
    "openai: reasoning models take max_completion_tokens",
    "https://github.com/griptape-ai/ComfyUI-Griptape/issues/312",
)
TEMPERATURE = rule(
    "openai: reasoning models take no temperature",
    "https://github.com/QwenLM/qwen-code/issues/921",
)
SYSTEM = rule(
    "openai: first reasoning models take no system role",
    "https://github.com/tailcallhq/forgecode/issues/1177",
)
EFFORT = rule("openai: effort only for reasoning models", f"{_GUIDES}/reasoning")
EFFORT_VALUE = rule("openai: efforts that the model knows", f"{_GUIDES}/reasoning")

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "tool": {"role", "content", "tool_call_id"},
    "assistant": {"role", "content", "refusal", "name", "audio", "function_call", "tool_calls"},
}


def messages_of(request: Request) -> list[dict[str, Any]]:
    """The messages of a request."""
    return request["messages"]


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of a message."""
    return message.get("tool_calls") or []


def parts_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a message's content; a string is a part too."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []


def images_of(request: Request) -> Iterator[tuple[int, str]]:
    """The URL of each image, with the index of its message."""
    for index, message in enumerate(messages_of(request)):
        for part in parts_of(message):
            if part["type"] == "image_url":
                yield index, part["image_url"]["url"]


def unicode_text(request: Request) -> None:
    if has_lone_surrogate(request):
        raise Refused(UNICODE, "We could not parse the JSON body of your request.")


def known_fields(known: frozenset[str]) -> Check:
    def check(request: Request) -> None:
        for name in request:
            if name not in known:
                raise Refused(
                    FIELDS, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
                )

    return check


def known_message_fields(*more: str) -> Check:
    """Check the fields of messages.

    Args:
        more: Fields of an assistant's message that this server adds.
    """

    def check(request: Request) -> None:
        for index, message in enumerate(messages_of(request)):
            known = _MESSAGE_FIELDS[message["role"]]
            for name in message:
                if name not in known and not (message["role"] == "assistant" and name in more):
                    at = f"messages[{index}].{name}"
                    raise Refused(
                        FIELDS, f"Unknown parameter: '{at}'.", param=at, code="unknown_parameter"
                    )

    return check


def some_messages(request: Request) -> None:
    if not isinstance(request.get("messages"), list) or not messages_of(request):
        raise Refused(
            MESSAGES,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an"
            " empty array instead.",
            param="messages",
            code="empty_array",
        )


def known_roles(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        if message.get("role") not in _ROLES:
            raise Refused(
                ROLES,
                f"Invalid value: '{message.get('role')}'. Supported values are: "
                + ", ".join(f"'{role}'" for role in _ROLES[:-1])
                + f", and '{_ROLES[-1]}'.",
                param=f"messages[{index}].role",
                code="invalid_value",
            )


def contents(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        at = f"messages[{index}].content"
        content = message.get("content")
        if content is None:
            if message["role"] == "assistant" and calls_of(message):
                continue
            raise Refused(
                NO_CONTENT,
                "Invalid value for 'content': expected a string, got null.",
                param=at,
            )
        if content == []:
            raise Refused(
                CONTENT,
                f"Invalid '{at}': empty array. Expected an array with minimum length 1, but got an"
                " empty array instead.",
                param=at,
                code="empty_array",
            )
        kinds = ("text", "image_url", "input_audio", "file")
        for number, part in enumerate(parts_of(message)):
            where = f"{at}[{number}].type"
            if part["type"] == "image_url" and message["role"] != "user":
                raise Refused(
                    IMAGE_ROLE,
                    f"Invalid 'messages[{index}]'. Image URLs are only allowed for messages with"
                    f" role 'user', but this message with role '{message['role']}' contains an"
                    " image URL.",
                    param=f"messages[{index}]",
                    code="invalid_value",
                )
            of_role = kinds if message["role"] == "user" else ("text", "refusal")
            if part["type"] not in of_role:
                raise Refused(
                    CONTENT,
                    f"Invalid value: '{part['type']}'. Supported values are: "
                    + ", ".join(f"'{kind}'" for kind in of_role)
                    + ".",
                    param=where,
                    code="invalid_value",
                )


def readable_images(request: Request) -> None:
    for index, url in images_of(request):
        problem = image_problem(url)
        if problem == "url":
            raise Refused(
                IMAGE,
                f"Failed to download image from {url}. Image URL is invalid.",
                param=f"messages[{index}].content",
                code="invalid_image_url",
            )
        if problem:
            raise Refused(
                IMAGE,
                "You uploaded an unsupported image. Please make sure your image has of one the"
                " following formats: ['png', 'jpeg', 'gif', 'webp'].",
                param=f"messages[{index}].content",
                code="invalid_image_format",
            )


def tool_calls(longest_id: int = 40) -> Check:
    def check(request: Request) -> None:
        for index, message in enumerate(messages_of(request)):
            at = f"messages[{index}].tool_calls"
            if message.get("tool_calls") == []:
                raise Refused(
                    EMPTY_CALLS,
                    f"Invalid '{at}': empty array. Expected an array with minimum length 1, but got"
                    " an empty array instead.",
                    param=at,
                    code="empty_array",
                )
            for number, call in enumerate(calls_of(message)):
                _limit_length(f"{at}[{number}].id", call["id"], longest_id, CALL_IDS)
                name = call["function"]["name"]
                _check_name(f"{at}[{number}].function.name", name)

    return check


def _limit_length(at: str, value: str, most: int, broken: Any) -> None:
    if len(value) > most:
        raise Refused(
            broken,
            f"Invalid '{at}': string too long. Expected a string with maximum length {most}, but"
            f" got a string with length {len(value)} instead.",
            param=at,
            code="string_above_max_length",
        )


def _check_name(at: str, name: str) -> None:
    _limit_length(at, name, 64, NAME_LENGTH)
    if not TOOL_NAME.fullmatch(name):
        raise Refused(
            NAMES,
            f"Invalid '{at}': string does not match pattern. Expected a string that matches the"
            " pattern '^[a-zA-Z0-9_-]+$'.",
            param=at,
            code="invalid_value",
        )


def tool_order(request: Request) -> None:
    """Every call is answered by the tool messages right after it, and by no other message."""
    waiting: list[str] = []
    for index, message in enumerate(messages_of(request)):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                raise Refused(
                    STRAY_RESULT,
                    "Invalid parameter: messages with role 'tool' must be a response to a"
                    " preceeding message with 'tool_calls'.",
                    param=f"messages[{index}].role",
                )
            waiting.remove(message["tool_call_id"])
            continue
        _no_open_calls(waiting, index)
        waiting = [call["id"] for call in calls_of(message)]
    _no_open_calls(waiting, len(messages_of(request)))


def _no_open_calls(waiting: list[str], index: int) -> None:
    if waiting:
        raise Refused(
            RESULTS,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to"
            " each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(waiting),
            param=f"messages[{index}].role",
        )


def tool_definitions(request: Request) -> None:
    if request.get("tools") == []:
        raise Refused(
            TOOLS,
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an"
            " empty array instead.",
            param="tools",
            code="empty_array",
        )
    for index, tool in enumerate(request.get("tools", ())):
        _check_name(f"tools[{index}].function.name", tool["function"]["name"])
    if "tool_choice" in request and "tools" not in request:
        raise Refused(
            TOOLS,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are"
            " specified.",
            param="tool_choice",
        )


def limits(request: Request) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        if request.get(name) is not None and request[name] < 1:
            raise Refused(
                LIMITS,
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got"
                f" {request[name]} instead.",
                param=name,
                code="integer_below_min_value",
            )
    temperature = request.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise Refused(
            LIMITS,
            f"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got"
            f" {temperature} instead.",
            param="temperature",
            code="decimal_above_max_value",
        )
    if "stream_options" in request and not request.get("stream"):
        raise Refused(
            STREAM_OPTIONS,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )


def of_reasoning_models(request: Request) -> None:
    """The limit has another name, and the temperature is fixed."""
    if request.get("max_tokens") is not None:
        raise Refused(
            MAX_TOKENS,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if request.get("temperature") not in (None, 1):
        raise Refused(
            TEMPERATURE,
            f"Unsupported value: 'temperature' does not support {request['temperature']} with this"
            " model. Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        )


def no_system_role(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        if message["role"] in ("system", "developer"):
            raise Refused(
                SYSTEM,
                f"Unsupported value: 'messages[{index}].role' does not support"
                f" '{message['role']}' with this model.",
                param=f"messages[{index}].role",
                code="unsupported_value",
            )


def efforts(*known: str) -> Check:
    """Check the thinking effort; without `known`, the model has none."""

    def check(request: Request) -> None:
        effort = request.get("reasoning_effort")
        if effort is None or effort in known:
            return
        if not known:
            raise Refused(
                EFFORT,
                "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
                param="reasoning_effort",
                code="unsupported_parameter",
            )
        raise Refused(
            EFFORT_VALUE,
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
            f" Supported values are: {', '.join(repr(each) for each in known)}.",
            param="reasoning_effort",
            code="unsupported_value",
        )

    return check
