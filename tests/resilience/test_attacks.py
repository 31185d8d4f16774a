"""The attacks in short: counts and verdicts, no clocks. `make resilience` has the long ones."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

from resilience.attack_client_tokens import state_keys
from resilience.attack_handler_fuzz import handler_fuzz
from resilience.attack_isolation import foreign_handlers, foreign_routes
from resilience.attack_leaked_secrets import canaries, log_injection
from resilience.attack_origins import (
    SECOND_HOST,
    forged_requests,
    headers_crawl,
    host_table,
    origin_table,
    unknown_paths,
)
from resilience.attack_password_guessing import guesses
from resilience.attack_revocation import revocation
from resilience.attack_session_endings import ENDINGS, RUNS, ends
from resilience.attack_socket_fuzz import frame_fuzz
from resilience.attacker import GIVEN
from resilience.attacks import SCENARIOS
from resilience.report import Result
from testing.program import Program, running

ATTACKS: dict[str, tuple[Callable[[Program], Awaitable[Result]], int]] = {
    "state key": (partial(state_keys, tries=12), 12),
    "origin table": (origin_table, 36),
    "forged requests": (forged_requests, 64),
    "headers crawl": (headers_crawl, 90),
    "host table": (host_table, 26),
    "unknown paths": (unknown_paths, 66),
    "foreign routes": (foreign_routes, 150),
    "foreign handlers": (foreign_handlers, 30),
    "frame fuzz": (partial(frame_fuzz, tries=200), 200),
    "log injection": (partial(log_injection, tries=12), 12),
    "password guesses": (partial(guesses, tries=30), 30),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("attacked"), given=GIVEN | SECOND_HOST) as program:
        yield program


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_fails(attacked: Program, name: str) -> None:
    attack, least = ATTACKS[name]
    result = await attack(attacked)
    assert result.failed == 0, result.figures
    assert result.tried >= least


async def test_no_handler_breaks_at_any_argument() -> None:
    result = await handler_fuzz(400, seed=2)
    assert result.failed == 0, result.figures


async def test_no_secret_is_anywhere_after_a_session_that_went_wrong() -> None:
    result = await canaries()
    assert result.failed == 0, result.figures


async def test_a_revoked_session_hears_nothing_more() -> None:
    result = await revocation(6, timed=False)
    assert result.failed == 0, result.figures


async def test_however_a_session_ends_it_hears_nothing_more() -> None:
    result = await ends(sockets=3, rounds=1, looks=1, timed=False)
    assert result.failed == 0, result.figures
    assert result.tried == (3 + RUNS) * len(ENDINGS)


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len(SCENARIOS) == len(set(SCENARIOS.values()))
