"""The program as a subprocess: started, stopped and killed."""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 480
"""A first start builds the page; on a busy machine that takes a while."""


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """One `chat-app run`, in a process group of its own.

    Args:
        folder: Where its data lives.
        command: What starts it.
        root: The project's folder.
        given: Settings, in the environment's words.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str] = (sys.executable, "-m", "chat_app.cli", "run"),
        root: Path = ROOT,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.log = folder / "program.log"
        self._command, self._root = list(command), root
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("REFLEX_", "__REFLEX"))}
        fixed = {"PORT": str(self.port), "DATA_DIR": str(folder / "data"), "CHAT_TITLES": "false"}
        self._environment = {**clean, **fixed, "PYTHONPATH": str(root), **(given or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its process, and of its process group."""
        assert self._process is not None
        return self._process.pid

    @property
    def data_folder(self) -> Path:
        """Where its database is."""
        return Path(self._environment["DATA_DIR"])

    def given(self, **settings: str) -> None:
        """Change settings for the next start."""
        self._environment.update(settings)

    def start(self) -> None:
        """Start it and wait until it says where it is and answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"It did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        asked = http.client.HTTPConnection("localhost", self.port, timeout=2)
        try:
            asked.request("GET", "/ping")
            return asked.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()

    def beside(self, *arguments: str) -> str:
        """Run another command with the same settings while this one serves; what it says."""
        with self.begin_beside(*arguments) as process:
            said, _ = process.communicate()
        assert process.returncode == 0, said
        return said

    def begin_beside(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, to be read from while it works."""
        return subprocess.Popen(
            [sys.executable, "-m", "chat_app.cli", *arguments],
            cwd=self._root,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def behind_its_back(self, statement: str, *values: str) -> None:
        """Change rows without telling the program, so that it must look for itself."""
        (path,) = self.data_folder.glob("*.db")
        with closing(sqlite3.connect(path, timeout=30)) as db, db:
            assert db.execute(statement, values).rowcount

    def stop(self) -> int:
        """Ask it to end, as an operator does, and wait for that; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def until_gone(self) -> None:
        """Wait until its port is free again."""
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            assert time.monotonic() < deadline, "something still listens"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill its whole process group, as a lost machine would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


@contextmanager
def running(folder: Path, **given: object) -> Iterator[Program]:
    """A program that has started, and is gone afterwards."""
    program = Program(folder, **given)  # pyright: ignore[reportArgumentType]
    try:
        program.start()
        yield program
    finally:
        program.end()
