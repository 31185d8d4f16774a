"""What of a conversation fits, where it is cut, and what an excerpt keeps. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.llm.base import PromptMessage, text_message
from chat_app.runs.context import (
    DEFAULT_BYTES_PER_TOKEN,
    DEFAULT_PROMPT_BYTES,
    TokenRates,
    excerpt,
    first_kept,
    message_size,
    prompt_limit,
    shorten,
    split_transcript,
)

TEXTS = st.lists(st.text(max_size=300), min_size=1, max_size=40)


def conversation(texts: list[str]) -> list[PromptMessage]:
    """Questions and answers in turn; the last one is a question."""
    roles = ("user", "assistant") if len(texts) % 2 else ("assistant", "user")
    return [text_message(roles[place % 2], text) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("window", "max_tokens", "max_bytes", "limit"),
    [
        (None, 4_000, 0, DEFAULT_PROMPT_BYTES),
        (None, 4_000, 5_000, 5_000),
        (10_000, 1_000, 0, 24_300),
        (10_000, 9_000, 0, 20_250),  # a quarter of the window is enough for the answer
        (10_000, 1_000, 5_000, 5_000),
        (1_000_000, 4_000, 24_000, 24_000),
    ],
)
def test_the_window_of_the_model_and_the_operator_s_limit_hold(
    window: int | None, max_tokens: int, max_bytes: int, limit: int
) -> None:
    assert prompt_limit(window, 3.0, max_tokens=max_tokens, max_bytes=max_bytes) == limit


def test_the_size_of_a_token_is_learned_from_usage() -> None:
    rates = TokenRates()
    assert rates.bytes_per_token("a") == DEFAULT_BYTES_PER_TOKEN
    rates.observe("a", 4_000, 1_000)
    assert rates.bytes_per_token("a") == 4.0
    for _ in range(40):
        rates.observe("a", 2_000, 1_000)
    assert rates.bytes_per_token("a") == pytest.approx(2.0, abs=0.01)
    rates.observe("a", 10, 0)
    rates.observe("a", 2, 70)  # "hi", and what the provider puts around it
    assert rates.bytes_per_token("a") == pytest.approx(2.0, abs=0.01)
    rates.observe("b", 1, 1_000_000)
    assert rates.bytes_per_token("b") == 1.0


@given(TEXTS, st.integers(100, 20_000))
def test_what_is_kept_begins_with_a_question_and_is_small(texts: list[str], limit: int) -> None:
    messages = conversation(texts)
    first = first_kept(messages, limit)
    assert 0 <= first < len(messages)
    assert first == 0 or messages[first].role == "user"
    if 0 < first < len(messages) - 1:
        assert sum(map(message_size, messages[first:])) <= limit / 2


@given(TEXTS, st.integers(200, 5_000))
def test_an_excerpt_fits_and_has_the_beginning_of_the_first_message(
    texts: list[str], max_bytes: int
) -> None:
    found = excerpt(texts, max_bytes)
    assert len(found.encode()) <= max_bytes
    first = " ".join(texts[0].split()).encode("utf-8", "replace").decode()
    assert found.startswith(first[:19])


def test_an_excerpt_counts_what_it_leaves_out() -> None:
    lines = excerpt([f"message {n} " + "x" * 100 for n in range(100)], 1_000).split("\n")
    assert lines[0].startswith("message 0 ")
    assert lines[1] == f"[{100 - len(lines) + 1} messages are left out here.]"
    assert lines[-1].startswith("message 99 ")


@given(TEXTS, st.integers(400, 4_000), st.integers(2, 5))
def test_a_transcript_comes_in_few_texts_that_fit(
    texts: list[str], chunk_bytes: int, max_chunks: int
) -> None:
    chunks = split_transcript(texts, chunk_bytes, max_chunks)
    assert len(chunks) <= max_chunks
    assert all(len(chunk.encode()) <= chunk_bytes for chunk in chunks)


@given(st.text(max_size=50), st.integers(3, 60))
def test_a_shortened_text_is_a_beginning_and_ends_with_a_mark(text: str, max_bytes: int) -> None:
    clean = text.encode("utf-8", "replace").decode()
    found = shorten(text, max_bytes)
    assert len(found.encode()) <= max_bytes
    assert found == clean or (found.endswith("…") and clean.startswith(found[:-1]))
