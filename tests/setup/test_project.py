"""What holds for the files of the project as a whole."""

import ast
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": PROJECT["dependency-groups"]["dev"],
    "requirements-embedded.txt": PROJECT["dependency-groups"]["embedded"],
    "requirements-setup.txt": PROJECT["dependency-groups"]["setup"],
}
TARGETS = (
    *("help", "run", "dev", "test", "lint", "format", "coverage", "bench"),
    *("resilience", "load", "screenshots", "lock", "clean"),
)
HARNESS = ("testing", "tests", "benchmarks", "resilience", "screenshots", "setup")
MAKERS = {
    "create_engine",
    "create_async_engine",
    "sessionmaker",
    "async_sessionmaker",
    "Session",
    "AsyncSession",
    "ScopedSession",
    "SystemSession",
}


def locked(name: str) -> dict[str, str]:
    """Each package of a lock file with its version."""
    found = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(found)


def wanted(requirement: str) -> tuple[str, str]:
    """The name of a requirement and the version it begins or is pinned at."""
    match = re.match(r"([A-Za-z0-9-]+)(?:\[[^\]]*\])?(?:==|>=)([\d.]+)", requirement)
    assert match is not None, requirement
    return match[1].lower(), match[2]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_locked_at_a_version_that_fits(name: str) -> None:
    found = locked(name)
    for requirement in LOCKS[name]:
        package, oldest = wanted(requirement)
        assert numbers(found[package]) >= numbers(oldest)


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_its_hashes(name: str) -> None:
    entries = re.split(r"^(?=\S)", (ROOT / name).read_text(), flags=re.MULTILINE)
    packages = [entry for entry in entries if "==" in entry.partition("\n")[0]]
    assert len(packages) >= len(LOCKS[name])
    assert all("--hash=sha256:" in entry for entry in packages)


def test_the_locks_agree_with_each_other() -> None:
    program, tests = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {name: tests[name] for name in program.keys() & tests} == {
        name: program[name] for name in program.keys() & tests
    }


@pytest.mark.parametrize(
    "name",
    [
        *(*LOCKS, "bunfig.toml", ".npmrc", "Makefile", ".ci/run", ".pre-commit-config.yaml"),
        *("bun.lock", "tests/ai_sdk/bun.lock"),
    ],
)
def test_no_setup_file_names_a_host_or_a_local_folder(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"(^|[\s\"'=])/(home|root|opt|tmp|work|Users)/", text)
    assert "index-url" not in text.replace("--no-emit-index-url", "")


def test_the_frontend_lock_names_no_host() -> None:
    for path in (ROOT / "reflex.lock").glob("*"):
        assert "://" not in path.read_text(), path.name


def test_the_makefile_has_and_explains_its_targets() -> None:
    said = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in TARGETS:
        subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True)
        assert target == "help" or f"make {target} " in said


def test_ci_runs_the_tests() -> None:
    path = ROOT / ".ci" / "run"
    assert path.stat().st_mode & stat.S_IXUSR
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "make test" in text


def test_every_import_contract_holds() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_engines_and_sessions_are_made_in_db_alone() -> None:
    makers = {
        path.relative_to(ROOT / "chat_app").parts[0]
        for path in (ROOT / "chat_app").rglob("*.py")
        if MAKERS & _calls(path)
    }
    assert makers == {"db"}


def test_every_module_is_named_by_what_it_holds() -> None:
    shelves = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [path for path in (ROOT / "chat_app").rglob("*.py") if path.stem in shelves]


def test_nothing_imports_from_the_tests() -> None:
    assert not [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in (*HARNESS, "chat_app")
        for path in (ROOT / folder).rglob("*.py")
        for name in _imports(path)
        if name.split(".")[0] == "tests"
    ]


def test_the_sql_compiler_is_changed_in_tests_of_the_database_alone() -> None:
    """Other tests of a process share compiled statements (testing/engine_events.py)."""
    name = "_Owner" + "Filter"
    found = [path for path in (ROOT / "tests").rglob("*.py") if name in path.read_text()]
    assert {path.relative_to(ROOT / "tests").parts[0] for path in found} == {"db"}


def test_what_a_page_is_waited_for_is_a_function() -> None:
    """Chromium evaluates an expression again at each look: the page's policy refuses the second."""
    scripts = [
        (str(path), str(node.args[0].value))
        for folder in HARNESS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name_of(node.func) == "wait_for_function"
        if isinstance(node.args[0], ast.Constant)
    ]
    assert scripts
    assert not [one for one in scripts if "=>" not in one[1]]


def _imports(path: Path) -> set[str]:
    """Every module that a file imports by its absolute name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module or "")
    return found


def _calls(path: Path) -> set[str]:
    """The last name of everything that a file calls."""
    calls = (
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    )
    return {_name_of(call) for call in calls}


def _name_of(called: ast.expr) -> str:
    return getattr(called, "attr", "") or getattr(called, "id", "")
