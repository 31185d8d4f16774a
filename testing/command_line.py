"""The command `chat-app` in this process: a start of Python for each would take seconds."""

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from chat_app import cli
from chat_app.settings import setting_names, settings
from chat_app.settings.server import FORBIDDEN


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: object
    out: str = ""
    err: str = ""


class _Terminal(io.StringIO):
    """Standard input that a person types."""

    def isatty(self) -> bool:
        return True


def words(said: Said) -> str:
    """The words of an error that is drawn in a box."""
    return " ".join(said.err.replace("│", " ").split())


def run_command(
    *arguments: str,
    folder: Path,
    given: Mapping[str, str] | None = None,
    stdin: str = "",
    typed: str = "",
) -> Said:
    """Run a command as an operator would call it.

    Args:
        arguments: What stands behind `chat-app`.
        folder: Where it is called; its data is in `data` there.
        given: Settings, in the environment's words.
        stdin: What it reads.
        typed: The same, from a terminal.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        known = {*setting_names(), *FORBIDDEN}
        for name in [name for name in os.environ if name in known or name.startswith("REFLEX_")]:
            patch.delenv(name)
        for name, value in {"DATA_DIR": str(folder / "data"), **(given or {})}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["chat-app", *arguments])
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "stdin", _Terminal(typed) if typed else io.StringIO(stdin))
        settings.cache_clear()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    settings.cache_clear()
    return Said(ended.value.code, out.getvalue(), err.getvalue())
