"""Finds a Chromium for the tests, and installs one when there is none.

`python setup/chromium.py` prints its path and nothing else on standard output; an empty line
means that Playwright brings its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, else the first in PATH."""
    named = os.environ.get("CHROMIUM", "")
    candidates = (named, *NAMES) if named else NAMES
    return next((path for name in candidates if (path := shutil.which(name))), None)


def is_in_playwright() -> bool:
    """Whether Playwright has installed its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def install() -> None:
    """Install one: from the system's packages as root on Debian, else Playwright's own.

    Raises:
        CalledProcessError: That did not work; the command has said why.
    """
    if os.geteuid() == 0 and shutil.which("apt-get"):
        commands = (["apt-get", "update"], ["apt-get", "install", "-y", "chromium"])
    else:
        commands = ([sys.executable, "-m", "playwright", "install", "chromium"],)
    for command in commands:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, check=True, env=quiet, stdout=sys.stderr)


def main() -> None:
    """Print the path of a Chromium that is there afterwards."""
    if find() is None and not is_in_playwright():
        install()
    print(find() or "")


if __name__ == "__main__":
    main()
