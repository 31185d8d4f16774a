"""The index of behaviours in `behaviours.toml`: each still has the test it names."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
INDEX = tomllib.loads(Path(__file__).with_name("behaviours.toml").read_text())
ROWS = [
    pytest.param(test, id=f"{source}: {says}")
    for source, rows in INDEX.items()
    for says, test in rows.items()
]


@cache
def functions_in(path: Path) -> dict[str, bool]:
    """The functions of a file, and whether each can fail: it asserts, or expects an exception."""
    return {
        one.name: "assert" in ast.unparse(one) or "pytest.raises" in ast.unparse(one)
        for one in ast.parse(path.read_text()).body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("test", ROWS)
def test_a_behaviour_has_its_test(test: str) -> None:
    file, _, name = test.partition("::")
    assert functions_in(TESTS / file).get(name), f"{test} is not there, or checks nothing"
