"""Message parts: what is shown of them, and how it is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.errors import MESSAGES, message_of
from chat_app.core.parts import (
    Part,
    SummaryPart,
    has_content,
    notice_part,
    summary_of,
    text_of,
    text_part,
)
from chat_app.core.text import utf16_length

REASONING: Part = {"type": "reasoning", "text": "secret", "seconds": 1.0}
SOURCE: Part = {"type": "source", "id": "s", "url": "https://a.example", "title": "A"}
NOTICE = notice_part("model_changed", before="Alpha", after="Beta")
FILE: Part = {"type": "file", "url": "/f", "media_type": "image/png", "name": "a.png"}
SUMMARY: SummaryPart = {
    "type": "summary",
    "text": "first",
    "until": "1",
    "count": 2,
    "origin": "model",
}
CALL: Part = {
    "type": "tool-call",
    "call_id": "c",
    "name": "n",
    "arguments": "",
    "state": "streaming",
}


def test_the_visible_text_is_the_text_parts_alone() -> None:
    parts = [NOTICE, REASONING, text_part("Hel"), SOURCE, CALL, text_part("lo")]
    assert text_of(parts) == "Hello"


@pytest.mark.parametrize("part", [text_part("a"), CALL, FILE])
def test_text_files_and_tool_calls_are_content(part: Part) -> None:
    assert has_content([NOTICE, part])


def test_what_surrounds_an_answer_is_no_content() -> None:
    assert not has_content([NOTICE, REASONING, SOURCE, SUMMARY])
    assert not has_content([])


def test_the_last_summary_counts() -> None:
    last: SummaryPart = {**SUMMARY, "text": "last"}
    assert summary_of([text_part("a"), SUMMARY, last, NOTICE]) == last
    assert summary_of([text_part("a"), NOTICE]) is None


def test_every_notice_has_a_sentence() -> None:
    assert message_of(NOTICE["code"], NOTICE["params"]) == (
        "The model was changed from Alpha to Beta."
    )
    assert message_of("context_trimmed", {}) == MESSAGES["context_trimmed"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_length_is_what_a_browser_counts(text: str) -> None:
    assert utf16_length(text) == sum(2 if ord(c) > 0xFFFF else 1 for c in text)
