"""Titles: pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.errors import InvalidInput
from chat_app.threads.titles import (
    AUTOMATIC_LENGTH,
    MAX_TITLE_LENGTH,
    clean_model_title,
    first_words,
)
from chat_app.threads.titles import clean_user_title as as_given


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  Hello \n\n world\t! ", "Hello world !"),
        ("word " * 30, "word " * 11 + "word…"),
        ("x" * 100, "x" * 59 + "…"),
        ("One, two" + ", three" * 20, None),
    ],
)
def test_a_thread_begins_with_the_first_words(text: str, title: str | None):
    made = first_words(text)
    assert len(made) <= AUTOMATIC_LENGTH
    if title is not None:
        assert made == title
    else:
        assert made.endswith("three…"), "no comma before the dots"


@pytest.mark.parametrize(
    "answer",
    [
        "Rome in Italy",
        '"Rome in Italy"',
        "\N{LEFT DOUBLE QUOTATION MARK}Rome in Italy\N{RIGHT DOUBLE QUOTATION MARK}",
        "**Rome in Italy**",
        "# Rome in Italy",
        "Title: Rome in Italy",
        '**Title:** "Rome in Italy."',
        "\n\nRome in Italy\n\nI hope this helps!",
        "- Rome in Italy",
        "`Rome in Italy`",
        "Rome  in\tItaly.",
    ],
)
def test_a_models_title_loses_its_markup(answer: str):
    assert clean_model_title(answer) == "Rome in Italy"


@pytest.mark.parametrize("answer", ["", " \n", "...", "***", '""', "x" * (AUTOMATIC_LENGTH + 1)])
def test_an_unusable_model_title_is_none(answer: str):
    assert clean_model_title(answer) is None


@given(st.text())
def test_any_model_title_is_one_short_line_or_none(answer: str):
    title = clean_model_title(answer)
    if title is not None:
        assert 1 <= len(title) <= AUTOMATIC_LENGTH
        assert title == " ".join(title.split())
        title.encode()


@given(st.text(st.characters()))
def test_first_words_always_fit(text: str):
    made = first_words(text)
    assert len(made) <= AUTOMATIC_LENGTH
    made.encode()


def test_a_users_title_becomes_one_line():
    assert as_given("  My \n thread ") == "My thread"
    assert as_given("x" * MAX_TITLE_LENGTH) == "x" * MAX_TITLE_LENGTH


@pytest.mark.parametrize("title", ["", "  ", "\n\t", "x" * (MAX_TITLE_LENGTH + 1)])
def test_an_empty_or_endless_title_is_refused(title: str):
    with pytest.raises(InvalidInput):
        as_given(title)
