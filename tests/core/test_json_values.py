"""JSON values that are safe to store and to send."""

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given

from chat_app.core.json_values import LEFT_OUT, MAX_DEPTH, MAX_VALUES, json_value
from testing.event_strategies import json_values


def nested(depth: int) -> list[Any]:
    """Lists inside one another."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        value, depth = value[0] if value else None, depth + 1
    return depth


@given(json_values)
def test_a_value_that_is_safe_stays_as_it_is(value: Any) -> None:
    assert json_value(value) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_a_number_that_no_browser_reads_becomes_null(number: float) -> None:
    assert json_value(number) is None
    assert json_value({"a": [number, 1, {"b": number}]}) == {"a": [None, 1, {"b": None}]}


def test_a_number_too_long_to_be_written_becomes_null() -> None:
    assert json_value(10**5000) is None


def test_any_other_number_stays() -> None:
    numbers = [0, -1.5, True, sys.float_info.max, -sys.float_info.max, 2**1000]
    assert json_value(numbers) == numbers


def test_what_is_nested_deeper_than_the_maximum_is_left_out() -> None:
    assert json_value(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    copy = json_value(nested(100_000))
    assert depth_of(copy) == MAX_DEPTH
    assert json.dumps(copy) == "[" * MAX_DEPTH + json.dumps(LEFT_OUT) + "]" * MAX_DEPTH


def test_a_value_that_holds_itself_is_copied_up_to_the_maximum() -> None:
    value: list[Any] = []
    value += [value, value]
    assert json.dumps(json_value(value)).count(LEFT_OUT) <= MAX_VALUES
    assert json_value([[0] * MAX_VALUES, [1], "a"]) == [LEFT_OUT, [1], "a"]


def test_objects_have_texts_as_keys_and_tuples_are_lists() -> None:
    assert json_value({1: (2, math.nan), math.nan: 3}) == {"1": [2, None], "nan": 3}
