"""Requests for branches of generated threads, to every model of the strict fake providers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from chat_app.llm.base import CallOptions, PromptMessage
from testing.message_trees import TreeMaker
from testing.providers.rules import Refused, Request
from testing.strict_models import PROGRAM, Program, Target, targets


@dataclass
class Outcome:
    """What came of asking for branches of generated trees.

    Attributes:
        trees: How many trees.
        requests: How many requests for a branch of them.
        refusals: Each one that the program did not overcome, with the seed of its tree.
        retries: How often a rule was learnt from, by server and rule.
        reached: How many accepted requests had an image, a call of a tool, or what the same model
            had made to be sent back, by server.
    """

    trees: int = 0
    requests: int = 0
    refusals: list[str] = field(default_factory=list)
    retries: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)


def ask_for_branches(seeds: Iterable[int], program: Program = PROGRAM) -> Outcome:
    """Generate trees, and ask every model to go on with branches of each.

    Args:
        seeds: One a tree.
        program: What makes the requests.
    """
    outcome, models = Outcome(), targets(program)
    for seed in seeds:
        asked = _asked(seed, models, outcome) if program is PROGRAM else _written(seed)
        for prompt, options in asked:
            for model in models:
                outcome.requests += 1
                try:
                    request = model.accepted(prompt, options)
                    outcome.reached.update(f"{model.server.name}: {it}" for it in _has(request))
                except Refused as refused:
                    outcome.refusals.append(f"seed {seed}, {model.server.name}: {refused}")
        outcome.trees += 1
    for model in models:
        outcome.retries.update({f"{model.server.name}: {k}": n for k, n in model.retries.items()})
    return outcome


@cache
def _written(seed: int) -> list[tuple[list[PromptMessage], CallOptions]]:
    """The same branches, of a tree that the code as it is has written."""
    return _asked(seed, targets(), Outcome())


def _asked(
    seed: int, writers: Sequence[Target], outcome: Outcome
) -> list[tuple[list[PromptMessage], CallOptions]]:
    """At most three branches of a tree, and how they are to be answered."""
    random = Random(seed)
    maker = TreeMaker(random, writers)
    try:
        nodes = maker.make()
    except Refused as refused:
        outcome.refusals.append(f"seed {seed}, the tree: {refused}")
        return []
    chosen = [nodes[-1], *random.sample(nodes, min(2, len(nodes)))]
    return [(maker.prompt(node), maker.options()) for node in chosen]


_SIGNS = {
    "image": ("image_url", "input_image", "image"),
    "tool call": ("tool_calls", "function_call", "tool_use"),
    "native item": ("encrypted_content", "signature", "redacted_thinking", "thought_signature"),
}
"""What of a request shows that it has something, among its keys and its types."""


def _has(request: Request) -> Iterator[str]:
    """What a request has of all that a thread can hold."""
    words = {*_words(request.get("messages")), *_words(request.get("input"))}
    return (name for name, signs in _SIGNS.items() if not words.isdisjoint(signs))


def _words(value: Any) -> Iterator[str]:
    """The keys and the types in a JSON value."""
    if isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, dict):
        yield from value
        if isinstance(value.get("type"), str):
            yield value["type"]
        for each in value.values():
            yield from _words(each)
