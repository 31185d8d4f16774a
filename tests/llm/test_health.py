"""The circuit breakers of models, on a clock of the test."""

import logging

import pytest

from chat_app.llm.errors import Failure
from chat_app.llm.health import (
    FAILURES,
    MAX_BREAKERS,
    MAX_REST_SECONDS,
    REST_SECONDS,
    HealthMonitor,
    ModelHealth,
)

BROKEN = Failure.SERVER.error("One")
LIMITED = Failure.RATE_LIMIT.error("One", retry_after=40)


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> HealthMonitor:
    return HealthMonitor(clock)


def fail(health: HealthMonitor, times: int = 1, error: Exception = BROKEN) -> None:
    for _ in range(times):
        health.started("one")
        health.failed("one", error)  # pyright: ignore[reportArgumentType]


def test_a_model_is_called_until_several_calls_in_a_row_have_failed(health: HealthMonitor) -> None:
    assert health.of("one") == ModelHealth()
    fail(health, FAILURES - 1)
    assert health.can_call("one")
    assert (health.of("one").state, health.of("one").error) == ("closed", "provider_error")
    fail(health)
    assert not health.can_call("one")
    assert (health.of("one").state, health.of("one").seconds) == ("open", REST_SECONDS)
    assert health.can_call("two")


def test_an_answer_ends_the_row(health: HealthMonitor) -> None:
    fail(health, FAILURES - 1)
    health.answering("one")
    health.succeeded("one")
    assert health.of("one") == ModelHealth()
    fail(health, FAILURES - 1)
    assert health.can_call("one")


def test_after_its_rest_one_call_tries_the_model(health: HealthMonitor, clock: Clock) -> None:
    fail(health, FAILURES)
    clock.time += REST_SECONDS - 1
    assert not health.can_call("one")
    clock.time += 1
    assert health.of("one").state == "half-open"
    assert health.can_call("one")
    health.started("one")
    assert not health.can_call("one"), "the others wait for its outcome"
    health.answering("one")
    assert health.can_call("one"), "the first token is enough; the whole answer may take minutes"


def test_a_trial_that_is_given_up_leaves_the_next_one(health: HealthMonitor, clock: Clock) -> None:
    fail(health, FAILURES)
    clock.time += REST_SECONDS
    health.started("one")
    health.cancelled("one")
    assert health.can_call("one")


def test_each_failed_trial_doubles_the_rest_up_to_a_limit(
    health: HealthMonitor, clock: Clock
) -> None:
    rests: list[float] = []
    fail(health, FAILURES)
    for _ in range(8):
        rests.append(health.of("one").seconds)
        clock.time += rests[-1]
        fail(health)
    assert rests[:3] == [REST_SECONDS, 2 * REST_SECONDS, 4 * REST_SECONDS]
    assert rests[-1] == MAX_REST_SECONDS


def test_failures_of_calls_that_overlap_do_not_prolong_a_rest(
    health: HealthMonitor, clock: Clock
) -> None:
    fail(health, FAILURES)
    clock.time += 5
    fail(health, 20)
    assert health.of("one").seconds == REST_SECONDS - 5


def test_answers_that_break_off_open_the_breaker_too(health: HealthMonitor) -> None:
    for _ in range(FAILURES):
        health.started("one")
        health.answering("one")
        health.failed("one", Failure.CUT_OFF.error("One"))
    assert not health.can_call("one")


def test_a_provider_that_asks_for_a_pause_gets_it_at_once(
    health: HealthMonitor, clock: Clock
) -> None:
    fail(health, 1, LIMITED)
    found = health.of("one")
    assert (found.state, found.error, found.seconds) == ("open", "rate_limited", 40)
    assert found.params["retry_after"] == 40
    clock.time += 40
    assert health.can_call("one")
    fail(health, 1, Failure.QUOTA.error("One", retry_after=1_000_000))
    assert health.of("one").seconds == MAX_REST_SECONDS


@pytest.mark.parametrize(
    "failure", [Failure.CONTEXT, Failure.WITHHELD, Failure.REQUEST, Failure.TOOLS]
)
def test_what_one_request_is_to_blame_for_says_nothing_about_the_model(
    health: HealthMonitor, failure: Failure
) -> None:
    fail(health, 2 * FAILURES, failure.error("One"))
    assert health.of("one") == ModelHealth()


@pytest.mark.parametrize(
    "failure", [Failure.API_KEY, Failure.QUOTA, Failure.MODEL, Failure.SLOW, Failure.MALFORMED]
)
def test_every_other_failure_counts(health: HealthMonitor, failure: Failure) -> None:
    fail(health, FAILURES, failure.error("One"))
    assert not health.can_call("one")


def test_the_log_names_the_model_and_the_reason_once(
    health: HealthMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fail(health, FAILURES + 5)
    [record] = caplog.records
    assert record.getMessage() == (
        "The model one fails (provider_error): its alternatives are called for 15 s."
    )


def test_failing_models_are_not_remembered_without_bound(health: HealthMonitor) -> None:
    for number in range(MAX_BREAKERS + 1):
        health.failed(f"fake:refuse:{number}x0", BROKEN)
    assert health.of("fake:refuse:0x0") == ModelHealth()
    assert health.of("fake:refuse:1x0").error == "provider_error"
