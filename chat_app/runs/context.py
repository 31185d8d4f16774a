"""The context window: what of a conversation a model gets whole, and what a summary stands for.

Sizes are bytes of UTF-8, which is what can be counted without a model's own tokenizer; how many
bytes a token has is measured from what providers report (`TokenRates`).
"""

import json
from collections.abc import Iterable, Sequence

from cachetools import LRUCache

from chat_app.core.parts import Part
from chat_app.llm.base import PromptMessage

DEFAULT_BYTES_PER_TOKEN = 3.0
"""Until a provider has reported one. English has about four; a low value never sends too much."""
_BYTES_PER_TOKEN = (1.0, 6.0)
_SAFETY = 0.9
"""How much of the window is used, because a rate is an average."""
_WEIGHT = 0.3
"""How much the newest report counts."""
_LEAST_TOKENS = 500
"""The smallest call that says something about a rate."""
_MODELS = 1_000

_MESSAGE_BYTES = 24
"""What a message costs beside its text."""
_IMAGE_BYTES = 4_000
"""What an image counts as: about a thousand tokens."""

_KEPT = 0.5
"""How much of the room newer messages keep when older ones are summarised, so that it is not done
again at the next question."""
_SUMMARY = 0.2
_MAX_SUMMARY_BYTES = 8_000
_LEAST_BYTES = 1_000
"""Fewer bytes are not worth a summary that the user asks for."""
_SHORTEST_LINE = 80
"""The fewest bytes of a message in an excerpt, if it is in it."""

DEFAULT_PROMPT_BYTES = 24_000
"""The most bytes of a conversation for a model whose window is unknown."""


class TokenRates:
    """How many bytes a token of each model has, measured from the usage that providers report."""

    def __init__(self) -> None:
        self._rates: LRUCache[str, float] = LRUCache(_MODELS)

    def observe(self, model: str, prompt_bytes: int, input_tokens: int) -> None:
        """Take in the usage of a call.

        Args:
            model: The id of the model.
            prompt_bytes: The size of what was sent.
            input_tokens: What the provider counted.
        """
        if input_tokens < _LEAST_TOKENS:
            return  # what a provider adds to each prompt would count for more than the prompt
        low, high = _BYTES_PER_TOKEN
        rate = min(high, max(low, prompt_bytes / input_tokens))
        before = self._rates.get(model, rate)
        self._rates[model] = before + _WEIGHT * (rate - before)

    def bytes_per_token(self, model: str) -> float:
        """The measured rate of a model, or the default."""
        return self._rates.get(model, DEFAULT_BYTES_PER_TOKEN)


def prompt_limit(
    window: int | None, bytes_per_token: float, *, max_tokens: int, max_bytes: int = 0
) -> int:
    """The most bytes that the messages of a call may have.

    Args:
        window: Of the model, in tokens; None if it is not known.
        bytes_per_token: The model's rate.
        max_tokens: The most tokens of the answer, for which room is left.
        max_bytes: The operator's limit (`CHAT_CONTEXT_CHARS`); 0 for the window of the model, and
            for `DEFAULT_PROMPT_BYTES` where that is unknown.
    """
    if window is None:
        return max_bytes or DEFAULT_PROMPT_BYTES
    answer = min(max_tokens, window // 4)
    fitting = int((window - answer) * bytes_per_token * _SAFETY)
    return min(fitting, max_bytes or fitting)


def message_size(message: PromptMessage) -> int:
    """What a message of a prompt counts, in bytes."""
    return parts_size(message.parts)


def parts_size(parts: Iterable[Part]) -> int:
    """What a message with these parts counts in a prompt, in bytes."""
    return _MESSAGE_BYTES + sum(map(_part_size, parts))


def _part_size(part: Part) -> int:
    match part["type"]:
        case "text":
            return len(part["text"].encode("utf-8", "surrogatepass"))
        case "file":
            return _IMAGE_BYTES
        case "tool-call" | "data":
            return len(json.dumps(part, default=str))
        case _:
            return 0  # it is in no prompt


def first_kept(messages: Sequence[PromptMessage], limit: int) -> int:
    """Where the messages begin that a model still gets whole, when older ones are summarised.

    It is a question of the user, and the last message is always kept.

    Args:
        messages: The conversation without its system prompt, the oldest message first.
        limit: The most bytes of the whole prompt; see `prompt_limit`.

    Returns:
        The index of the first message that is kept; 0 when there is nothing to summarise.
    """
    first = len(messages) - 1
    remaining = int(limit * _KEPT) - sum(map(message_size, messages[first:]))
    while first > 0 and (size := message_size(messages[first - 1])) <= remaining:
        remaining -= size
        first -= 1
    while 0 < first < len(messages) - 1 and messages[first].role != "user":
        first += 1
    return max(0, first)


def first_kept_on_request(messages: Sequence[PromptMessage]) -> int:
    """The same when the user asks for a summary: the last question and what follows it are kept.

    Args:
        messages: The conversation without its system prompt, the oldest message first.

    Returns:
        The index of the first message that is kept; 0 when there is nothing to summarise, or so
        little that a summary would not be shorter.
    """
    questions = (at for at in range(len(messages) - 1, 0, -1) if messages[at].role == "user")
    first = next(questions, 0)
    return first if sum(map(message_size, messages[:first])) >= _LEAST_BYTES else 0


def summary_limit(limit: int) -> int:
    """The most bytes of a summary in a prompt.

    Args:
        limit: The most bytes of the whole prompt; see `prompt_limit`.
    """
    return min(_MAX_SUMMARY_BYTES, int(limit * _SUMMARY))


def shorten(text: str, max_bytes: int) -> str:
    """The beginning of a text, as many whole characters as fit; `…` stands for what was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return data.decode()
    return data[: max(0, max_bytes - 3)].decode("utf-8", "ignore") + "…"


def excerpt(texts: Sequence[str], max_bytes: int) -> str:
    """The beginnings of messages, one a line: a summary without a model.

    The first message is always among them, then the newest ones that fit; what is left out between
    them is counted.

    Args:
        texts: The messages, the oldest first.
        max_bytes: The most bytes of the result.
    """
    line = max(_SHORTEST_LINE, max_bytes // max(1, len(texts)) - 1)
    lines = [shorten(" ".join(text.split()), line) for text in texts]
    if _size(lines) <= max_bytes:
        return "\n".join(lines)
    head, rest = lines[0], lines[1:]
    gap = f"[{len(rest)} messages are left out here.]"
    kept = list[str]()
    while rest and _size([head, gap, *kept, rest[-1]]) <= max_bytes:
        kept.insert(0, rest.pop())
    return "\n".join([head, f"[{len(rest)} messages are left out here.]", *kept])


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def split_transcript(texts: Sequence[str], chunk_bytes: int, max_chunks: int) -> list[str]:
    """The messages as texts that a model can read one after the other.

    Args:
        texts: The messages, the oldest first.
        chunk_bytes: The most bytes of each text.
        max_chunks: The most texts; messages are shortened to fit into so many.
    """
    room, longest = chunk_bytes * max_chunks, chunk_bytes
    while longest > _SHORTEST_LINE and sum(min(longest, len(t.encode())) for t in texts) > room:
        longest = longest * 3 // 4
    chunks = _chunks([shorten(text, longest) for text in texts], chunk_bytes)
    if len(chunks) <= max_chunks:
        return chunks
    # so many messages that even their beginnings are too many
    return _chunks(excerpt(texts, room - chunk_bytes).split("\n"), chunk_bytes)


def _chunks(texts: Iterable[str], chunk_bytes: int) -> list[str]:
    chunks, size = [list[str]()], 0
    for text in texts:
        length = len(text.encode()) + 2
        if chunks[-1] and size + length > chunk_bytes:
            chunks.append([])
            size = 0
        chunks[-1].append(text)
        size += length
    return ["\n\n".join(chunk) for chunk in chunks]
