"""Finds a Chromium for the tests, and installs one when there is none.

`python setup/chromium.py` prints its path and nothing else on standard output; an empty line
means that Playwright brings its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HEADLESS = "chromium-headless-shell"
"""Chromium without a user interface. It opens a page in a quarter of the time: the others draw a
window with its toolbar for each, seen or not."""
TRIED = Path(__file__).resolve().parents[1] / ".venv" / "done" / "chromium"
"""Is there once the packages were installed, or could not be: that is not tried at each call."""
NAMES = (HEADLESS, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find(*, has_window: bool = False) -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, else the first in PATH.

    Args:
        has_window: Whether it must be one with a user interface: only these keep pages for the back
            button.
    """
    named = os.environ.get("CHROMIUM", "")
    candidates = (named, *NAMES) if named else NAMES
    found = (path for name in candidates if (path := shutil.which(name)))
    return next((path for path in found if not (has_window and HEADLESS in path)), None)


def is_in_playwright() -> bool:
    """Whether Playwright has installed its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def has_packages() -> bool:
    """Whether the system's packages can be installed: as root on Debian."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install() -> None:
    """Install one: from the system's packages where they can be, else Playwright's own.

    Raises:
        CalledProcessError: That did not work; the command has said why.
    """
    if has_packages():
        _run("apt-get", "update")
        _run("apt-get", "install", "-y", "chromium")
        _run("apt-get", "install", "-y", HEADLESS)  # an older Debian has no such package
    else:
        _run(sys.executable, "-m", "playwright", "install", "chromium")


def _run(*command: str) -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, check=True, env=quiet, stdout=sys.stderr)


def main() -> None:
    """Print the path of a Chromium that is there afterwards."""
    is_there = find() is not None or is_in_playwright()
    is_chosen = bool(os.environ.get("CHROMIUM")) or all(map(shutil.which, (HEADLESS, "chromium")))
    if not is_there or (has_packages() and not is_chosen and not TRIED.exists()):
        try:
            install()
        except subprocess.CalledProcessError:
            if find() is None and not is_in_playwright():
                raise
        TRIED.parent.mkdir(parents=True, exist_ok=True)
        TRIED.touch()
    print(find() or "")


if __name__ == "__main__":
    main()
