"""Each fault once and with few answers; `make resilience` has the full counts."""

import math

import pytest

from resilience.clock_jumps import clock
from resilience.database_locks import locked, locked_exit
from resilience.disk_full import full
from resilience.duplicate_sends import duplicates
from resilience.process_kills import kill, sigterm
from resilience.provider_faults import provider
from resilience.proxies import proxied
from resilience.report import Result, table


def assert_well(result: Result) -> None:
    assert result.tried > 0
    assert result.failed == 0, result.figures


async def test_a_killed_process_takes_back_nothing_it_has_shown() -> None:
    assert_well(await kill(rounds=1, streams=6))


async def test_a_signal_ends_it_with_every_answer_kept_and_no_child_left() -> None:
    assert_well(await sigterm(rounds=1, streams=6, embedded=False, within=math.inf))


async def test_a_failing_provider_is_told_in_a_sentence_and_can_be_asked_again() -> None:
    assert_well(await provider(fakes=False))


async def test_a_disk_without_room_costs_no_text_that_was_shown() -> None:
    assert_well(await full(streams=4, mounted=False))


async def test_a_clock_that_jumps_an_hour_ends_nothing() -> None:
    assert_well(await clock(half_a_day=False))


async def test_a_database_that_another_process_holds_is_waited_for() -> None:
    assert_well(await locked(streams=4, seconds=(1,)))


async def test_a_signal_while_nothing_can_be_written_loses_nothing() -> None:
    assert_well(await locked_exit(streams=4, within=math.inf))


async def test_one_client_id_sent_twenty_times_at_once_is_one_message_and_one_run() -> None:
    assert_well(await duplicates(rounds=3))


async def test_without_a_proxy_to_try_the_drill_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = await proxied()
    assert (result.tried, result.failed) == (1, 1)
    assert result.figures == "install one of these: nginx, caddy"


def test_the_table_has_a_line_for_each_scenario() -> None:
    lines = table([Result("kill", 400, 0, "all kept"), Result("clock", 4, 1)]).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["scenario", "tried", "failed"],
        ["kill", "400", "0"],
        ["clock", "4", "1"],
    ]
