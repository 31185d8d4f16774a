"""Hypothesis strategies of run events: anything a log could hold, and what a model would send."""

from hypothesis import strategies as st

from chat_app.core.events import (
    Event,
    Finish,
    PartAdded,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolCallDelta,
    ToolCallEnd,
    ToolResult,
    Usage,
)
from chat_app.core.parts import WholePart

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Text without lone surrogates: what a decoder yields."""
_words = texts.filter(bool)
_names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
_counts = st.integers(0, 2**31 - 1)
_maybe_counts = st.none() | _counts
_seconds = st.floats(0, 1e6)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value."""
_urls = st.just("https://files.example/a.png") | texts

whole_parts: st.SearchStrategy[WholePart] = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("file"), "url": _urls, "media_type": texts, "name": texts}
    ),
    st.fixed_dictionaries({"type": st.just("source"), "id": texts, "url": _urls, "title": texts}),
    st.fixed_dictionaries({"type": st.just("data"), "name": _names, "data": json_values}),
    st.fixed_dictionaries(
        {
            "type": st.just("notice"),
            "code": st.sampled_from(["model_changed", "context_trimmed"]),
            "params": st.dictionaries(_names, texts, max_size=2),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("summary"),
            "text": texts,
            "until": st.uuids().map(str),
            "count": _counts,
            "origin": st.sampled_from(["model", "excerpt"]),
        }
    ),
)  # pyright: ignore[reportAssignmentType]
"""Parts that arrive at once."""

_finishes = st.builds(
    Finish, st.sampled_from(["stop", "length", "content-filter", "tool-calls", "other"])
)
_usages = st.builds(Usage, _counts, _counts, _maybe_counts, _maybe_counts)
_call_ids = st.sampled_from(["c1", "c2", "c3"])
_results = st.builds(ToolResult, _call_ids, json_values) | st.builds(
    ToolResult, _call_ids, st.none(), st.just("tool_failed")
)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextDelta, texts),
    st.builds(ReasoningDelta, texts),
    st.builds(ReasoningEnd, _seconds),
    st.builds(TextWasReasoning, _seconds),
    st.builds(TextResumed),
    st.builds(ToolCallDelta, _call_ids, _names, texts),
    st.builds(ToolCallEnd, _call_ids),
    st.builds(ToolApprovalRequest, _call_ids, _words),
    st.builds(ToolApprovalResponse, _call_ids, st.booleans(), texts),
    _results,
    st.builds(PartAdded, whole_parts),
    _usages,
    _finishes,
)
"""Any event."""


@st.composite
def _reasoning(draw: st.DrawFn) -> list[Event]:
    pieces = draw(st.lists(_words, min_size=1, max_size=4))
    return [*map(ReasoningDelta, pieces), ReasoningEnd(draw(_seconds))]


@st.composite
def _text(draw: st.DrawFn) -> list[Event]:
    texts: list[Event] = [
        TextDelta(piece) for piece in draw(st.lists(_words, min_size=1, max_size=4))
    ]
    match draw(st.sampled_from(("new", "resumed", "reasoning"))):
        case "resumed":
            return [TextResumed(), *texts]
        case "reasoning":
            return [*texts, TextWasReasoning(draw(_seconds))]
        case _:
            return texts


@st.composite
def _tool_call(draw: st.DrawFn) -> list[Event]:
    call_id, name = draw(st.uuids(version=4)).hex, draw(_names)
    pieces = draw(st.lists(texts, min_size=1, max_size=3))
    called = [*(ToolCallDelta(call_id, name, piece) for piece in pieces), ToolCallEnd(call_id)]
    if draw(st.booleans()):
        is_approved = draw(st.booleans())
        called.append(ToolApprovalRequest(call_id, f"approval-{call_id}"))
        called.append(ToolApprovalResponse(call_id, is_approved, draw(texts)))
        if not is_approved:
            return called
    if draw(st.booleans()):
        return [*called, ToolResult(call_id, draw(json_values))]
    return [*called, ToolResult(call_id, None, "tool_failed")]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The events of an answer as a run logs them, from its first notice to its finish.

    Any prefix of them is what a run that was cut off has logged.
    """
    added = st.builds(PartAdded, whole_parts).map(lambda event: [event])
    blocks = draw(st.lists(_reasoning() | _text() | _tool_call() | added, max_size=6))
    end = [*draw(st.lists(_usages, max_size=1)), draw(_finishes)]
    return [event for block in [*blocks, end] for event in block]
