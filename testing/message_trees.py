"""Generated threads: trees of messages that any mix of models wrote.

An answer is made as the program makes it: its branch is projected, a strict server answers, and the
stream is decoded and folded, whole or cut off. So what is stored beside the parts is what that
provider will look for. Other messages are imported: no provider's rule has ever held for them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from chat_app.core.events import (
    Event,
    TextDelta,
    TextResumed,
    ToolCallDelta,
    ToolResult,
    events_of,
    fold,
)
from chat_app.core.parts import NativeItem, Part
from chat_app.llm.base import (
    CallOptions,
    Effort,
    PromptMessage,
    ProviderError,
    Tool,
    text_message,
)
from chat_app.llm.dialects.anthropic_messages import AnthropicDecoder
from chat_app.llm.dialects.chat_completion_stream import ChatCompletionDecoder
from chat_app.llm.dialects.responses import ResponsesDecoder
from chat_app.llm.sse import SSEParser
from chat_app.runs.compact import summary_message
from testing.providers.server import Answer, Call
from testing.strict_models import Target

_DECODERS = {
    "chat-completions": ChatCompletionDecoder,
    "responses": ResponsesDecoder,
    "anthropic": AnthropicDecoder,
}
_PNG = "data:image/png;base64,iVBORw0KGgo="
_TEXTS = (
    *("Hello.", "Why?", "word " * 40, "Ends with space ", "# Title\n\n- a\n- b\n", "[DONE]", "{}"),
    *(
        "",
        " ",
        "\n\n",
        "\t",
        "\x00\x7f",
        "\ud83d",
        "a\udc00b",
        "\N{GRINNING FACE}",
        "\ufeff",
        "עברית",
    ),
    *("<think>no</think>", "</think>", "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}", "e\u0301"),
)
_FILES = (
    (_PNG, "image/png", "a.png"),
    ("data:image/jpeg;base64,/9j/4AAQ", "image/jpeg", "b.jpg"),
    ("https://files.example/c.webp", "image/webp", "c.webp"),
    ("http://files.example/d.gif", "image/gif", "d.gif"),
    ("/api/files/1", "image/png", "e.png"),
    ("data:image/png;base64,no!", "image/png", "f.png"),
    ("data:image/png;base64,", "image/png", ""),
    ("data:image/svg+xml;base64,PHN2Zz4=", "image/svg+xml", "g.svg"),
    ("data:image/svg+xml;base64,PHN2Zz4=", "image/png", "h.png"),
    ("data:application/pdf;base64,JVBERi0=", "application/pdf", "i.pdf"),
    ("https://files.example/j.txt", "text/plain", "j \ud800.txt"),
    ("https://", "image/png", "k.png"),
    ("", "", ""),
)
_ARGUMENTS = ("{}", '{"q": "a"}', '{"q": "\\ud800"}', "", "{", "[1]", "null", '"a"', "1e999", "NaN")
_RESULTS = (None, "", " ", "found", {"a": [1, {"b": None}]}, [], 0, -1.5, 10**400, "\ud800", True)
_CALL_IDS = ("call_1", "toolu_01", "functions.search:0", "a|b", "", "c" * 80, "Zz9Yy8Xx7")
_TOOL_NAMES = ("search", "read_file", "run-code", "näme", "a b", "x" * 80, "")
_STATUSES = ("complete", "stopped", "failed", "interrupted", "revoked")
_TOOLS = (
    Tool("search", "Finds pages.", {"type": "object", "properties": {"q": {"type": "string"}}}),
    Tool("read_file", "", {"type": "object", "properties": {}}),
    Tool("run-code", "Runs code.", {}),
)
_EFFORTS: tuple[Effort | None, ...] = (
    *(None, None, "none", "minimal", "low", "medium", "high", "high", "xhigh", "max"),
)


@dataclass
class Node:
    """A message of a tree."""

    message: PromptMessage
    parent: "Node | None"

    def branch(self) -> list[PromptMessage]:
        """The messages from the first one to this one."""
        above = self.parent.branch() if self.parent else []
        return [*above, self.message]


class TreeMaker:
    """Makes a tree of messages.

    Args:
        random: Decides everything.
        models: Who may answer.
    """

    def __init__(self, random: Random, models: Sequence[Target]) -> None:
        self._random = random
        # few models a thread, so that one of them often meets what it wrote itself
        self._models = random.sample(models, random.randint(1, 3))
        self._nodes: list[Node] = []
        self._seed = random.getrandbits(40)
        self._system = random.choice(("", "Be brief.", " ", "Be \ud800 brief."))
        self._tools = random.choice(((), _TOOLS, _TOOLS, _TOOLS[:1]))
        self._effort: Effort | None = random.choice(_EFFORTS)
        self._most_messages = random.choice((100, 100, 100, 3))

    def make(self) -> list[Node]:
        """The nodes of a tree, each below those that were there before it."""
        for _ in range(self._random.randint(1, 16)):
            self._step()
        return self._nodes

    def prompt(self, node: Node) -> list[PromptMessage]:
        """What a model gets that answers, or continues, a message."""
        system = [text_message("system", self._system)] if self._system else []
        branch = node.branch()
        if len(branch) > self._most_messages:
            branch = [summary_message("So far."), *branch[-self._most_messages :]]
        return [*system, *branch]

    def options(self) -> CallOptions:
        """How to answer, as anyone may have set it."""
        random = self._random
        if random.random() < 0.15:
            self._tools = random.choice(((), _TOOLS, _TOOLS[:1]))
        if random.random() < 0.3:
            self._effort = random.choice(_EFFORTS)
        return CallOptions(
            max_tokens=random.choice((None, None, 1, 16, 4_096, 200_000)),
            temperature=random.choice((None, None, 0.0, 0.7, 1.0, 2.0)),
            effort=self._effort,
            tools=self._tools,
            cache_key=random.choice(("", "thread-1")),
        )

    def _step(self) -> None:
        random, nodes = self._random, self._nodes
        # most threads grow at their end; an edit or another answer makes a sibling
        parent = nodes[-1] if nodes and random.random() < 0.7 else random.choice([*nodes, None])
        if random.random() < 0.05:
            self._system = random.choice(("", "Be brief.", "Be long."))
        if parent is None and random.random() < 0.05:
            nodes.append(Node(self._imported(), None))
        elif parent is None or (parent.message.role == "assistant" and random.random() < 0.9):
            nodes.append(Node(self._asked(), parent))
        elif parent.message.role == "assistant" and all(
            node.parent is not parent for node in nodes
        ):
            self._continue(parent)
        elif random.random() < 0.15:
            nodes.append(Node(self._imported(), parent))
        else:
            nodes.append(Node(self._answered(self.prompt(parent)), parent))

    def _asked(self) -> PromptMessage:
        makers = (self._text, self._text, self._text, self._file, self._file, self._other)
        parts = [
            self._random.choice(makers)() for _ in range(self._random.choice((1, 1, 1, 0, 2, 3)))
        ]
        return PromptMessage("user", tuple(parts), id=self._id())

    def _answered(self, prompt: Sequence[PromptMessage]) -> PromptMessage:
        model = self._random.choice(self._models)
        status, events = self._stream(model, prompt)
        folded = fold(events)
        parts = [*folded.parts]
        shift = 0
        if self._random.random() < 0.1:
            parts.insert(0, self._other())
            shift = 1
        return PromptMessage(
            "assistant",
            tuple(parts),
            status=status,
            model=model.made_by,
            native=_shifted(folded.native, shift),
            id=self._id(),
        )

    def _continue(self, node: Node) -> None:
        """Add to an answer what the same or another model goes on with."""
        message = node.message
        status, added = self._stream(self._random.choice(self._models), self.prompt(node))
        begun = [event for _, event in events_of(message.parts)]
        texts = [at for at, event in enumerate(added) if isinstance(event, TextDelta)]
        if texts and self._random.random() < 0.7:
            added.insert(texts[0], TextResumed())
        folded = fold([*begun, *added])
        native = message.native + tuple(folded.native)
        node.message = replace(message, parts=tuple(folded.parts), status=status, native=native)

    def _stream(self, model: Target, prompt: Sequence[PromptMessage]) -> tuple[str, list[Event]]:
        """How an answer ended, and its events."""
        random, server = self._random, model.server
        request = model.accepted(prompt, self.options())
        sent = list(server.encode(request, self._answer()))
        status = random.choice(("complete", "complete", "complete", *_STATUSES))
        if status != "complete":
            sent = sent[: random.randint(0, len(sent) - 1)]
        decoder, parser = _DECODERS[server.dialect](server.name, model.made_by), SSEParser()
        events = [e for piece in sent for each in parser.feed(piece) for e in decoder.feed(each)]
        try:
            events += decoder.end(parser.end())
        except ProviderError:
            assert status != "complete", (server.name, sent)
        return status, [*events, *self._results(events)]

    def _results(self, events: Sequence[Event]) -> Iterator[Event]:
        for call_id in {event.call_id: 0 for event in events if isinstance(event, ToolCallDelta)}:
            if self._random.random() < 0.8:
                yield ToolResult(call_id, self._random.choice(_RESULTS))
            elif self._random.random() < 0.5:
                yield ToolResult(call_id, error="tool_failed")

    def _answer(self) -> Answer:
        random = self._random
        self._seed += 1
        calls = [
            Call(random.choice(_TOOL_NAMES[:3]), random.choice(_ARGUMENTS))
            for _ in range(random.choice((0, 0, 1, 1, 2)))
        ]
        text = random.choice(_TEXTS[:7]) if not calls or random.random() < 0.5 else ""
        reasoning = random.choice(("", "Step 1.", "Step 2. ", "So:", "a\n\nb"))
        return Answer(text, reasoning, tuple(calls), self._seed)

    def _imported(self) -> PromptMessage:
        random = self._random
        makers = (self._text, self._reasoning, self._tool_call, self._file, self._other)
        parts = [random.choice(makers)() for _ in range(random.randint(0, 4))]
        return PromptMessage(
            "assistant",
            tuple(parts),
            status=random.choice(_STATUSES),
            model="gone/model",
            native=tuple(self._foreign(len(parts)) for _ in range(random.randint(0, 2))),
            id=self._id(),
        )

    def _foreign(self, most: int) -> NativeItem:
        items: tuple[dict[str, Any], ...] = (
            {"type": "thinking", "signature": "foreign"},
            {"type": "redacted_thinking", "data": "foreign"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "foreign"},
            {"call_id": "call_1", "extra_content": {"google": {"thought_signature": "foreign"}}},
            {"details": [{"type": "reasoning.text", "text": "foreign"}]},
        )
        at = self._random.randint(0, most)
        return {"at": at, "made_by": "gone/model", "item": self._random.choice(items)}

    def _text(self) -> Part:
        return {"type": "text", "text": self._random.choice(_TEXTS)}

    def _reasoning(self) -> Part:
        return {"type": "reasoning", "text": self._random.choice(_TEXTS)}

    def _file(self) -> Part:
        # the first ones are as they should be
        last = 3 if self._random.random() < 0.5 else len(_FILES)
        url, media_type, name = self._random.choice(_FILES[:last])
        return {"type": "file", "url": url, "media_type": media_type, "name": name}

    def _tool_call(self) -> Part:
        random = self._random
        state = random.choice(("streaming", "called", "done", "failed", "denied"))
        part: Part = {
            "type": "tool-call",
            "call_id": random.choice(_CALL_IDS),
            "name": random.choice(_TOOL_NAMES),
            "arguments": random.choice(_ARGUMENTS),
            "state": state,
        }
        if state == "done":
            part["result"] = random.choice(_RESULTS)
        if state == "failed":
            part["error"] = "tool_failed"
        if state == "denied":
            part["approval"] = {"id": "a", "approved": False}
        return part

    def _other(self) -> Part:
        parts: tuple[Part, ...] = (
            {"type": "notice", "code": "model_changed", "params": {"before": "a", "after": "b"}},
            {"type": "source", "id": "s", "url": "https://example.com/", "title": ""},
            {"type": "summary", "text": "So far.", "until": "x", "count": 2, "origin": "model"},
            {"type": "data", "name": "chart", "data": {"x": [1, None], "y": "\ud800"}},
        )
        return self._random.choice(parts)

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)


def _shifted(items: Sequence[NativeItem], parts: int) -> tuple[NativeItem, ...]:
    return tuple({**item, "at": item["at"] + parts} for item in items)
