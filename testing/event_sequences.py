"""Random event sequences as a run's log can hold them, and readers that come at any time."""

from random import Random

from chat_app.core.errors import MESSAGES
from chat_app.core.events import (
    Event,
    Finish,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
)
from chat_app.core.parts import WholePart
from chat_app.runs.follow import Channel, EndEvent, PartEvent, RunMetrics

TEXTS = (
    *("", " ", "word ", "\n\n", "\r\n", "\r", "data: {}\n\n", "[DONE]", '"\\', "\x00\x7f", "</p>"),
    *("\N{LINE SEPARATOR}", "\N{GRINNING FACE}", "e\N{COMBINING ACUTE ACCENT}", "\ufeff", "עברית"),
)
VALUES = (
    *(None, True, 0, -1.5, 10**20, "", "a\nb", [], {}, {"a": [1, {"b": None}]}, "__proto__"),
    *([{"__proto__": {"a": 1}, "b": 2}], {"constructor": {"prototype": 1}}, {"constructor": None}),
)
ARGUMENTS = (
    *("", "{", "{}", '{"a": [1, "', 'x"]}', "null", "\n", "NaN", "1e999"),
    *('{"__proto__": 1}', '{"a": {"\\u005f_proto__": 1}}', '{"constructor": {"prototype": 1}}'),
)
ENDINGS = (
    *(("complete", reason) for reason in ("stop", "length", "content-filter", "tool-calls", "")),
    *(("stopped", "user"), ("failed", ""), ("failed", "length"), ("interrupted", "")),
)


def events(random: Random) -> list[Event]:
    """A sequence of at most 40 events, valid in the eyes of `PartLocator`."""
    calls = [f"call-{number}" for number in range(random.randint(1, 3))]
    makers = (
        *(_text, _text, _reasoning, _reasoning, _reasoning_end, _text_was_reasoning),
        *(_tool_call, _tool_call, _tool_call_end, _tool_approval, _tool_result),
        *(_part, _usage, _finish),
    )
    # few kinds at a time, so that events of one kind follow each other
    chosen = random.sample(makers, random.randint(1, len(makers)))
    return [random.choice(chosen)(random, calls) for _ in range(random.randint(0, 40))]


def shown(random: Random, log: list[Event]) -> list[PartEvent]:
    """What a follower gets that reads the log in pieces, while it is written."""
    channel, read, index = Channel(), list[PartEvent](), 0
    for seq, event in enumerate(log, 1):
        channel.put(seq, event)
        if random.random() < 0.5:
            more, index = channel.read(index)
            read += more
    return read + channel.read(index)[0]


def ending(random: Random) -> EndEvent:
    """Any end."""
    status, reason = random.choice(ENDINGS)
    usage = Usage(random.randint(0, 9), 1, random.choice((None, 3)), random.choice((None, 0)))
    metrics = RunMetrics("alpha", random.choice((None, usage)), random.choice((None, 0.5)), 2.0)
    error = "It broke." if status == "failed" else ""
    return EndEvent(0, status, reason, error, 0, metrics)  # pyright: ignore[reportArgumentType]


def _text(random: Random, _calls: list[str]) -> Event:
    return TextDelta(random.choice(TEXTS))


def _reasoning(random: Random, _calls: list[str]) -> Event:
    return ReasoningDelta(random.choice(TEXTS))


def _reasoning_end(random: Random, _calls: list[str]) -> Event:
    return ReasoningEnd(random.choice((0.0, 12.25)))


def _text_was_reasoning(random: Random, _calls: list[str]) -> Event:
    return TextWasReasoning(random.choice((0.0, 12.25)))


def _tool_call(random: Random, calls: list[str]) -> Event:
    return ToolCallDelta(random.choice(calls), "sum", random.choice(ARGUMENTS))


def _tool_call_end(random: Random, calls: list[str]) -> Event:
    return ToolCallEnd(random.choice(calls))


def _tool_approval(random: Random, calls: list[str]) -> Event:
    call = random.choice(calls)
    if random.random() < 0.5:
        return ToolApprovalRequest(call, f"approval-of-{call}")
    return ToolApprovalResponse(
        call, random.random() < 0.5, random.choice(("", "I don't know it."))
    )


def _tool_result(random: Random, calls: list[str]) -> Event:
    if random.random() < 0.3:
        return ToolResult(random.choice(calls), error=random.choice(list(MESSAGES)))
    return ToolResult(random.choice(calls), random.choice(VALUES))


def _part(random: Random, _calls: list[str]) -> Event:
    parts: tuple[WholePart, ...] = (
        {"type": "file", "url": "/f/1", "media_type": "image/png", "name": "a.png"},
        {"type": "source", "id": "s", "url": "https://example.com/", "title": ""},
        {"type": "data", "name": "chart", "data": random.choice(VALUES)},
        {"type": "notice", "code": "cut_off", "params": {"model": random.choice(TEXTS)}},
    )
    return PartAdded(random.choice(parts))


def _usage(random: Random, _calls: list[str]) -> Event:
    return Usage(random.randint(0, 9), random.randint(0, 9))


def _finish(random: Random, _calls: list[str]) -> Event:
    return Finish(random.choice(("stop", "length", "content-filter", "tool-calls", "other")))
