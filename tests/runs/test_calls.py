"""The calls of models."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "chat_app"

CALLERS = ("llm/", "runs/calls.py")
"""The modules that may reach the `stream` of a model."""
NO_MODELS = {
    ("api/requests.py", "request"),  # the body of an HTTP request
    ("core/http_out.py", "response"),  # the body of an HTTP response
}
"""What else has a `stream`, by file and name."""
LOOKUPS = ("getattr", "attrgetter", "methodcaller")


def streams_of(source: str) -> set[str]:
    """What a module reaches the `stream` of, by any way of writing it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "stream":
            found.add(ast.unparse(node.value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in LOOKUPS:
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if "stream" in names:
                found.add(ast.unparse(node))
    return found


def test_models_are_called_in_one_module_only() -> None:
    found = {
        (name, owner)
        for path in ROOT.rglob("*.py")
        if not (name := path.relative_to(ROOT).as_posix()).startswith(CALLERS)
        for owner in streams_of(path.read_text())
    }
    assert found == NO_MODELS


@pytest.mark.parametrize(
    "source",
    [
        "async for event in model.stream(prompt): pass",
        "events = aclosing(self._models.default().stream(prompt))",
        "call = partial(model.stream, prompt)",
        "call = getattr(model, 'stream')",
        "call = operator.methodcaller('stream', prompt)",
    ],
)
def test_a_call_elsewhere_is_found_however_it_is_written(source: str) -> None:
    assert streams_of(source)
