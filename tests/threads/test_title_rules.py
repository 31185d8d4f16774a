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


@pytest.mark.parametrize(
    "answer",
    [
        # what models put around a title
        '{"title": "Rome in Italy"}',
        '```json\n{"title": "Rome in Italy"}\n```',
        '{\n  "chat_title": "Rome \\u0069n Italy",\n  "emoji": "🏛"\n}',
        'Here is the JSON: {"title": "Rome in Italy"}',
        '["Rome in Italy", "Rome"]',
        '"title": "Rome in Italy"',
        "```\nRome in Italy\n```",
        "<title>Rome in Italy</title>",
        "I chose <title>Rome in Italy</title> for this chat",
        "<chat_title>Rome in Italy</chat_title>",
        "<b>Rome</b> in <i>Italy</i>",
        "<h1 class='t'>Rome in Italy</h1>",
        "Rome &#105;n Italy",
        "1. Rome in Italy\n2. Italy's Capital",
        "1) **Rome in Italy**",
        "\N{BULLET} Rome in Italy",
        "> Rome in Italy",
        "Here is a title for your conversation:\n\n**Rome in Italy**",
        "Here are a few options:\n\n1. Rome in Italy\n2. Rome",
        "Here's a title: Rome in Italy",
        'Sure! "Rome in Italy"',
        "Sure, here is a short title for it: **Rome in Italy**",
        "Certainly! Title: Rome in Italy",
        "Of course.\n\nRome in Italy",
        "The title could be: Rome in Italy",
        'I would suggest "Rome in Italy" as the title.',
        "Suggested title: Rome in Italy",
        "**Title**\n\nRome in Italy",
        "Titel: Rome in Italy",
        "\N{CJK UNIFIED IDEOGRAPH-6807}\N{CJK UNIFIED IDEOGRAPH-9898}\uff1aRome in Italy",
        "<think>The user asks about Rome.</think>\nRome in Italy",
        "The user asks about Rome.\n</think>\n\nRome in Italy",
        "[THINK]Hm.[/THINK]Rome in Italy",
        "<|im_start|>assistant\nRome in Italy<|im_end|>",
        "Rome in Italy</s>",
        "\\boxed{Rome in Italy}",
        # what cannot be seen
        "\u200bRome\u200b in Italy\ufeff",
        "\u202eRome in Italy\u202c",
        "Rome\u3164in\u2800Italy",
    ],
)
def test_a_models_title_loses_what_is_around_it(answer: str):
    assert clean_model_title(answer) == "Rome in Italy"


@pytest.mark.parametrize(
    "answer",
    [
        "<think>\nOkay, the user wants a short title for this conversation. Let me",
        "[THINK]The user",
        "We need to produce a title. The user asks",
        "Okay, the user wants a title",
        "The user is asking about Rome",
        "\u597d\u7684\uff0c\u7528\u6237\u60f3\u8981\u4e00\u4e2a\u6807\u9898",
        "Let me think about a title",
        "I need to write a short title",
        "Hello! How can I help you today?",
        "I'm sorry, but I can't help with that",
        "Rome is the capital city of Italy.",
        "To bake bread:\n\n1. Preheat the oven",
        "Here are the steps:\n1. Preheat the oven",
        '{"title": "Rome in It',
        '```json\n{"tit',
        "\u200b",
        "\u3164\u2800",
        "\u200d\u200c",
        "Title:",
        "<b></b>",
        "Sure!",
    ],
)
def test_an_answer_that_is_no_title_is_none(answer: str):
    assert clean_model_title(answer) is None


@pytest.mark.parametrize(
    "title",
    [
        "Let's Encrypt setup",
        "C++: A Primer",
        "Sorting a List<int> in C#",
        "3.5 Sonnet",
        "7 Tips for Rome",
        "The Name of the Rose: plot",
        "Here Comes the Sun: A Title Track Study",
        "Yes, Minister guide",
        "What is Rome?",
        "👨‍👩‍👧 Family trip",
        "می‌خواهم سفر کنم",
        "罗马旅行",
    ],
)
def test_a_title_that_only_looks_odd_is_kept(title: str):
    assert clean_model_title(title) == title


@pytest.mark.parametrize(
    "part",
    ["<think>", "</think>", "<title>", "{", '"title": "', "Title: ", "`", "here is ", "a. B"],
)
def test_an_endless_answer_to_the_request_for_a_title_costs_little(part: str):
    assert clean_model_title(part * (1_000_000 // len(part))) is None


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


def test_what_cannot_be_seen_is_no_title():
    with pytest.raises(InvalidInput):
        as_given("\u200b\u3164")
    assert as_given("\u202eMy\u200b thread") == "My thread"
    assert first_words("\u2066Hello\u2069 \u200bworld") == "Hello world"


@pytest.mark.parametrize("title", ["", "  ", "\n\t", "x" * (MAX_TITLE_LENGTH + 1)])
def test_an_empty_or_endless_title_is_refused(title: str):
    with pytest.raises(InvalidInput):
        as_given(title)
