"""Requests that a strict server accepts, and one or two that break each rule."""

from typing import Any

from testing.providers import anthropic_rules as anthropic
from testing.providers import chat_rules as openai
from testing.providers import responses_rules as responses
from testing.providers import server_rules as others
from testing.providers.anthropic_rules import BETA_BINDING
from testing.providers.rules import Request, Rule
from testing.providers.strict import SERVERS, TYPES

USER = {"role": "user", "content": "Hi"}
ASSISTANT = {"role": "assistant", "content": "Hello."}
SYSTEM = {"role": "system", "content": "Be brief."}
FUNCTION = {"name": "search", "description": "", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}
CALL_ID = "abcDEF123"
CALL = {"id": CALL_ID, "type": "function", "function": {"name": "search", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": CALL_ID, "content": "found"}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


PICTURE = {"role": "user", "content": [image("data:image/png;base64,iVBORw0KGgo=")]}


def chat(*messages: dict[str, Any], **fields: Any) -> Request:
    """A request for chat completions."""
    return {"model": "m", "messages": list(messages) or [USER], "stream": True, **fields}


def called(message: dict[str, Any] = CALLED, *more: dict[str, Any], **fields: Any) -> Request:
    """One with a tool call; its result, or `more` messages, follow."""
    return chat(USER, message, *(more or (RESULT,)), tools=[TOOL], **fields)


REASONING_ID, MESSAGE_ID, CALL_ITEM_ID = responses.item_ids(7)
SAID = {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
REASONING = {
    "type": "reasoning",
    "id": REASONING_ID,
    "summary": [],
    "encrypted_content": responses.encrypted("openai-responses", REASONING_ID),
}
SPOKEN = {
    "type": "message",
    "id": MESSAGE_ID,
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
}
FUNCTION_CALL = {"type": "function_call", "call_id": "c1", "name": "search", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "found"}


def respond(*items: dict[str, Any], **fields: Any) -> Request:
    """A request for Responses."""
    return {"model": "m", "input": list(items) or [SAID], "stream": True, "store": False, **fields}


TEXT = {"type": "text", "text": "Go on."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}
USE_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"}
USER_TOOL = {"name": "search", "input_schema": {"type": "object"}}
MARKED = {**TEXT, "cache_control": {"type": "ephemeral"}}
ENABLED = {"type": "enabled", "budget_tokens": 1_024}


def blocks(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def ask(*messages: dict[str, Any], **fields: Any) -> Request:
    """A request for Messages."""
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 4_096,
        "stream": True,
        "messages": list(messages) or [USER],
        **fields,
    }


def thought(**fields: Any) -> Request:
    """One that goes on after an answer with thinking; `fields` change what stood before it."""
    prefix = anthropic.prefix_digest(ask(), 1, [])
    signature = anthropic.sign("claude-opus-5-5", "So.", prefix)
    thinking = {"type": "thinking", "thinking": "So.", "signature": signature}
    return ask(USER, blocks("assistant", thinking, TEXT), USER, **fields)


def using(use: dict[str, Any] = USE, *results: dict[str, Any], **fields: Any) -> Request:
    """One with a use of a tool."""
    fields = {"tools": [USER_TOOL]} | fields
    return ask(
        USER, blocks("assistant", use), blocks("user", *(results or (USE_RESULT,))), **fields
    )


def changed(value: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**value, **fields}


def named(name: str) -> dict[str, Any]:
    return changed(CALL, function={"name": name, "arguments": "{}"})


def picture(kind: str, data: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": kind, "data": data}
    return blocks("user", {"type": "image", "source": source})


DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}

ACCEPTED: list[tuple[str, Request]] = [
    *(
        (name, chat(USER, ASSISTANT, USER))
        for name in SERVERS
        if SERVERS[name].dialect == "chat-completions"
    ),
    ("openai-chat", chat(SYSTEM, PICTURE, max_tokens=9, temperature=0.5)),
    ("openai-reasoning", chat(SYSTEM, USER, max_completion_tokens=9, reasoning_effort="low")),
    *((name, called()) for name in ("openai-chat", "mistral", "groq", "llama.cpp-ministral")),
    ("deepseek", called(changed(CALLED, reasoning_content=""))),
    ("moonshot", called(changed(CALLED, reasoning_content=" "))),
    ("gemini", chat(USER, changed(ASSISTANT, tool_calls=[CALL]), RESULT, ASSISTANT, USER)),
    ("openai-responses", respond(SAID, REASONING, SPOKEN, SAID, FUNCTION_CALL, OUTPUT)),
    ("openai-responses-chat", respond(temperature=0.5)),
    ("anthropic-5.5", thought()),
    ("anthropic-5.5", thought(system="New.", thinking=DROP, betas=[BETA_BINDING])),
    *((name, using()) for name in ("anthropic-4.5", "anthropic-4.6", "anthropic-5.5")),
    ("anthropic-4.5", ask(temperature=1.0, thinking=ENABLED)),
]

REFUSED: list[tuple[Rule, str, Request]] = [
    (openai.UNICODE, "openai-chat", chat(changed(USER, content="\ud800"))),
    (openai.FIELDS, "openai-chat", chat(think=True)),
    (openai.FIELDS, "openai-chat", chat(USER, changed(ASSISTANT, reasoning_content="So."), USER)),
    (openai.MESSAGES, "openai-chat", changed(chat(), messages=[])),
    (openai.ROLES, "openai-chat", chat(changed(USER, role="model"))),
    (openai.CONTENT, "openai-chat", chat(changed(USER, content=[]))),
    (openai.CONTENT, "openai-chat", chat(changed(USER, content=[{"type": "input_text"}]))),
    (openai.NO_CONTENT, "openai-chat", chat(USER, changed(ASSISTANT, content=None), USER)),
    (openai.EMPTY_CALLS, "openai-chat", chat(USER, changed(ASSISTANT, tool_calls=[]), USER)),
    (
        openai.CALL_IDS,
        "openai-chat",
        called(
            changed(CALLED, tool_calls=[changed(CALL, id="c" * 41)]),
            changed(RESULT, tool_call_id="c" * 41),
        ),
    ),
    (openai.NAMES, "openai-chat", called(changed(CALLED, tool_calls=[named("a b")]))),
    (openai.NAME_LENGTH, "openai-chat", called(changed(CALLED, tool_calls=[named("a" * 65)]))),
    (openai.RESULTS, "openai-chat", called(CALLED, USER)),
    (openai.RESULTS, "openai-chat", chat(USER, CALLED)),
    (openai.STRAY_RESULT, "openai-chat", chat(USER, RESULT)),
    (openai.IMAGE_ROLE, "openai-chat", chat(USER, changed(PICTURE, role="assistant"), USER)),
    (openai.IMAGE, "openai-chat", chat(changed(USER, content=[image("/api/files/1")]))),
    (openai.IMAGE, "openai-chat", chat(changed(USER, content=[image("data:image/png;base64,!")]))),
    (openai.TOOLS, "openai-chat", chat(tools=[])),
    (openai.TOOLS, "openai-chat", chat(tool_choice="auto")),
    (openai.STREAM_OPTIONS, "openai-chat", chat(stream=False, stream_options={})),
    (openai.LIMITS, "openai-chat", chat(max_tokens=0)),
    (openai.LIMITS, "openai-chat", chat(temperature=2.5)),
    (openai.MAX_TOKENS, "openai-reasoning", chat(max_tokens=9)),
    (openai.TEMPERATURE, "openai-reasoning", chat(temperature=0.5)),
    (openai.SYSTEM, "openai-o1-mini", chat(SYSTEM, USER)),
    (openai.EFFORT, "openai-chat", chat(reasoning_effort="low")),
    (openai.EFFORT_VALUE, "openai-reasoning", chat(reasoning_effort="max")),
    (others.NO_STREAM_OPTIONS, "azure", chat(stream_options={"include_usage": True})),
    (others.MISTRAL_FIELDS, "mistral", chat(max_completion_tokens=9)),
    (
        others.MISTRAL_MESSAGE_FIELDS,
        "mistral",
        chat(USER, changed(ASSISTANT, reasoning_content="So."), USER),
    ),
    (
        others.MISTRAL_IDS,
        "mistral",
        called(
            changed(CALLED, tool_calls=[changed(CALL, id="call_1")]),
            changed(RESULT, tool_call_id="call_1"),
        ),
    ),
    (others.MISTRAL_NAMES, "mistral", called(changed(CALLED, tool_calls=[named("a b")]))),
    (others.MISTRAL_ORDER, "mistral", called(CALLED, RESULT, USER)),
    (others.MISTRAL_LAST, "mistral", chat(USER, ASSISTANT)),
    (others.MISTRAL_EMPTY, "mistral", chat(USER, changed(ASSISTANT, content=""), USER)),
    (
        others.MISTRAL_COUNT,
        "mistral",
        called(changed(CALLED, tool_calls=[CALL, changed(CALL, id="abcDEF124")]), RESULT),
    ),
    (others.ALTERNATE, "vllm-gemma", chat(USER, USER)),
    (others.ALTERNATE, "vllm-gemma", chat(ASSISTANT, USER)),
    (
        others.ALTERNATE_WITH_TOOLS,
        "llama.cpp-ministral",
        called(CALLED, RESULT, ASSISTANT, ASSISTANT),
    ),
    (others.NO_SYSTEM, "vllm-gemma", chat(SYSTEM, USER)),
    (others.SYSTEM_FIRST, "llama.cpp-qwen", chat(USER, SYSTEM, USER)),
    (others.A_USER, "llama.cpp-qwen", chat(SYSTEM, ASSISTANT)),
    (others.PERPLEXITY, "perplexity", chat(SYSTEM, USER, USER)),
    (others.PERPLEXITY, "perplexity", chat(SYSTEM, USER, ASSISTANT)),
    (others.NO_TOOLS, "ollama-gemma", chat(tools=[TOOL])),
    (others.NO_TOOL_PARSER, "vllm-gemma", chat(tools=[TOOL])),
    (others.NO_IMAGES, "llama.cpp-ministral", chat(PICTURE)),
    (others.IMAGE_URL, "ollama-gemma", chat(changed(USER, content=[image("https://a.b/c.png")]))),
    (
        others.OLLAMA_ARGUMENTS,
        "ollama-qwen",
        chat(
            USER,
            changed(CALLED, tool_calls=[changed(CALL, function={"name": "a", "arguments": "["})]),
            RESULT,
        ),
    ),
    (others.GROQ, "groq", chat(USER, changed(ASSISTANT, reasoning_content="So."), USER)),
    (others.CEREBRAS, "cerebras", chat(USER, changed(ASSISTANT, reasoning_content="So."), USER)),
    (others.DEEPSEEK, "deepseek", called()),
    (others.MOONSHOT, "moonshot", called(changed(CALLED, reasoning_content=""))),
    (others.MOONSHOT_EMPTY, "moonshot", chat(USER, changed(ASSISTANT, content=""), USER)),
    (others.SIGNATURE, "gemini", called()),
    (
        others.FOREIGN_SIGNATURE,
        "gemini",
        called(
            changed(
                CALLED,
                tool_calls=[
                    changed(CALL, extra_content={"google": {"thought_signature": "foreign"}})
                ],
            )
        ),
    ),
    (others.GEMINI_ORDER, "gemini", called(ASSISTANT, CALLED, RESULT)),
    (responses.UNICODE, "openai-responses", respond(changed(SAID, content="\ud800"))),
    (responses.FIELDS, "openai-responses", respond(think=True)),
    (responses.MOVED, "openai-responses", respond(max_tokens=99)),
    (responses.EMPTY, "openai-responses", changed(respond(), input=[])),
    (responses.CONTENT_TYPES, "openai-responses", respond(changed(SAID, role="assistant"))),
    (responses.ID_PREFIX, "openai-responses", respond(SAID, changed(SPOKEN, id="item_1"), SAID)),
    (responses.ID_LENGTH, "openai-responses", respond(SAID, changed(SPOKEN, id="msg_" + "a" * 61))),
    (responses.ID_CHARACTERS, "openai-responses", respond(SAID, changed(SPOKEN, id="msg:1"))),
    (responses.DUPLICATE, "openai-responses", respond(SAID, REASONING, SPOKEN, REASONING, SPOKEN)),
    (responses.NO_OUTPUT, "openai-responses", respond(SAID, FUNCTION_CALL)),
    (responses.NO_CALL, "openai-responses", respond(SAID, OUTPUT)),
    (responses.NO_CALL, "openai-responses", respond(SAID, OUTPUT, FUNCTION_CALL)),
    (responses.ALONE, "openai-responses", respond(SAID, REASONING, SAID)),
    (responses.WITHOUT, "openai-responses", respond(SAID, SPOKEN, SAID)),
    (
        responses.NOT_STORED,
        "openai-responses",
        respond(SAID, changed(REASONING, encrypted_content=None), SPOKEN),
    ),
    (
        responses.ENCRYPTED,
        "openai-responses",
        respond(SAID, changed(REASONING, encrypted_content="foreign"), SPOKEN),
    ),
    (
        responses.SUMMARY,
        "openai-responses",
        respond(SAID, {k: v for k, v in REASONING.items() if k != "summary"}, SPOKEN),
    ),
    (
        responses.REASONING_CONTENT,
        "openai-responses",
        respond(
            SAID, changed(REASONING, content=[{"type": "reasoning_text", "text": "So."}]), SPOKEN
        ),
    ),
    (
        responses.NAMES,
        "openai-responses",
        respond(SAID, changed(FUNCTION_CALL, name="a b"), OUTPUT),
    ),
    (
        responses.IMAGE,
        "openai-responses",
        respond(
            changed(
                SAID, content=[{"type": "input_image", "detail": "auto", "image_url": "/a.png"}]
            )
        ),
    ),
    (
        responses.FILE,
        "openai-responses",
        respond(
            changed(
                SAID, content=[{"type": "input_file", "file_data": "data:text/plain;base64,YQ=="}]
            )
        ),
    ),
    (responses.MIN_TOKENS, "openai-responses", respond(max_output_tokens=15)),
    (responses.TEMPERATURE, "openai-responses", respond(temperature=0.5)),
    (responses.INCLUDE, "openai-responses-chat", respond(include=["reasoning.encrypted_content"])),
    (responses.EFFORT, "openai-responses-chat", respond(reasoning={"effort": "low"})),
    (anthropic.UNICODE, "anthropic-5.5", ask(changed(USER, content="\ud800"))),
    (anthropic.FIELDS, "anthropic-5.5", ask(reasoning_effort="low")),
    (anthropic.MAX_TOKENS, "anthropic-5.5", {"model": "m", "messages": [USER]}),
    (anthropic.MESSAGES, "anthropic-5.5", changed(ask(), messages=[])),
    (anthropic.ROLES, "anthropic-5.5", ask(SYSTEM, USER)),
    (anthropic.ALTERNATE, "anthropic-4.5", ask(USER, USER)),
    (anthropic.ALTERNATE, "anthropic-4.5", ask(ASSISTANT, USER)),
    (anthropic.NO_CONTENT, "anthropic-5.5", ask(USER, blocks("assistant"), USER)),
    (anthropic.EMPTY_TEXT, "anthropic-5.5", ask(blocks("user", TEXT, changed(TEXT, text="")))),
    (anthropic.EMPTY_TEXT, "anthropic-5.5", ask(system=[changed(TEXT, text="")])),
    (anthropic.BLANK_TEXT, "anthropic-5.5", ask(changed(USER, content=" \n"))),
    (anthropic.TRAILING, "anthropic-4.5", ask(USER, changed(ASSISTANT, content="Hello. "))),
    (anthropic.PREFILL, "anthropic-5.5", ask(USER, ASSISTANT)),
    (anthropic.USE_ROLE, "anthropic-5.5", ask(blocks("user", USE), tools=[USER_TOOL])),
    (
        anthropic.USE_ROLE,
        "anthropic-5.5",
        ask(USER, changed(picture("image/png", "iVBORw0KGgo="), role="assistant"), USER),
    ),
    (anthropic.USE_ID, "anthropic-5.5", using(changed(USE, id="a|b"))),
    (
        anthropic.USE_UNIQUE,
        "anthropic-5.5",
        ask(
            USER,
            blocks("assistant", USE),
            blocks("user", USE_RESULT),
            blocks("assistant", USE),
            blocks("user", USE_RESULT),
            tools=[USER_TOOL],
        ),
    ),
    (anthropic.USE_INPUT, "anthropic-5.5", using(changed(USE, input=[1]))),
    (anthropic.USE_NAME, "anthropic-5.5", using(changed(USE, name="a b"))),
    (anthropic.RESULTS, "anthropic-5.5", using(USE, TEXT, USE_RESULT)),
    (anthropic.STRAY_RESULT, "anthropic-5.5", ask(blocks("user", USE_RESULT), tools=[USER_TOOL])),
    (anthropic.NO_TOOLS, "anthropic-5.5", using(tools=[])),
    (anthropic.IMAGE, "anthropic-5.5", ask(picture("image/svg+xml", "PHN2Zz4="))),
    (anthropic.IMAGE, "anthropic-5.5", ask(picture("image/png", "!"))),
    (anthropic.CACHE_COUNT, "anthropic-5.5", ask(blocks("user", *(MARKED,) * 5))),
    (anthropic.CACHE_PLACE, "anthropic-5.5", ask(blocks("user", TEXT, changed(MARKED, text=" ")))),
    (
        anthropic.SIGNATURE,
        "anthropic-5.5",
        ask(
            USER,
            blocks(
                "assistant", {"type": "thinking", "thinking": "So.", "signature": "foreign"}, TEXT
            ),
            USER,
        ),
    ),
    (anthropic.BOUND, "anthropic-5.5", thought(system="New.")),
    (anthropic.BETA, "anthropic-5.5", thought(thinking=DROP)),
    (anthropic.THINKING_FIRST, "anthropic-4.5", using(thinking=ENABLED)),
    (
        anthropic.THINKING_LAST,
        "anthropic-5.5",
        ask(USER, blocks("assistant", {"type": "redacted_thinking", "data": "x"}), USER),
    ),
    (anthropic.THINKING_KIND, "anthropic-5.5", ask(thinking=ENABLED)),
    (anthropic.THINKING_KIND, "anthropic-4.5", ask(thinking={"type": "adaptive"})),
    (anthropic.BUDGET, "anthropic-4.5", ask(thinking=changed(ENABLED, budget_tokens=99))),
    (anthropic.BUDGET, "anthropic-4.5", ask(thinking=ENABLED, max_tokens=1_024)),
    (anthropic.TEMPERATURE, "anthropic-4.5", ask(temperature=1.5)),
    (anthropic.TEMPERATURE_THINKING, "anthropic-4.5", ask(temperature=0.5, thinking=ENABLED)),
    (anthropic.NO_TEMPERATURE, "anthropic-5.5", ask(temperature=0.5)),
    (anthropic.EFFORT, "anthropic-4.5", ask(output_config={"effort": "low"})),
    (TYPES["chat-completions"], "openai-chat", chat(parallel_tool_calls="yes")),
    (
        TYPES["chat-completions"],
        "openai-chat",
        chat(changed(USER, content=[{"type": "text", "text": "Hi", "cache_control": {}}])),
    ),
    (TYPES["responses"], "openai-responses", respond(changed(SAID, status="done"))),
    (TYPES["anthropic"], "anthropic-5.5", ask(blocks("user", changed(TEXT, id="1")))),
]
"""The rule that a request breaks, the server that refuses it, and the request."""
