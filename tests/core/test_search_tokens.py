"""What is one token, in many scripts, and how a phrase is looked for among tokens."""
# ruff: noqa: RUF001

import pytest

from chat_app.core.search_tokens import (
    GAP,
    MAX_LENGTH,
    doubled,
    normalised,
    phrase_of,
    token_text,
    tokens_of,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Grow TOMATOES, slowly.", "grow tomatoes slowly"),
        ("don't snake_case C++ 3.14", "don t snake case c 3 14"),
        ("Straße STRASSE ｆｕｌｌ ﬁne", "strasse strasse full fine"),
        ("cafe\u0301 café", "café café"),
        ("Привет, Мир", "привет мир"),
        ("نص\u200cها", "نصها"),
        ("हिन्दी में", "हिन्दी में"),
        ("東京都", "東京 京都"),
        ("東京、京都", "東京 | 京都"),
        ("ｶﾞｽ", "ガス"),
        ("iPhone用の", "iphone 用の"),
        ("서울에서", "서울 울에 에서"),
        ("ภาษา", "ภา าษ ษา"),
        ("木", "木"),
        ("!?… —", ""),
    ],
)
def test_the_tokens_of_a_text(text: str, tokens: str) -> None:
    assert token_text(text) == tokens


def test_an_ascii_text_has_the_tokens_that_it_has_beside_others() -> None:
    text = f"A_b c-D {'x' * 200} 007"
    assert token_text(f"{text} é") == f"{token_text(text)} é"
    assert max(map(len, token_text(text).split())) == MAX_LENGTH


@pytest.mark.parametrize("word", ["ab", "x" * 70, "y" * 20_000])
def test_a_long_ascii_text_is_looked_at_in_pieces_that_cut_no_word(word: str) -> None:
    text = " ".join([word, "Of_it,"] * (40_000 // len(word) + 1))
    assert token_text(f"{text} é") == f"{token_text(text)} é"


@pytest.mark.parametrize("text", ["Größe der ﬁne Straße", "東京都の iPhone用", "ภาษาไทย 서울"])
def test_a_token_says_where_it_stands(text: str) -> None:
    for token in tokens_of(text):
        assert token.text == GAP or token.text in normalised(text[token.start : token.end])


def test_a_long_text_is_cut_between_tokens() -> None:
    assert token_text("one two three", max_bytes=8) == "one two"
    assert token_text("one two three", max_bytes=7) == "one two"
    assert token_text("é" * 3 + " é", max_bytes=7) == "ééé"


@pytest.mark.parametrize(
    ("text", "phrase", "count"),
    [
        ("foo foo foo", "foo", 3),
        ("foo bar foo bar", "foo bar", 2),
        ("foobar", "foo", 0),
        ("東京東京", "東京", 2),
        ("東京、京都", "東京都", 0),
        ("東京、京都", "東京 京都", 1),
        ("専用ケース", "用", 2),  # one character is in two pairs
        ("専用iPhone", "用iPhone", 1),
        ("iPhone用ケース", "iphone用", 1),
    ],
)
def test_a_phrase_is_counted_wherever_it_stands(text: str, phrase: str, count: int) -> None:
    found = phrase_of(phrase)
    assert found is not None
    assert found.count(doubled(token_text(text))) == count
    assert (found.pattern in f" {token_text(text)} ") == bool(count)


def test_letters_alone_are_short() -> None:
    short = {text: phrase_of(text) for text in ("a", "a b", "木", "ab", "木に")}
    assert [text for text, found in short.items() if found and found.is_short] == ["a", "a b", "木"]
    assert phrase_of("-- %") is None


def test_marks_beyond_what_a_letter_may_have_are_left_out() -> None:
    # to sort them costs the square of their number, and nothing else runs meanwhile
    for marks in ("\u0300", "\u0300\u0316", "\u0316\u0345"):
        assert len(normalised(f"a{marks * 5_000}b")) < 100
    assert normalised("e\u0301") == "é"
