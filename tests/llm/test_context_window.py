from hypothesis import given
from hypothesis import strategies as st

from chat_app.llm.base import PromptMessage, fit_context, text_message

SYSTEM = text_message("system", "be kind")


def conversation(*texts: str) -> list[PromptMessage]:
    return [text_message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]


def test_everything_is_kept_when_it_fits() -> None:
    prompt = [SYSTEM, *conversation("one", "two", "three")]
    assert fit_context(prompt, 100) == tuple(prompt)


def test_the_oldest_messages_go_first_and_the_system_message_stays() -> None:
    prompt = [SYSTEM, *conversation("a" * 50, "b" * 50, "c" * 50, "d" * 50, "e")]
    assert fit_context(prompt, 7 + 101) == (SYSTEM, *prompt[3:])


def test_an_answer_without_its_question_is_left_out() -> None:
    prompt = conversation("a" * 50, "b" * 5, "c")
    assert fit_context(prompt, 10) == (prompt[2],)


def test_the_last_message_is_kept_whole_however_long() -> None:
    prompt = [SYSTEM, *conversation("a", "b", "c" * 1000)]
    assert fit_context(prompt, 10) == (SYSTEM, prompt[-1])


def test_a_last_answer_that_is_to_be_continued_is_kept() -> None:
    prompt = conversation("a" * 100, "b" * 100)
    assert fit_context(prompt, 10) == (prompt[1],)


def test_no_turns_are_no_conversation() -> None:
    assert fit_context([], 10) == ()
    assert fit_context([SYSTEM], 0) == (SYSTEM,)


@given(st.lists(st.text(max_size=30), min_size=1), st.integers(0, 400))
def test_what_is_kept_is_the_end_of_the_prompt_and_fits(texts: list[str], limit: int) -> None:
    prompt = conversation(*texts)
    kept = fit_context(prompt, limit)
    assert kept == tuple(prompt[len(prompt) - len(kept) :])
    assert kept
    assert len(kept) == 1 or sum(message.size for message in kept) <= limit
