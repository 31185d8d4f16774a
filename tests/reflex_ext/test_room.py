"""Outside `reflex_ext` the program uses the public surface of Reflex alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("reflex", "reflex_base", "reflex_components_core", "socketio", "engineio")
PRIVATE_DATA = {"router_data", "event_handlers", "state_manager", "event_namespace"}
FILES = sorted(
    path
    for path in (ROOT / "chat_app").rglob("*.py")
    if path.parent != ROOT / "chat_app" / "reflex_ext"
)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of Reflex and its sockets that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [
                f"import {name.name} as {name.asname}" if name.asname else f"import {name.name}"
                for name in node.names
                if name.name.split(".")[0] in PACKAGES
            ]
            yield from found
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            yield f"from {node.module} import {', '.join(name.name for name in node.names)}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(tree: ast.AST) -> Iterator[str]:
    """Private attributes of `rx` and of the app, and what Reflex keeps in a state for itself."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        start = node.value
        while isinstance(start, ast.Attribute | ast.Call):
            start = start.value if isinstance(start, ast.Attribute) else start.func
        root = start.id if isinstance(start, ast.Name) else ""
        if root in ("rx", "app") and is_private(node.attr):
            yield ast.unparse(node)
        if node.attr in PRIVATE_DATA:
            yield ast.unparse(node)


def classes(tree: ast.AST) -> dict[str, ast.ClassDef]:
    """The classes of a module, by name."""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


STATES = {
    name: one
    for path in FILES
    if path.is_relative_to(ROOT / "chat_app" / "states")
    for name, one in classes(ast.parse(path.read_text(encoding="utf-8"))).items()
}
"""What a state may derive from, besides `rx.State`."""


def defined(one: ast.ClassDef) -> set[str]:
    """What a class, and those of the project that it derives from, define."""
    own = {
        node.name
        for node in ast.walk(one)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    own |= {
        node.target.id
        for node in one.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    bases = [STATES[name] for name in map(ast.unparse, one.bases) if name in STATES]
    return own.union(*map(defined, bases))


def foreign_members(tree: ast.AST) -> Iterator[str]:
    """Private members that a state uses on itself, and neither it nor its bases here define."""
    for one in classes(tree).values():
        if "rx.State" not in map(ast.unparse, one.bases):
            continue
        own = defined(one)
        for node in ast.walk(one):
            if (
                isinstance(node, ast.Attribute)
                and ast.unparse(node.value) == "self"
                and is_private(node.attr)
                and node.attr not in own
            ):
                yield f"{one.name}.{node.attr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_uses_the_public_surface_of_reflex(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert set(imported(tree)) <= {"import reflex as rx"}
    assert list(private_names(tree)) == []
    assert list(foreign_members(tree)) == []


@pytest.mark.parametrize(
    "line",
    [
        "from reflex.state import State",
        "import socketio",
        "import reflex_base.config",
        "app._setup_state()",
        "rx.config._x",
        "self.router_data",
        "class A(rx.State):\n  def f(self): self._clean()",
        "class A(NoticeState, rx.State):\n  def f(self): self._clean()",
    ],
)
def test_what_is_not_public_is_found(line: str) -> None:
    tree = ast.parse(line)
    found = [*imported(tree), *private_names(tree), *foreign_members(tree)]
    assert found
    assert found != ["import reflex as rx"]
