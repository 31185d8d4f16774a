"""What Anthropic's Messages refuse."""

import re
from collections.abc import Iterator
from typing import Any

from testing.providers.rules import (
    IMAGE_TYPES,
    Check,
    Refused,
    Request,
    digest,
    has_lone_surrogate,
    is_base64,
    rule,
)

_TYPES = "https://github.com/anthropics/anthropic-sdk-python/blob/main/src/anthropic/types"
_DOCS = "https://platform.claude.com/docs/en/build-with-claude"
UNICODE = rule(
    "anthropic: the body is valid JSON", "https://github.com/anthropics/claude-code/issues/3277"
)
FIELDS = rule(
    "anthropic: no unknown field", "https://github.com/anthropics/claude-code/issues/4378"
)
MAX_TOKENS = rule("anthropic: max_tokens is required", f"{_TYPES}/message_create_params.py")
MESSAGES = rule("anthropic: at least one message", f"{_TYPES}/message_create_params.py")
ROLES = rule("anthropic: user and assistant", f"{_TYPES}/message_create_params.py")
ALTERNATE = rule(
    "anthropic: roles alternate (older versions)", "https://github.com/etkecc/baibot/issues/13"
)
NO_CONTENT = rule(
    "anthropic: messages have content", "https://github.com/anthropics/claude-code/issues/6774"
)
EMPTY_TEXT = rule(
    "anthropic: text blocks are not empty", "https://github.com/BerriAI/litellm/pull/22979"
)
BLANK_TEXT = rule(
    "anthropic: some text is not whitespace",
    "https://github.com/experientiallabs/experiential/pull/804",
)
TRAILING = rule(
    "anthropic: a last answer ends without whitespace",
    "https://github.com/tailcallhq/forgecode/issues/1872",
)
PREFILL = rule("anthropic: no prefill", "https://github.com/anomalyco/opencode/issues/13768")
USE_ROLE = rule("anthropic: roles of blocks", "https://github.com/tghamm/Anthropic.SDK/issues/184")
USE_ID = rule("anthropic: ids of tool uses", "https://github.com/HKUDS/nanobot/pull/4356")
USE_UNIQUE = rule(
    "anthropic: ids of tool uses are unique", "https://github.com/anomalyco/opencode/issues/1279"
)
USE_INPUT = rule("anthropic: input of a tool is an object", f"{_TYPES}/tool_use_block_param.py")
USE_NAME = rule("anthropic: names of tools", f"{_TYPES}/tool_param.py")
RESULTS = rule(
    "anthropic: results right after their uses",
    "https://github.com/anthropics/anthropic-sdk-typescript/issues/653",
)
STRAY_RESULT = rule(
    "anthropic: every result has its use",
    "https://github.com/router-for-me/CLIProxyAPI/issues/497",
)
NO_TOOLS = rule(
    "anthropic: tools are defined where blocks use them",
    "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview",
)
IMAGE = rule(
    "anthropic: images are readable", "https://github.com/anthropics/claude-code/issues/3073"
)
CACHE_COUNT = rule(
    "anthropic: at most four cache breakpoints", "https://github.com/tghamm/Anthropic.SDK/issues/50"
)
CACHE_PLACE = rule("anthropic: cache breakpoints on blocks with content", f"{_DOCS}/prompt-caching")
SIGNATURE = rule(
    "anthropic: signatures are the model's own",
    "https://github.com/vybestack/llxprt-code/issues/2335",
)
BOUND = rule(
    "anthropic: signatures are of this conversation",
    f"{_DOCS}/preserved-thinking/fix-bound-to-a-different-conversation",
)
BETA = rule("anthropic: block_binding needs its beta", f"{_DOCS}/preserved-thinking")
THINKING_FIRST = rule(
    "anthropic: a tool turn begins with its thinking", "https://github.com/n8n-io/n8n/issues/22550"
)
THINKING_LAST = rule(
    "anthropic: an answer does not end with thinking",
    "https://github.com/tailcallhq/forgecode/issues/2107",
)
THINKING_KIND = rule(
    "anthropic: adaptive or enabled thinking", "https://github.com/earendil-works/pi/issues/3297"
)
BUDGET = rule("anthropic: budget of thinking", f"{_TYPES}/thinking_config_enabled_param.py")
TEMPERATURE = rule("anthropic: temperature from 0 to 1", f"{_TYPES}/message_create_params.py")
TEMPERATURE_THINKING = rule(
    "anthropic: no temperature with thinking", "https://github.com/mnfst/modelparams.dev/issues/214"
)
NO_TEMPERATURE = rule(
    "anthropic: newer models take no temperature",
    "https://github.com/UKGovernmentBEIS/inspect_ai/issues/3721",
)
EFFORT = rule("anthropic: effort only for models that have it", f"{_DOCS}/effort")

BETA_BINDING = "thinking-binding-controls-2026-08-01"
_OF_ASSISTANTS = ("tool_use", "thinking", "redacted_thinking")
_OF_USERS = ("tool_result", "image", "document")


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """The blocks of a content; a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def blocks_in(request: Request) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """Each block of the messages: index of the message and of the block, role, block."""
    for index, message in enumerate(request["messages"]):
        for number, block in enumerate(blocks_of(message["content"])):
            yield index, number, message["role"], block


def unicode_text(request: Request) -> None:
    if has_lone_surrogate(request):
        raise Refused(
            UNICODE,
            "The request body is not valid JSON: no low surrogate in string: line 1 column 90",
        )


def known_fields(known: frozenset[str]) -> Check:
    def check(request: Request) -> None:
        for name in request:
            if name not in known:
                raise Refused(FIELDS, f"{name}: Extra inputs are not permitted")

    return check


def shape(request: Request) -> None:
    if not isinstance(request.get("max_tokens"), int):
        raise Refused(MAX_TOKENS, "max_tokens: Field required")
    if not request.get("messages"):
        raise Refused(MESSAGES, "messages: at least one message is required")
    for message in request["messages"]:
        if message["role"] not in ("user", "assistant"):
            raise Refused(
                ROLES,
                f'messages: Unexpected role "{message["role"]}". The Messages API accepts a'
                ' top-level `system` parameter, not "system" as an input message role.',
            )


def alternation(request: Request) -> None:
    before = ""
    for message in request["messages"]:
        if message["role"] == before:
            raise Refused(
                ALTERNATE,
                'messages: roles must alternate between "user" and "assistant", but found multiple'
                f' "{before}" roles in a row',
            )
        before = message["role"]
    if request["messages"][0]["role"] != "user":
        raise Refused(ALTERNATE, 'messages: first message must use the "user" role')


def texts(request: Request) -> None:
    messages = request["messages"]
    for index, message in enumerate(messages):
        blocks = blocks_of(message["content"])
        is_last_answer = index == len(messages) - 1 and message["role"] == "assistant"
        if (not blocks or message["content"] == "") and not is_last_answer:
            raise Refused(
                NO_CONTENT,
                f"messages.{index}: all messages must have non-empty content except for the"
                " optional final assistant message",
            )
        _check_texts("messages", blocks)
    if request.get("system"):
        _check_texts("system", blocks_of(request["system"]))
    last = blocks_of(messages[-1]["content"])
    if messages[-1]["role"] == "assistant" and last and last[-1]["type"] == "text":
        text = last[-1]["text"]
        if text != text.rstrip():
            raise Refused(
                TRAILING, "messages: final assistant content cannot end with trailing whitespace"
            )


def _check_texts(where: str, blocks: list[dict[str, Any]]) -> None:
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    if "" in texts:
        raise Refused(EMPTY_TEXT, f"{where}: text content blocks must be non-empty")
    if texts and len(texts) == len(blocks) and not "".join(texts).strip():
        raise Refused(BLANK_TEXT, f"{where}: text content blocks must contain non-whitespace text")


def no_prefill(request: Request) -> None:
    if request["messages"][-1]["role"] == "assistant":
        raise Refused(
            PREFILL,
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message.",
        )


def roles_of_blocks(request: Request) -> None:
    for index, _, role, block in blocks_in(request):
        kind = block["type"]
        if kind in _OF_ASSISTANTS and role != "assistant":
            raise Refused(
                USE_ROLE, f"messages.{index}: `{kind}` blocks can only be in `assistant` messages"
            )
        if kind in _OF_USERS and role != "user":
            raise Refused(
                USE_ROLE, f"messages.{index}: `{kind}` blocks can only be in `user` messages"
            )


def tools(request: Request) -> None:
    seen: set[str] = set()
    for index, number, _, block in blocks_in(request):
        at = f"messages.{index}.content.{number}"
        if block["type"] in ("tool_use", "tool_result") and not request.get("tools"):
            raise Refused(
                NO_TOOLS,
                "Requests which include `tool_use` or `tool_result` blocks must define tools",
            )
        if block["type"] != "tool_use":
            continue
        if not re.fullmatch("[a-zA-Z0-9_-]+", block["id"]):
            raise Refused(
                USE_ID, f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            )
        if block["id"] in seen:
            raise Refused(USE_UNIQUE, f"{at}: `tool_use` ids must be unique")
        seen.add(block["id"])
        if not isinstance(block["input"], dict):
            raise Refused(USE_INPUT, f"{at}.tool_use.input: Input should be a valid dictionary")
        _check_name(f"{at}.tool_use.name", block["name"], 200)
    for index, tool in enumerate(request.get("tools") or ()):
        _check_name(f"tools.{index}.custom.name", tool["name"], 128)


def _check_name(at: str, name: str, most: int) -> None:
    if not re.fullmatch(f"[a-zA-Z0-9_-]{{1,{most}}}", name):
        raise Refused(USE_NAME, f"{at}: String should match pattern '^[a-zA-Z0-9_-]{{1,{most}}}$'")


def results(request: Request) -> None:
    """The results of all uses of a message open the next message, and stand nowhere else."""
    messages = merged(request["messages"])
    for index, message in enumerate(messages):
        uses = [b["id"] for b in message["content"] if b["type"] == "tool_use"]
        after = messages[index + 1]["content"] if index + 1 < len(messages) else []
        opening = 0
        while opening < len(after) and after[opening]["type"] == "tool_result":
            opening += 1
        answered = [block["tool_use_id"] for block in after[:opening]]
        if missing := [use for use in uses if use not in answered]:
            raise Refused(
                RESULTS,
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks"
                f" immediately after: {', '.join(missing)}. Each `tool_use` block must have a"
                " corresponding `tool_result` block in the next message.",
            )
        for number, block in enumerate(after):
            if block["type"] == "tool_result" and block["tool_use_id"] not in uses:
                _stray(index + 1, number, block)
    for number, block in enumerate(messages[0]["content"]):
        if block["type"] == "tool_result":
            _stray(0, number, block)


def _stray(index: int, number: int, block: dict[str, Any]) -> None:
    raise Refused(
        STRAY_RESULT,
        f"messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result`"
        f" blocks: {block['tool_use_id']}. Each `tool_result` block must have a corresponding"
        " `tool_use` block in the previous message.",
    )


def merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages as turns: the service combines neighbours of one role."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        blocks = blocks_of(message["content"])
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message["role"], "content": blocks})
    return turns


def images(request: Request) -> None:
    for index, number, _, block in blocks_in(request):
        if block["type"] not in ("image", "document"):
            continue
        source = block["source"]
        at = f"messages.{index}.content.{number}.{block['type']}.source"
        kinds = IMAGE_TYPES if block["type"] == "image" else ("application/pdf",)
        if source["type"] == "base64" and source["media_type"] not in kinds:
            words = ", ".join(f"'{kind}'" for kind in kinds)
            raise Refused(IMAGE, f"{at}.base64.media_type: Input should be {words}")
        if source["type"] == "base64" and not is_base64(source["data"]):
            raise Refused(IMAGE, f"{at}.base64: invalid base64 data")
        if source["type"] == "url" and not re.match(r"https://[^\s/]+", source["url"]):
            raise Refused(IMAGE, f"{at}.url: Only HTTPS URLs are supported.")


def cache_breakpoints(request: Request) -> None:
    marked = [
        block
        for block in (
            *(block for _, _, _, block in blocks_in(request)),
            *blocks_of(request.get("system")),
            *(request.get("tools") or ()),
        )
        if block.get("cache_control")
    ]
    count = len(marked) + bool(request.get("cache_control"))
    if count > 4:
        raise Refused(
            CACHE_COUNT,
            f"A maximum of 4 blocks with cache_control may be provided. Found {count}.",
        )
    for block in marked:
        if block.get("type") in ("thinking", "redacted_thinking"):
            raise Refused(
                CACHE_PLACE, "messages: thinking.cache_control: Extra inputs are not permitted"
            )
        if block.get("type") == "text" and not block["text"].strip():
            raise Refused(CACHE_PLACE, "cache_control cannot be set for empty text blocks")


def prefix_digest(request: Request, index: int, before: list[dict[str, Any]]) -> str:
    """The fingerprint of everything before a block.

    Args:
        request: With the messages.
        index: How many messages stand before that of the block.
        before: The blocks before it in its own message.
    """
    turns = merged([*request["messages"][:index], {"role": "assistant", "content": before}])
    system = blocks_of(request.get("system"))
    return digest(_unmarked([system, request.get("tools") or [], turns]))


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if isinstance(value, dict):
        return {key: _unmarked(each) for key, each in value.items() if key != "cache_control"}
    return value


def sign(model: str, thinking: str, prefix: str) -> str:
    """The signature of a thinking block."""
    return f"{digest('thinking', model, thinking)}.{prefix}"


def signatures(*, preserved: bool) -> Check:
    """Check that thinking blocks are the model's own and as they were.

    Args:
        preserved: Whether they are bound to what stands before them, too.
    """

    def check(request: Request) -> None:
        binding = (request.get("thinking") or {}).get("block_binding") or {}
        drops = binding.get("prefix_mismatch_behavior") == "drop_block"
        if binding and BETA_BINDING not in request.get("betas", ()):
            raise Refused(BETA, "thinking.adaptive.block_binding: Extra inputs are not permitted")
        for index, number, _, block in blocks_in(request):
            if block["type"] not in ("thinking", "redacted_thinking"):
                continue
            at = f"messages.{index}.content.{number}"
            text = block.get("thinking", "")
            given = block["signature"] if block["type"] == "thinking" else block["data"]
            own, _, prefix = given.partition(".")
            if own != sign(request["model"], text, "").partition(".")[0]:
                raise Refused(SIGNATURE, f"{at}: Invalid `signature` in `thinking` block")
            before = blocks_of(request["messages"][index]["content"])[:number]
            if preserved and not drops and prefix != prefix_digest(request, index, before):
                raise Refused(
                    BOUND,
                    f"{at}: Invalid `signature` in `thinking` block. The block is bound to a"
                    " different conversation. Remove the block, or set"
                    ' `thinking.block_binding.prefix_mismatch_behavior` to "drop_block". That'
                    f" setting requires the `{BETA_BINDING}` value in the `anthropic-beta` header.",
                )

    return check


def thinking_order(request: Request) -> None:
    for index, message in enumerate(merged(request["messages"])):
        if (
            message["role"] == "assistant"
            and message["content"][-1:]
            and (message["content"][-1]["type"] in ("thinking", "redacted_thinking"))
        ):
            raise Refused(
                THINKING_LAST,
                f"messages.{index}: The final block in an assistant message cannot be `thinking`.",
            )


def thinking_opens_tool_turn(request: Request) -> None:
    """With a budget of thinking, the running tool turn begins with the thinking before it."""
    turns = merged(request["messages"])
    if (request.get("thinking") or {}).get("type") != "enabled" or len(turns) < 2:
        return
    if not any(block["type"] == "tool_result" for block in turns[-1]["content"]):
        return
    first = turns[-2]["content"][0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise Refused(
            THINKING_FIRST,
            f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`,"
            f" but found `{first}`. When `thinking` is enabled, a final `assistant` message must"
            " start with a thinking block (preceeding the lastmost set of `tool_use` and"
            " `tool_result` blocks). We recommend you include thinking blocks from previous turns."
            " To avoid this requirement, disable `thinking`.",
        )
