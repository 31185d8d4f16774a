"""What other servers of chat completions refuse beyond OpenAI's rules, or instead of them."""

import json
import re
from itertools import pairwise
from typing import Any

from testing.providers.chat_rules import calls_of, images_of, messages_of, parts_of
from testing.providers.rules import (
    DATA_URL,
    TOOL_NAME,
    Check,
    Refused,
    Request,
    digest,
    is_json_object,
    rule,
)

_MISTRAL = (
    "https://github.com/mistralai/mistral-common/blob/main/src/mistral_common/protocol/instruct/"
    "validator.py"
)
MISTRAL_FIELDS = rule(
    "mistral: no unknown field", "https://github.com/editor-code-assistant/eca/issues/231"
)
MISTRAL_MESSAGE_FIELDS = rule(
    "mistral: no unknown field of a message", "https://github.com/charmbracelet/crush/issues/1590"
)
MISTRAL_IDS = rule(
    "mistral: ids of tool calls have nine characters",
    "https://github.com/karthink/gptel/issues/1203",
)
MISTRAL_NAMES = rule("mistral: names of functions", f"{_MISTRAL}")
MISTRAL_ORDER = rule(
    "mistral: order of roles", "https://github.com/mistralai/mistral-common/issues/169"
)
MISTRAL_LAST = rule(
    "mistral: a user or tool message is last", "https://github.com/0xPlaygrounds/rig/pull/1130"
)
MISTRAL_COUNT = rule("mistral: as many results as calls", f"{_MISTRAL}")
MISTRAL_EMPTY = rule("mistral: an assistant has content or tool calls", f"{_MISTRAL}")
ALTERNATE = rule("templates: turns alternate", "https://github.com/microsoft/autogen/issues/1037")
ALTERNATE_WITH_TOOLS = rule(
    "templates: turns alternate, tool calls and results aside",
    "https://github.com/anomalyco/opencode/issues/5034",
)
NO_SYSTEM = rule("templates: no system role", "https://github.com/huggingface/chat-ui/issues/1386")
SYSTEM_FIRST = rule(
    "templates: the system message is first",
    "https://github.com/anomalyco/opencode/issues/16560",
)
A_USER = rule(
    "templates: at least one user message",
    "https://github.com/vllm-project/vllm/issues/36432",
)
PERPLEXITY = rule(
    "perplexity: turns alternate", "https://github.com/perplexityai/api-discussion/issues/265"
)
NO_TOOLS = rule("ollama: the model has no tools", "https://github.com/louisho5/picobot/issues/6")
NO_TOOL_PARSER = rule(
    "vllm: tools need a parser", "https://docs.vllm.ai/en/latest/features/tool_calling/"
)
NO_IMAGES = rule(
    "llama.cpp: the model reads no images",
    "https://github.com/ggml-org/llama.cpp/issues/12947",
)
IMAGE_URL = rule(
    "ollama: images as data", "https://github.com/ollama/ollama/blob/main/openai/openai.go"
)
OLLAMA_ARGUMENTS = rule(
    "ollama: arguments of tool calls are JSON objects",
    "https://github.com/ollama/ollama/blob/main/openai/openai.go",
)
GROQ = rule("groq: no reasoning in messages", "https://github.com/janhq/jan/issues/8136")
CEREBRAS = rule(
    "cerebras: no reasoning_content in messages",
    "https://github.com/Kilo-Org/kilocode/issues/10375",
)
DEEPSEEK = rule(
    "deepseek: reasoning goes back with tool calls",
    "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls",
)
MOONSHOT = rule(
    "moonshot: reasoning goes back with tool calls",
    "https://github.com/earendil-works/pi/pull/4178",
)
MOONSHOT_EMPTY = rule(
    "moonshot: an assistant's message is not empty",
    "https://github.com/MoonshotAI/kimi-code/issues/1985",
)
SIGNATURE = rule(
    "gemini: thought signatures of the running turn",
    "https://ai.google.dev/gemini-api/docs/thought-signatures",
)
FOREIGN_SIGNATURE = rule(
    "gemini: thought signatures are its own", "https://github.com/decolua/9router/issues/4136"
)
GEMINI_ORDER = rule(
    "gemini: calls come right after a user's turn or results",
    "https://github.com/AstrBotDevs/AstrBot/issues/5416",
)
NO_STREAM_OPTIONS = rule(
    "azure: no stream options in its older versions",
    "https://github.com/openai/openai-python/issues/1469",
)
SKIP_SIGNATURE = "skip_thought_signature_validator"
"""What Google documents for histories that another model made."""

_MISTRAL_REQUEST = frozenset(
    (
        *("model", "messages", "stream", "temperature", "top_p", "max_tokens", "stop", "n"),
        *("random_seed", "metadata", "response_format", "tools", "tool_choice", "prediction"),
        *("presence_penalty", "frequency_penalty", "parallel_tool_calls", "prompt_mode"),
        *("reasoning_effort", "safe_prompt", "guardrails", "prompt_cache_key"),
    )
)
_MISTRAL_MESSAGE = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls", "prefix"},
    "tool": {"role", "content", "tool_call_id", "name"},
}
_AFTER = {
    "system": ("user", "assistant", "system"),
    "user": ("assistant", "system", "user"),
    "assistant": ("assistant", "user", "tool"),
    "tool": ("assistant", "tool"),
}


def mistral(request: Request) -> None:
    """The checks of Mistral's own API and of its open validator."""
    for name in request:
        if name not in _MISTRAL_REQUEST:
            _extra(MISTRAL_FIELDS, ["body", name])
    messages = messages_of(request)
    for index, message in enumerate(messages):
        for name in message:
            if name not in _MISTRAL_MESSAGE[message["role"]]:
                _extra(MISTRAL_MESSAGE_FIELDS, ["body", "messages", index, message["role"], name])
    if messages[-1]["role"] not in ("user", "tool") and not messages[-1].get("prefix"):
        raise Refused(
            MISTRAL_LAST,
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got "
            + messages[-1]["role"],
            code="3230",
        )
    for before, message in pairwise(messages):
        if message["role"] not in _AFTER[before["role"]]:
            raise Refused(
                MISTRAL_ORDER,
                f"Unexpected role '{message['role']}' after role '{before['role']}'",
                code="3230",
            )
    _mistral_calls(messages)


def _mistral_calls(messages: list[dict[str, Any]]) -> None:
    missing = 0
    for message in messages:
        if message["role"] == "tool":
            missing -= 1
            _mistral_id(message["tool_call_id"])
        if message["role"] != "assistant":
            continue
        if missing:
            break
        calls = calls_of(message)
        missing = len(calls)
        if not calls and not _text(message):
            raise Refused(
                MISTRAL_EMPTY,
                "Assistant message must have either content or tool_calls, but not none.",
                code="3240",
            )
        for call in calls:
            _mistral_id(call["id"])
            if not TOOL_NAME.fullmatch(call["function"]["name"]):
                raise Refused(
                    MISTRAL_NAMES,
                    f"Function name was {call['function']['name']} but must be a-z, A-Z, 0-9, or"
                    " contain underscores and dashes, with a maximum length of 64.",
                    code="3280",
                )
    if missing:
        raise Refused(
            MISTRAL_COUNT, "Not the same number of function calls and responses", code="3230"
        )


def _mistral_id(call_id: str) -> None:
    if not re.fullmatch("[a-zA-Z0-9]{9}", call_id):
        raise Refused(
            MISTRAL_IDS,
            f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9.",
            code="3280",
        )


def _extra(broken: Any, where: list[Any]) -> None:
    raise Refused(broken, "Extra inputs are not permitted", status=422, param=str(where))


def _text(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in parts_of(message))


def alternating(*, system: bool, tools: bool = False) -> Check:
    """The checks of chat templates that raise exceptions.

    Args:
        system: Whether the template has a system message, as the first one.
        tools: Whether calls and results stand outside the alternation.
    """

    def check(request: Request) -> None:
        turns = list(messages_of(request))
        if turns[0]["role"] in ("system", "developer") and system:
            turns = turns[1:]
        if any(turn["role"] in ("system", "developer") for turn in turns) and not system:
            raise Refused(NO_SYSTEM, "System role not supported")
        if tools:
            turns = [turn for turn in turns if turn["role"] != "tool" and not calls_of(turn)]
        for index, turn in enumerate(turns):
            if turn["role"] != ("user", "assistant")[index % 2]:
                if tools:
                    raise Refused(
                        ALTERNATE_WITH_TOOLS,
                        "After the optional system message, conversation roles must alternate user"
                        " and assistant roles except for tool calls and results.",
                    )
                raise Refused(
                    ALTERNATE,
                    "Conversation roles must alternate user/assistant/user/assistant/...",
                )

    return check


def system_first(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        if message["role"] == "system" and index:
            raise Refused(SYSTEM_FIRST, "System message must be at the beginning.")
    if not any(message["role"] == "user" for message in messages_of(request)):
        raise Refused(A_USER, "No user query found in messages.")


def perplexity(request: Request) -> None:
    side = "assistant"
    for message in messages_of(request):
        if message["role"] == "system":
            continue
        before, side = side, "assistant" if message["role"] == "assistant" else "user"
        if side == before and message["role"] != "tool":
            break
    else:
        if side == "user":
            return
    raise Refused(
        PERPLEXITY,
        "After the (optional) system message(s), user or tool message(s) should alternate with"
        " assistant message(s).",
        code="400",
    )


def no_tools(request: Request) -> None:
    if request.get("tools"):
        raise Refused(
            NO_TOOLS, f"registry.ollama.ai/library/{request['model']} does not support tools"
        )


def no_tool_parser(request: Request) -> None:
    if request.get("tools"):
        raise Refused(
            NO_TOOL_PARSER,
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be'
            " set",
        )


def no_images(request: Request) -> None:
    for _ in images_of(request):
        raise Refused(
            NO_IMAGES,
            "image input is not supported - hint: if this is unexpected, you may need to provide"
            " the mmproj",
            status=500,
        )


def images_as_data(request: Request) -> None:
    for _, url in images_of(request):
        if not DATA_URL.fullmatch(url):
            raise Refused(
                IMAGE_URL,
                "image URLs are not currently supported, please use base64 encoded data instead",
            )


def object_arguments(request: Request) -> None:
    for message in messages_of(request):
        for call in calls_of(message):
            if not is_json_object(call["function"]["arguments"]):
                raise Refused(OLLAMA_ARGUMENTS, "invalid tool call arguments")


def groq(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        for name in ("reasoning_content", "reasoning_details", "reasoning"):
            if name in message:
                raise Refused(
                    GROQ,
                    f"'messages.{index}' : for 'role:assistant' the following must be satisfied"
                    f"[('messages.{index}' : property '{name}' is unsupported)]",
                )


def cerebras(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        at = f"messages.{index}.assistant.reasoning_content"
        if "reasoning_content" in message:
            raise Refused(CEREBRAS, f"{at}: property '{at}' is unsupported")


def reasoning_goes_back(rule_of: str) -> Check:
    """Check that tool calls come with the reasoning before them.

    Args:
        rule_of: `deepseek`, where it may be empty, or `moonshot`.
    """

    def check(request: Request) -> None:
        for index, message in enumerate(messages_of(request)):
            if not calls_of(message):
                continue
            reasoning = message.get("reasoning_content")
            if rule_of == "deepseek" and not isinstance(reasoning, str):
                raise Refused(
                    DEEPSEEK,
                    "The `reasoning_content` in the thinking mode must be passed back to the API.",
                    code="invalid_request_error",
                )
            if rule_of == "moonshot" and not reasoning:
                raise Refused(
                    MOONSHOT,
                    "thinking is enabled but reasoning_content is missing in assistant tool call"
                    f" message at index {index}",
                )

    return check


def no_empty_answers(request: Request) -> None:
    for index, message in enumerate(messages_of(request)):
        if message["role"] == "assistant" and not calls_of(message) and not _text(message):
            raise Refused(
                MOONSHOT_EMPTY,
                f"Invalid request: the message at position {index} with role 'assistant' must not"
                " be empty",
            )


def thought_signature(model: str, call: dict[str, Any]) -> str:
    """The signature that Gemini gives one of its function calls."""
    function = call["function"]
    return digest("gemini", model, function["name"], json.loads(function["arguments"]))


def signatures(request: Request) -> None:
    messages = messages_of(request)
    last_user = max(
        (index for index, message in enumerate(messages) if message["role"] == "user"), default=-1
    )
    for index, message in enumerate(messages):
        calls = calls_of(message)
        if calls and index and messages[index - 1]["role"] not in ("user", "tool"):
            raise Refused(
                GEMINI_ORDER,
                "Please ensure that function call turn comes immediately after a user turn or after"
                " a function response turn.",
            )
        for number, call in enumerate(calls):
            extra = call.get("extra_content", {}).get("google", {})
            given = extra.get("thought_signature")
            if given and given not in (SKIP_SIGNATURE, thought_signature(request["model"], call)):
                raise Refused(FOREIGN_SIGNATURE, "Corrupted thought signature.")
            if index > last_user and number == 0 and not given:
                raise Refused(
                    SIGNATURE,
                    "Function call is missing a thought_signature in functionCall parts. This is"
                    " required for tools to work correctly, and missing thought_signature may lead"
                    " to degraded model performance. Additional data, function call"
                    f" `default_api:{call['function']['name']}` , position {index}.",
                )


def no_stream_options(request: Request) -> None:
    if "stream_options" in request:
        raise Refused(
            NO_STREAM_OPTIONS,
            "Unrecognized request argument supplied: stream_options",
        )
