"""Branches of generated threads against the strict fake providers, and mutants of the projectors.

A mutant breaks one rule on purpose, in the source of a projector or of what is learnt from
refusals. A strict server must notice it: a mutant that nothing refuses shows that a rule is not
enforced, or that no generated thread comes near it.
"""

import asyncio
import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

from resilience.projector_mutants import MUTANTS, UNREACHED, Mutant
from resilience.report import Result, Scenario
from testing.branch_requests import Outcome, ask_for_branches
from testing.providers.rules import RULES
from testing.strict_models import PROGRAM, Program

_DIALECTS = "chat_app.llm.dialects"
_MODULES = (
    "chat_app.llm.profiles",
    f"{_DIALECTS}.turns",
    f"{_DIALECTS}.chat_completions",
    f"{_DIALECTS}.responses",
    f"{_DIALECTS}.anthropic_messages",
)
"""The modules that make requests, each after those that it imports."""
MAX_TREES = 2_000
"""How many trees a mutant may survive."""
_UNCHANGED = replace(PROGRAM)
"""The code as it is, asked as a mutant is: about branches that are already written."""


async def branches(trees: int = 2_000) -> Result:
    """Every model goes on with branches of generated threads; no server refuses one."""
    outcome = await asyncio.to_thread(ask_for_branches, range(trees))
    figures = f"{outcome.requests} requests, {sum(outcome.retries.values())} changes for refusals"
    wrong = "; ".join(outcome.refusals[:3])
    return Result("branches", outcome.trees, len(outcome.refusals), wrong or figures)


async def branch_mutants() -> Result:
    """A mutant of the projectors for each rule; a strict server refuses what it sends."""
    survivors = [
        f"{mutant.rule} survived"
        for mutant in MUTANTS
        if not await asyncio.to_thread(_is_noticed, mutant)
    ]
    without = RULES.keys() - {mutant.rule for mutant in MUTANTS} - UNREACHED.keys()
    survivors += [f"{name} has no mutant" for name in sorted(without)]
    figures = f"each refused; {len(UNREACHED)} rules are about fields that are never sent"
    return Result("branch-mutants", len(MUTANTS), len(survivors), "; ".join(survivors) or figures)


def _is_noticed(mutant: Mutant) -> bool:
    program = mutated(mutant)
    for seed in range(MAX_TREES):
        try:
            outcome = ask_for_branches((seed,), program)
        except (IndexError, KeyError):
            continue  # a mutant may break off; another thread shows what it sends
        if notice := _notice(mutant.rule, outcome, _usual_retries(seed)):
            print(f"  {mutant.rule}: {notice}", flush=True)
            return True
    return False


@cache
def _usual_retries(seed: int) -> Counter[str]:
    """How often the code as it is learns from each rule, with the branches of one tree."""
    return ask_for_branches((seed,), _UNCHANGED).retries


def _notice(rule: str, outcome: Outcome, usual: Counter[str]) -> str:
    """Where a rule was broken: in a refusal, or in more retries than the code as it is makes."""
    for refusal in outcome.refusals:
        if f": {rule}: " in refusal:
            return refusal
    more = [name for name in outcome.retries - usual if name.endswith(f": {rule}")]
    return f"{more[0]} (and sent again)" if more else ""


def mutated(mutant: Mutant) -> Program:
    """The modules that make requests, with one change in the source of one of them."""
    saved = {name: sys.modules[name] for name in _MODULES}
    try:
        fresh = {name: _load(name, mutant) for name in _MODULES}
    finally:
        sys.modules.update(saved)
    dialects = {dialect: fresh[module.__name__] for dialect, module in PROGRAM.dialects.items()}
    return Program(dialects, fresh["chat_app.llm.profiles"])


def _load(name: str, mutant: Mutant) -> ModuleType:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    if name.endswith(mutant.module):
        assert mutant.code in source, f"{mutant.rule}: {mutant.code!r} is not there"
        source = source.replace(mutant.code, mutant.instead)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


SCENARIOS: dict[str, Scenario] = {"branches": branches, "branch-mutants": branch_mutants}
