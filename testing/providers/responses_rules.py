"""What OpenAI's Responses refuse."""

import re
from typing import Any

from testing.providers.rules import (
    TOOL_NAME,
    Check,
    Refused,
    Request,
    Rule,
    digest,
    has_lone_surrogate,
    image_problem,
    is_base64,
    rule,
)

_TYPES = "https://github.com/openai/openai-python/blob/main/src/openai/types/responses"
UNICODE = rule(
    "responses: the body is valid JSON", "https://github.com/anomalyco/opencode/pull/13985"
)
FIELDS = rule("responses: no unknown field", f"{_TYPES}/response_create_params.py")
MOVED = rule(
    "responses: fields of chat completions have moved",
    "https://developers.openai.com/api/docs/guides/migrate-to-responses",
)
EMPTY = rule("responses: some input", f"{_TYPES}/response_create_params.py")
CONTENT_TYPES = rule(
    "responses: types of content", "https://github.com/MervinPraison/PraisonAI/issues/3934"
)
ID_PREFIX = rule("responses: prefixes of ids", "https://github.com/mastra-ai/mastra/issues/10815")
ID_LENGTH = rule(
    "responses: ids have at most 64 characters", "https://github.com/can1357/oh-my-pi/issues/284"
)
ID_CHARACTERS = rule(
    "responses: characters of ids", "https://github.com/langchain-ai/langchainjs/issues/11044"
)
DUPLICATE = rule("responses: no item twice", "https://github.com/continuedev/continue/issues/10723")
NO_OUTPUT = rule(
    "responses: every call has its output",
    "https://github.com/Azure/azure-sdk-for-python/issues/46092",
)
NO_CALL = rule(
    "responses: every output has its call", "https://github.com/microsoft/vscode/issues/320060"
)
ALONE = rule(
    "responses: reasoning is followed by its item",
    "https://github.com/continuedev/continue/issues/8933",
)
WITHOUT = rule(
    "responses: an item keeps its reasoning", "https://github.com/continuedev/continue/issues/11994"
)
NOT_STORED = rule("responses: items are not stored", "https://github.com/vercel/ai/issues/7543")
ENCRYPTED = rule(
    "responses: encrypted reasoning is its own", "https://github.com/openai/codex/issues/8145"
)
SUMMARY = rule(
    "responses: reasoning has a summary", "https://github.com/newo-ether/Agora/issues/141"
)
REASONING_CONTENT = rule(
    "responses: reasoning has no content", "https://github.com/querymt/querymt/issues/976"
)
NAMES = rule("responses: names of functions", "https://github.com/mcp-use/mcp-use/pull/94")
IMAGE = rule(
    "responses: images are readable",
    "https://developers.openai.com/api/docs/guides/images-vision",
)
FILE = rule(
    "responses: files have a name and data",
    "https://developers.openai.com/api/docs/guides/file-inputs",
)
MIN_TOKENS = rule(
    "responses: at least 16 tokens", "https://github.com/vectorize-io/hindsight/issues/58"
)
TEMPERATURE = rule(
    "responses: reasoning models take no temperature",
    "https://github.com/OpenHands/software-agent-sdk/issues/1837",
)
INCLUDE = rule(
    "responses: encrypted content only of reasoning models",
    "https://github.com/microsoft/agent-framework/issues/7483",
)
EFFORT = rule(
    "responses: effort only for reasoning models",
    "https://developers.openai.com/api/docs/guides/reasoning",
)

_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}
_CONTENT = {
    "user": ("input_text", "input_image", "input_file"),
    "system": ("input_text", "input_image", "input_file"),
    "developer": ("input_text", "input_image", "input_file"),
    "assistant": ("output_text", "refusal"),
}
_MOVED = {"messages": "input", "max_tokens": "max_output_tokens", "functions": "tools"}


def items_of(request: Request) -> list[dict[str, Any]]:
    """The items of the input; a string is one message."""
    given = request.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return list(given or ())


def type_of(item: dict[str, Any]) -> str:
    """The type of an item."""
    return item.get("type", "message")


def _refuse(broken: Rule, message: str, at: str, code: str = "invalid_value") -> None:
    raise Refused(broken, message, param=at, code=code)


def unicode_text(request: Request) -> None:
    if has_lone_surrogate(request):
        raise Refused(UNICODE, "We could not parse the JSON body of your request.")


def known_fields(known: frozenset[str]) -> Check:
    def check(request: Request) -> None:
        for name in request:
            if name in _MOVED:
                _refuse(
                    MOVED,
                    f"Unsupported parameter: '{name}'. In the Responses API, this parameter has"
                    f" moved to '{_MOVED[name]}'. Try again with the new parameter.",
                    name,
                    "unsupported_parameter",
                )
            if name not in known:
                _refuse(FIELDS, f"Unknown parameter: '{name}'.", name, "unknown_parameter")

    return check


def some_input(request: Request) -> None:
    if not items_of(request):
        raise Refused(
            EMPTY,
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be"
            " provided.",
            code="missing_required_parameter",
        )


def contents(request: Request) -> None:
    for index, item in enumerate(items_of(request)):
        if type_of(item) != "message" or isinstance(item["content"], str):
            continue
        allowed = _CONTENT[item["role"]]
        for number, part in enumerate(item["content"]):
            at = f"input[{index}].content[{number}]"
            if part["type"] not in allowed:
                words = " and ".join(f"'{kind}'" for kind in allowed)
                _refuse(
                    CONTENT_TYPES,
                    f"Invalid value: '{part['type']}'. Supported values are: {words}.",
                    at,
                )
            if part["type"] == "input_image":
                _check_image(part, at)
            if part["type"] == "input_file":
                _check_file(part, at)


def _check_image(part: dict[str, Any], at: str) -> None:
    problem = image_problem(part.get("image_url") or "")
    if problem == "url":
        _refuse(
            IMAGE,
            f"Invalid '{at}.image_url'. Expected a valid URL, but got a value with an invalid"
            " format.",
            f"{at}.image_url",
        )
    if problem:
        raise Refused(
            IMAGE,
            "The image data you provided does not represent a valid image. Please check your input"
            " and try again with one of the supported image formats: ['image/jpeg', 'image/png',"
            " 'image/gif', 'image/webp'].",
            param="input",
            code="invalid_image",
        )


def _check_file(part: dict[str, Any], at: str) -> None:
    if part.get("file_url") or part.get("file_id"):
        return
    found = re.fullmatch(r"data:application/pdf;base64,(.*)", part.get("file_data", ""), re.DOTALL)
    if not found or not is_base64(found[1]):
        _refuse(
            FILE,
            f"Invalid '{at}.file_data'. Expected a base64-encoded data URL with an application/pdf"
            " MIME type (e.g. 'data:application/pdf;base64,aGVsbG8='), but got unsupported MIME"
            " type.",
            f"{at}.file_data",
        )
    if not part.get("filename"):
        _refuse(
            FILE,
            f"Missing required parameter: '{at}.filename'.",
            f"{at}.filename",
            "missing_required_parameter",
        )


def ids(request: Request) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items_of(request)):
        at = f"input[{index}]"
        if "call_id" in item:
            _check_length(f"{at}.call_id", item["call_id"])
        if type_of(item) == "function_call" and not TOOL_NAME.fullmatch(item["name"]):
            _refuse(
                NAMES,
                f"Invalid '{at}.name': string does not match pattern. Expected a string that"
                " matches the pattern '^[a-zA-Z0-9_-]+$'.",
                f"{at}.name",
            )
        item_id, prefix = item.get("id"), _PREFIXES.get(type_of(item))
        if item_id is None or prefix is None:
            continue
        _check_length(f"{at}.id", item_id)
        if not re.fullmatch("[a-zA-Z0-9_-]+", item_id):
            _refuse(
                ID_CHARACTERS,
                f"Invalid '{at}.id': '{item_id}'. Expected an ID that contains letters, numbers,"
                " underscores, or dashes, but this value contained additional characters.",
                f"{at}.id",
            )
        if not item_id.startswith(prefix):
            _refuse(
                ID_PREFIX,
                f"Invalid '{at}.id': '{item_id}'. Expected an ID that begins with '{prefix}'.",
                f"{at}.id",
            )
        if item_id in seen:
            raise Refused(
                DUPLICATE,
                f"Duplicate item found with id {item_id}. Remove duplicate items from your input"
                " and try again.",
                param="input",
            )
        seen.add(item_id)


def _check_length(at: str, value: str) -> None:
    if len(value) > 64:
        _refuse(
            ID_LENGTH,
            f"Invalid '{at}': string too long. Expected a string with maximum length 64, but got a"
            f" string with length {len(value)} instead.",
            at,
            "string_above_max_length",
        )


def calls_and_outputs(request: Request) -> None:
    items = items_of(request)
    outputs = {item["call_id"] for item in items if type_of(item) == "function_call_output"}
    calls: set[str] = set()
    for item in items:
        if type_of(item) == "function_call":
            calls.add(item["call_id"])
            if item["call_id"] not in outputs:
                raise Refused(
                    NO_OUTPUT,
                    f"No tool output found for function call {item['call_id']}.",
                    param="input",
                )
        if type_of(item) == "function_call_output" and item["call_id"] not in calls:
            raise Refused(
                NO_CALL,
                f"No tool call found for function call output with call_id {item['call_id']}.",
                param="input",
            )


def item_ids(seed: int) -> tuple[str, str, str]:
    """The ids of a reasoning item, and of the message and the first call that follow it."""
    fact = digest("item", seed)
    return f"rs_{fact}", f"msg_{fact}", f"fc_{fact}"


def plain_id(prefix: str, *facts: object) -> str:
    """The id of an item that no reasoning comes before."""
    return f"{prefix}_{digest(*facts)[:30]}pl"


def encrypted(server: str, item_id: str) -> str:
    """The encrypted content of a reasoning item."""
    return "gAAAA" + digest("encrypted", server, item_id)


def reasoning_items(server: str) -> Check:
    """Check that reasoning items are whole, this server's own, and beside what they led to.

    Args:
        server: The server's name; only it can read what it has encrypted.
    """

    def check(request: Request) -> None:
        items = items_of(request)
        for index, item in enumerate(items):
            if type_of(item) == "reasoning":
                _check_reasoning(server, index, item)
                after = items[index + 1] if index + 1 < len(items) else {}
                if not _follows(item, after):
                    raise Refused(
                        ALONE,
                        f"Item '{item['id']}' of type 'reasoning' was provided without its required"
                        " following item.",
                        param="input",
                    )
            elif (item_id := item.get("id")) and not item_id.endswith("pl"):
                needed = "rs_" + item_id.partition("_")[2]
                before = items[index - 1] if index else {}
                if before.get("id") != needed:
                    raise Refused(
                        WITHOUT,
                        f"Item '{item_id}' of type '{type_of(item)}' was provided without its"
                        f" required 'reasoning' item: '{needed}'.",
                        param="input",
                    )

    return check


def _follows(reasoning: dict[str, Any], item: dict[str, Any]) -> bool:
    """Whether an item is what a model made after a reasoning item; without an id, it may be."""
    if "id" in item:
        return item["id"].partition("_")[2] == reasoning["id"].removeprefix("rs_")
    return item.get("role") == "assistant" or type_of(item) == "function_call"


def _check_reasoning(server: str, index: int, item: dict[str, Any]) -> None:
    if not isinstance(item.get("summary"), list):
        at = f"input[{index}].summary"
        _refuse(SUMMARY, f"Missing required parameter: '{at}'.", at, "missing_required_parameter")
    if item.get("content"):
        at = f"input[{index}].content"
        _refuse(
            REASONING_CONTENT,
            f"Invalid '{at}': array too long. Expected an array with maximum length 0, but got an"
            f" array with length {len(item['content'])} instead.",
            at,
            "array_above_max_length",
        )
    if not item.get("encrypted_content"):
        raise Refused(
            NOT_STORED,
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to"
            " false. Try again with `store` set to true, or remove this item from your input.",
            status=404,
            param="input",
        )
    if item["encrypted_content"] != encrypted(server, item["id"]):
        raise Refused(
            ENCRYPTED,
            f"The encrypted content for item {item['id']} could not be verified. Reason: Encrypted"
            " content could not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )


def limits(request: Request) -> None:
    most = request.get("max_output_tokens")
    if most is not None and most < 16:
        _refuse(
            MIN_TOKENS,
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but"
            f" got {most} instead.",
            "max_output_tokens",
            "integer_below_min_value",
        )


def of_reasoning_models(request: Request) -> None:
    if request.get("temperature") is not None:
        _refuse(
            TEMPERATURE,
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "unsupported_parameter",
        )


def of_other_models(request: Request) -> None:
    if "reasoning.encrypted_content" in (request.get("include") or ()):
        raise Refused(
            INCLUDE, "Encrypted content is not supported with this model.", param="include"
        )
    if (request.get("reasoning") or {}).get("effort") is not None:
        _refuse(
            EFFORT,
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
            "reasoning.effort",
            "unsupported_parameter",
        )
