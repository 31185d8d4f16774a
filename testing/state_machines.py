"""Runs state machines of Hypothesis: users do random things, and a model predicts what is seen."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyFailure
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


class _Uniform(HypothesisProvider):
    """Draws each number of a range equally often, and so each rule of a machine.

    Hypothesis prefers small numbers: of twenty rules it takes the first one for a third of all
    steps, and the last one hardly ever. It repeats examples with small changes, and takes numbers
    from the source of the modules that happen to be imported, which it does not do here.
    """

    def draw_integer(
        self, min_value: int | None = None, max_value: int | None = None, **more: Any
    ) -> int:
        assert self._random is not None
        assert min_value is not None
        assert max_value is not None
        return self._random.randint(min_value, max_value)

    def draw_boolean(self, p: float = 0.5) -> bool:
        # p is how likely an example leaves out a rule: up to 1, and here up to one half
        return super().draw_boolean(p if p == 0.5 else p / 2)

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS["uniform"] = _Uniform


def run_machine(kind: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run a machine, with the same examples each time.

    Args:
        kind: The machine.
        examples: How many times it begins anew.
        steps: The most things that are done each time.

    Raises:
        AssertionError: A rule or an invariant of the machine does not hold.
    """
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        backend="uniform",
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    try:
        run_state_machine_as_test(kind, settings=given)
    except FlakyFailure as flaky:  # ids are random: what has failed may hold when it is repeated
        raise flaky.exceptions[0] from None
