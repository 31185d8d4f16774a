"""The life of the child process behind the embedded model: start, notice its death, stop."""

import asyncio
import json
import logging
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path

import chat_app

SLOTS = 2  # answers at the same time, so that a title need not wait for a long answer
SLOT_TOKENS = 4096  # tokens of context of each

_MODULE = "chat_app.llm.embedded_server"
_STOP_SECONDS = 0.5
_MOST_THREADS = 4  # a model this small gains nothing from more
# The child needs no secret of ours, so it is given none.
_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "VIRTUAL_ENV",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip

_log = logging.getLogger(__name__)


class NotStarted(Exception):
    """The child ended before the model listened."""


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """A child that listens.

    Attributes:
        address: Its HTTP address on loopback.
        key: The key it asks for.
    """

    process: Process
    address: str
    key: str

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as this process knows."""
        return self.process.returncode is None

    async def ended(self) -> bool:
        """Whether it has ended, or does so within a moment."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End it, and wait until it is gone."""
        await _end(self.process)


async def start(path: Path) -> ModelProcess:
    """Start a child and wait until its model listens.

    Args:
        path: The GGUF file.

    Raises:
        NotStarted: The child ended instead.
    """
    key = secrets.token_urlsafe(32)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_environment()
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        wish = {
            "path": str(path),
            "key": key,
            "parent": os.getpid(),
            "threads": _threads(),
            "slots": SLOTS,
            "slot_tokens": SLOT_TOKENS,
        }
        process.stdin.write(json.dumps(wish).encode() + b"\n")
        answer = await process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise NotStarted
        return ModelProcess(process, json.loads(answer)["address"], key)
    except BaseException:
        await _end(process)
        _log.warning("The embedded model did not start (exit code %s).", process.returncode)
        raise


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    try:
        process.terminate()
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except ProcessLookupError:
        await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = str(Path(chat_app.__path__[0]).parent)
    return environment


def _threads() -> int:
    """How many threads compute.

    They meet at a barrier many times per token and spin there: with a thread on every core, one
    core that is wanted elsewhere slows all of them fifty-fold. Half of the cores lose a fifth of
    the speed on an idle machine and hardly anything on a busy one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(_MOST_THREADS, cores // 2))
