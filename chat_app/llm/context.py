"""How much of a conversation a model is shown."""

from collections.abc import Sequence

from chat_app.llm.base import Turn


def fit_turns(turns: Sequence[Turn], max_chars: int) -> tuple[Turn, ...]:
    """Keep the leading system turns and the newest turns that fit.

    The last turn is always kept whole: an answer to half a question helps nobody. What is kept
    does not begin with an answer whose question was left out.

    Args:
        turns: The conversation, oldest first.
        max_chars: The most characters of text in all turns together.
    """
    first = 0
    while first < len(turns) and turns[first].role == "system":
        first += 1
    system, talk = tuple(turns[:first]), turns[first:]
    if not talk:
        return system
    room = max_chars - sum(len(turn.text) for turn in system)
    start = len(talk) - 1
    room -= len(talk[start].text)
    while start > 0 and len(talk[start - 1].text) <= room:
        start -= 1
        room -= len(talk[start].text)
    while 0 < start < len(talk) - 1 and talk[start].role == "assistant":
        start += 1
    return system + tuple(talk[start:])
