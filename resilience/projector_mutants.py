"""Mutants of what makes requests: for each rule of a provider, a change that breaks it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change in the source of a module.

    Args:
        rule: The name of the rule that it breaks.
        module: The module, such as `dialects.turns`.
        code: What is there.
        instead: What the mutant has in each of its places.
    """

    rule: str
    module: str
    code: str
    instead: str


_TURNS = "dialects.turns"
_CHAT = "dialects.chat_completions"
_RESPONSES = "dialects.responses"
_ANTHROPIC = "dialects.anthropic_messages"
_PROFILES = "llm.profiles"


def _mutants(module: str, code: str, instead: str, *rules: str) -> tuple[Mutant, ...]:
    return tuple(Mutant(rule, module, code, instead) for rule in rules)


_OF_TURNS = (
    *_mutants(
        *(_TURNS, "    return repair_surrogates(text)", "    return text"),
        *("openai: the body is valid JSON", "responses: the body is valid JSON"),
        "anthropic: the body is valid JSON",
    ),
    *_mutants(
        *(_TURNS, 'f"call{self._calls:05}"', 'f"call{self._calls:050}"'),
        "openai: ids of tool calls have at most 40 characters",
    ),
    *_mutants(
        *(_TURNS, 'f"call{self._calls:05}"', 'f"call_{self._calls:05}"'),
        "mistral: ids of tool calls have nine characters",
    ),
    *_mutants(
        _TURNS,
        'return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "tool"',
        'return name[:64] or "tool"',
        *("openai: names of functions", "mistral: names of functions"),
        *("responses: names of functions", "anthropic: names of tools"),
    ),
    *_mutants(
        *(_TURNS, '"_", name)[:64]', '"_", name)'),
        "openai: names of functions have at most 64 characters",
    ),
    *_mutants(
        *(_TURNS, "(len(data) % 4 == 0 and bool(_BASE64.fullmatch(data)))", "True"),
        *("openai: images are readable", "responses: images are readable"),
        "anthropic: images are readable",
    ),
    *_mutants(
        _TURNS,
        "elif _ends_with_call(blocks) and not is_last:",
        "elif False:",
        "mistral: order of roles",
    ),
    *_mutants(
        _TURNS,
        'turns.append(Turn("user", (TextBlock(CONTINUE),)))',
        "pass",
        *("mistral: a user or tool message is last", "anthropic: no prefill"),
        "anthropic: a last answer ends without whitespace",
    ),
    *_mutants(
        _TURNS,
        "note = TextBlock(_NO_ANSWER.get(message.status, _NO_TEXT))",
        'note = TextBlock("")',
        "anthropic: text blocks are not empty",
    ),
    *_mutants(
        _TURNS,
        "note = TextBlock(_NO_ANSWER.get(message.status, _NO_TEXT))",
        'note = TextBlock(" ")',
        "anthropic: some text is not whitespace",
    ),
    *_mutants(
        *(_TURNS, "            blocks = [note]\n", "            blocks = []\n"),
        *("templates: turns alternate", "perplexity: turns alternate"),
        "templates: turns alternate, tool calls and results aside",
    ),
    *_mutants(
        _TURNS,
        'turns.insert(0, Turn("user", (TextBlock(NO_BEGINNING),)))',
        "pass",
        "anthropic: roles alternate (older versions)",
    ),
    *_mutants(
        *(_TURNS, 'if item["made_by"] == self._made_by', "if True"),
        *("gemini: thought signatures are its own", "responses: encrypted reasoning is its own"),
        "anthropic: signatures are the model's own",
    ),
    *_mutants(
        *(_TURNS, "    return kept[::-1]", "    return blocks"),
        "anthropic: an answer does not end with thinking",
    ),
)
_REQUEST = '{"model": model, "messages": messages, "stream": True}'
_OF_CHAT = (
    *_mutants(*(_CHAT, _REQUEST, _REQUEST[:-1] + ', "think": True}'), "openai: no unknown field"),
    *_mutants(
        *(_CHAT, '"messages": messages, "stream"', '"messages": [], "stream"'),
        "openai: at least one message",
    ),
    *_mutants(
        *(_CHAT, '{"role": "user", "content": _content', '{"role": "human", "content": _content'),
        "openai: known roles",
    ),
    *_mutants(
        *(_CHAT, '{"type": "text", "text": block.text}', '{"type": "input_text"}'),
        "openai: content is a string or parts",
    ),
    *_mutants(
        *(_CHAT, '"content": text_of_blocks(each.blocks)}', '"content": None}'),
        "openai: an assistant has content or tool calls",
    ),
    *_mutants(
        *(_CHAT, '"content": text_of_blocks(each.blocks)}', '"content": ""}'),
        "mistral: an assistant has content or tool calls",
        "moonshot: an assistant's message is not empty",
    ),
    *_mutants(
        *(_CHAT, "    if each.calls:\n", "    if True:\n"),
        "openai: tool calls are not an empty list",
    ),
    *_mutants(
        *(_CHAT, 'each.calls:\n        yield {"role"', 'each.calls[1:]:\n        yield {"role"'),
        *("openai: every tool call has its result", "mistral: as many results as calls"),
    ),
    *_mutants(
        *(_CHAT, '"tool_call_id": call.call_id', '"tool_call_id": call.original_id'),
        "openai: a tool message follows its call",
    ),
    *_mutants(
        *(
            _CHAT,
            '{"role": "user", "content": _content',
            '{"role": "assistant", "content": _content',
        ),
        *("openai: images only from users", "templates: at least one user message"),
    ),
    *_mutants(
        *(
            _CHAT,
            '    if has_tools:\n        request["tools"]',
            '    if True:\n        request["tools"]',
        ),
        "openai: tools are not an empty list",
    ),
    *_mutants(
        *(_CHAT, '"stream": True}', '"stream": False}'),
        "openai: stream options only with a stream",
    ),
    *_mutants(
        *(_CHAT, "min(options.max_tokens, most)", "0"),
        "openai: limits and temperature in their ranges",
    ),
    *_mutants(
        *(_CHAT, '"messages": messages,', '"messages": [*messages, *messages[:1]],'),
        "templates: the system message is first",
    ),
    *_mutants(
        *(_CHAT, "json.dumps(call.arguments)", "json.dumps([call.arguments])"),
        "ollama: arguments of tool calls are JSON objects",
    ),
    *_mutants(
        _CHAT,
        "    message: dict[str, Any] = {",
        '    yield {"role": "assistant", "content": "So."}\n    message: dict[str, Any] = {',
        "gemini: calls come right after a user's turn or results",
    ),
    *_mutants(
        *(_CHAT, '"stream": True}', '"stream": "yes"}'), "chat-completions: as the SDK types it"
    ),
)
_REASONING = "yield {name: value for name, value in block.item.items() if name not in ids}"
_OF_RESPONSES = (
    *_mutants(
        *(_RESPONSES, "    if texts:\n", "    if False:\n"),
        "responses: reasoning is followed by its item",
    ),
    *_mutants(
        *(_RESPONSES, '"store": False}', '"store": False, "think": True}'),
        "responses: no unknown field",
    ),
    *_mutants(
        *(_RESPONSES, 'request["max_output_tokens"]', 'request["max_tokens"]'),
        "responses: fields of chat completions have moved",
    ),
    *_mutants(*(_RESPONSES, '"input": items', '"input": []'), "responses: some input"),
    *_mutants(
        *(_RESPONSES, '"type": "input_text"', '"type": "output_text"'),
        "responses: types of content",
    ),
    *_mutants(
        *(_RESPONSES, _REASONING, 'yield {**block.item, "id": "item_1"}'),
        "responses: prefixes of ids",
    ),
    *_mutants(
        *(_RESPONSES, _REASONING, 'yield {**block.item, "id": "rs_" + "a" * 70}'),
        "responses: ids have at most 64 characters",
    ),
    *_mutants(
        *(_RESPONSES, _REASONING, 'yield {**block.item, "id": "rs:1"}'),
        "responses: characters of ids",
    ),
    *_mutants(
        *(_RESPONSES, _REASONING, "yield from (block.item, block.item)"),
        "responses: no item twice",
    ),
    *_mutants(
        *(
            _RESPONSES,
            "each.calls:\n        yield _output",
            "each.calls[1:]:\n        yield _output",
        ),
        "responses: every call has its output",
    ),
    *_mutants(
        _RESPONSES,
        "each.calls:\n        yield {\n",
        "each.calls[1:]:\n        yield {\n",
        "responses: every output has its call",
    ),
    *_mutants(
        *(_RESPONSES, "if name not in ids}", 'if name != "encrypted_content"}'),
        "responses: items are not stored",
    ),
    *_mutants(
        *(_RESPONSES, "if name not in ids}", 'if name != "summary"}'),
        "responses: reasoning has a summary",
    ),
    *_mutants(
        _RESPONSES,
        _REASONING,
        'yield {**block.item, "content": [{"type": "reasoning_text", "text": "So."}]}',
        "responses: reasoning has no content",
    ),
    *_mutants(
        *(_RESPONSES, "max(_LEAST_TOKENS, min(", "max(1, min("), "responses: at least 16 tokens"
    ),
    *_mutants(
        *(_RESPONSES, '"detail": "auto"', '"detail": "full"'), "responses: as the SDK types it"
    ),
)
_OF_ANTHROPIC = (
    *_mutants(
        *(
            _ANTHROPIC,
            '        "stream": True,\n',
            '        "stream": True,\n        "think": True,\n',
        ),
        "anthropic: no unknown field",
    ),
    *_mutants(
        _ANTHROPIC,
        "    if options.cache_key and profile.cache:\n",
        '    request["max_tokens"] = None\n    if False:\n',
        "anthropic: max_tokens is required",
    ),
    *_mutants(
        _ANTHROPIC,
        "    if options.cache_key and profile.cache:\n",
        '    request["messages"] = []\n    if False:\n',
        "anthropic: at least one message",
    ),
    *_mutants(
        *(_ANTHROPIC, '{"role": "user", "content": [_said', '{"role": "human", "content": [_said'),
        "anthropic: user and assistant",
    ),
    *_mutants(
        _ANTHROPIC,
        '"content": [block for block in content if block]}',
        '"content": [block for block in content if block and each.calls]}',
        "anthropic: messages have content",
    ),
    *_mutants(
        _ANTHROPIC,
        '{"role": "user", "content": [_result',
        '{"role": "assistant", "content": [_result',
        "anthropic: roles of blocks",
    ),
    *_mutants(
        *(_ANTHROPIC, '"id": block.call_id', '"id": block.original_id + "|"'),
        "anthropic: ids of tool uses",
    ),
    *_mutants(
        *(_ANTHROPIC, '"id": block.call_id', '"id": "call1"'),
        "anthropic: ids of tool uses are unique",
    ),
    *_mutants(
        *(_ANTHROPIC, '"input": block.arguments', '"input": [block.arguments]'),
        "anthropic: input of a tool is an object",
    ),
    *_mutants(
        *(_ANTHROPIC, '"tool_use_id": call.call_id', '"tool_use_id": "other"'),
        "anthropic: results right after their uses",
    ),
    *_mutants(
        _ANTHROPIC,
        "[_result(call) for call in each.calls]",
        '[*map(_result, each.calls), {**_result(each.calls[0]), "tool_use_id": "other"}]',
        "anthropic: every result has its use",
    ),
    *_mutants(
        *(
            _ANTHROPIC,
            '    if has_tools:\n        request["tools"]',
            '    if False:\n        request["tools"]',
        ),
        "anthropic: tools are defined where blocks use them",
    ),
    *_mutants(
        _ANTHROPIC,
        '    request["messages"][-1]["content"][-1]["cache_control"] = _CACHE',
        '    for message in request["messages"]:\n'
        '        message["content"][-1]["cache_control"] = _CACHE',
        "anthropic: at most four cache breakpoints",
    ),
    *_mutants(
        _ANTHROPIC,
        '    request["messages"][-1]["content"][-1]["cache_control"] = _CACHE',
        '    for message in request["messages"][:2]:\n'
        '        message["content"][0]["cache_control"] = _CACHE',
        "anthropic: cache breakpoints on blocks with content",
    ),
    *_mutants(
        *(_ANTHROPIC, 'if _lacks_thoughts(request["messages"]):', "if False:"),
        "anthropic: a tool turn begins with its thinking",
    ),
    *_mutants(
        *(_ANTHROPIC, "    if budget < _LEAST_BUDGET:", "    if budget < 0:"),
        "anthropic: budget of thinking",
    ),
    *_mutants(
        *(_ANTHROPIC, "min(options.temperature, 1.0)", "options.temperature"),
        "anthropic: temperature from 0 to 1",
    ),
    *_mutants(
        *(_ANTHROPIC, "profile.temperature and not thinks", "profile.temperature"),
        "anthropic: no temperature with thinking",
    ),
    *_mutants(
        _ANTHROPIC,
        'return {"thinking": {"type": "enabled", "budget_tokens": budget}}',
        'return {"thinking": {"type": "enabled", "budget_tokens": budget},'
        ' "output_config": {"effort": "low"}}',
        "anthropic: effort only for models that have it",
    ),
    *_mutants(
        *(_ANTHROPIC, 'result["is_error"] = True', 'result["is_error"] = "yes"'),
        "anthropic: as the SDK types it",
    ),
)
_OF_PROFILES = (
    *_mutants(
        *(_PROFILES, '_says("max_completion_tokens")', '_says("never said")'),
        "openai: reasoning models take max_completion_tokens",
    ),
    *_mutants(
        *(_PROFILES, "        _set(temperature=False),", "        _set(),"),
        "openai: reasoning models take no temperature",
        "responses: reasoning models take no temperature",
        "anthropic: newer models take no temperature",
    ),
    *_mutants(
        *(_PROFILES, "_set(system=False)", "_set()"),
        *("openai: first reasoning models take no system role", "templates: no system role"),
    ),
    *_mutants(
        *(_PROFILES, "_set(effort=False)", "_set()"),
        *("openai: effort only for reasoning models", "openai: efforts that the model knows"),
    ),
    *_mutants(
        *(_PROFILES, "_set(usage=False)", "_set()"),
        *("azure: no stream options in its older versions", "mistral: no unknown field"),
    ),
    *_mutants(
        *(
            _PROFILES,
            "    reasoning_content: bool = False\n",
            "    reasoning_content: bool = True\n",
        ),
        *("mistral: no unknown field of a message", "groq: no reasoning in messages"),
        "cerebras: no reasoning_content in messages",
    ),
    *_mutants(
        *(_PROFILES, "        _set(tools=False),", "        _set(),"),
        *("ollama: the model has no tools", "vllm: tools need a parser"),
    ),
    *_mutants(
        *(_PROFILES, "        _set(images=False),", "        _set(),"),
        "llama.cpp: the model reads no images",
    ),
    *_mutants(
        *(_TURNS, "not url.startswith(prefixes)", "not url"),
        "ollama: images as data",
    ),
    *_mutants(
        *(_PROFILES, "        _set(reasoning_content=True),", "        _set(),"),
        "deepseek: reasoning goes back with tool calls",
        "moonshot: reasoning goes back with tool calls",
    ),
    *_mutants(
        *(_PROFILES, "_set(signatures=True)", "_set()"),
        "gemini: thought signatures of the running turn",
    ),
    *_mutants(
        *(_PROFILES, "encrypted=thinks", "encrypted=True"),
        "responses: encrypted content only of reasoning models",
    ),
    *_mutants(
        *(_PROFILES, "_set(effort=False, summaries=False)", "_set()"),
        "responses: effort only for reasoning models",
    ),
    *_mutants(
        *(
            _PROFILES,
            'return ModelProfile(thinking="budget", effort=False)',
            "return ModelProfile()",
        ),
        "anthropic: adaptive or enabled thinking",
    ),
    *_mutants(
        *(_PROFILES, "history=not _BINDS.search(model)", "history=True"),
        "anthropic: signatures are of this conversation",
    ),
)

MUTANTS = (*_OF_TURNS, *_OF_CHAT, *_OF_RESPONSES, *_OF_ANTHROPIC, *_OF_PROFILES)
"""Every mutant."""
UNREACHED = {
    "responses: an item keeps its reasoning": "ids of messages and calls are not sent",
    "responses: files have a name and data": "files are named, not sent",
    "anthropic: block_binding needs its beta": "block_binding is not sent",
    "anthropic: key and version in headers": "headers are not the projector's",
    "azure: key and version of a deployment": "headers and URLs are not the projector's",
}
"""Rules about what no projector sends, and why."""
