from hypothesis import given
from hypothesis import strategies as st

from chat_app.llm.base import PromptMessage, fit_context

SYSTEM = PromptMessage("system", "be kind")


def turns(*texts: str) -> list[PromptMessage]:
    return [PromptMessage("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]


def test_everything_is_kept_when_it_fits() -> None:
    talk = [SYSTEM, *turns("one", "two", "three")]
    assert fit_context(talk, 100) == tuple(talk)


def test_the_oldest_turns_go_first_and_the_system_turn_stays() -> None:
    talk = [SYSTEM, *turns("a" * 50, "b" * 50, "c" * 50, "d" * 50, "e")]
    assert fit_context(talk, 7 + 101) == (SYSTEM, *talk[3:])


def test_an_answer_without_its_question_is_left_out() -> None:
    talk = turns("a" * 50, "b" * 5, "c")
    assert fit_context(talk, 10) == (talk[2],)


def test_the_last_turn_is_kept_whole_however_long() -> None:
    talk = [SYSTEM, *turns("a", "b", "c" * 1000)]
    assert fit_context(talk, 10) == (SYSTEM, talk[-1])


def test_a_last_answer_that_is_to_be_continued_is_kept() -> None:
    talk = turns("a" * 100, "b" * 100)
    assert fit_context(talk, 10) == (talk[1],)


def test_no_turns_are_no_turns() -> None:
    assert fit_context([], 10) == ()
    assert fit_context([SYSTEM], 0) == (SYSTEM,)


@given(st.lists(st.text(max_size=30), min_size=1), st.integers(0, 400))
def test_what_is_kept_is_the_end_of_the_talk_and_fits(texts: list[str], limit: int) -> None:
    talk = turns(*texts)
    kept = fit_context(talk, limit)
    assert kept == tuple(talk[len(talk) - len(kept) :])
    assert kept
    assert len(kept) == 1 or sum(len(turn.text) for turn in kept) <= limit
