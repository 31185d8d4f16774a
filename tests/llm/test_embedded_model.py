"""The real model, in its real child process."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from chat_app.core.events import Finish, TextDelta, Usage
from chat_app.llm import embedded
from chat_app.llm.base import (
    CallOptions,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    Tool,
    text_message,
)
from chat_app.llm.embedded import EmbeddedModel, find_model_file
from chat_app.llm.errors import ContextTooLong

SAFETY = 60  # seconds; no test waits for it, it only ends one that would hang
PATIENCE = ModelTimeouts(first_token=60, idle=30)
HAIKU = [text_message("user", "Write a haiku about rain")]
LONG = [text_message("user", "Count from one to one thousand in words.")]


@pytest.fixture
def model_file() -> Path:
    path = find_model_file()
    assert path is not None, "the tests need requirements-embedded.txt"
    return path


@pytest.fixture
async def model(model_file: Path) -> AsyncIterator[EmbeddedModel]:
    made = EmbeddedModel(model_file, PATIENCE)
    yield made
    await made.close()


async def ask(
    model: EmbeddedModel, prompt: list[PromptMessage] = HAIKU, max_tokens: int = 24
) -> str:
    async with asyncio.timeout(SAFETY):
        deltas = [delta async for delta in model.stream(prompt, CallOptions(max_tokens=max_tokens))]
    assert isinstance(deltas[-1], Finish)
    assert isinstance(deltas[-2], Usage)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def pid_of(model: EmbeddedModel) -> int:
    assert model.process is not None
    return model.process.process.pid


def seen_by_others(pid: int) -> bytes:
    folder = Path("/proc", str(pid))
    return (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()


async def gone(pid: int) -> None:
    """Wait until a process that need not be our child has ended."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    watch = os.pidfd_open(pid)
    loop.add_reader(watch, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), SAFETY)
    finally:
        loop.remove_reader(watch)
        os.close(watch)


async def test_it_writes_a_haiku_about_rain(model: EmbeddedModel) -> None:
    assert len(re.findall(r"[A-Za-z]{2,}", await ask(model, max_tokens=60))) >= 5


async def test_it_starts_on_first_use_only(model: EmbeddedModel) -> None:
    assert model.process is None
    await ask(model)
    first = pid_of(model)
    await ask(model)
    assert pid_of(model) == first != os.getpid()


async def test_uses_at_the_same_time_start_it_once(
    model: EmbeddedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = 0
    really_start = embedded.start

    async def counted(path: Path) -> embedded.ModelProcess:
        nonlocal starts
        starts += 1
        return await really_start(path)

    monkeypatch.setattr(embedded, "start", counted)
    answers = await asyncio.gather(*(ask(model) for _ in range(3)))
    assert starts == 1
    assert all(answers)


async def test_the_loop_turns_while_it_loads(model: EmbeddedModel) -> None:
    task = asyncio.create_task(ask(model))
    for _ in range(100):  # a start inside this process would be over after a few turns
        await asyncio.sleep(0)
        assert model.process is None
    assert await task


async def test_who_leaves_while_it_loads_does_not_stop_it_for_others(model: EmbeddedModel) -> None:
    first, second = asyncio.create_task(ask(model)), asyncio.create_task(ask(model))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second


async def test_killed_in_mid_answer_it_breaks_off_and_the_next_use_starts_it_again(
    model: EmbeddedModel,
) -> None:
    error: ProviderError | None = None
    killed = 0
    async with asyncio.timeout(SAFETY):
        while error is None:  # on a busy machine the answer may be over before the signal
            async with aclosing(model.stream(LONG, CallOptions(max_tokens=2000))) as answer:
                await anext(answer)
                killed = pid_of(model)
                os.kill(killed, signal.SIGKILL)
                try:
                    _ = [delta async for delta in answer]
                except ProviderError as caught:
                    error = caught
    assert error.code == "broken_off"
    assert await ask(model)
    assert pid_of(model) != killed


async def test_an_unnoticed_exit_is_repaired_by_the_next_use(
    model: EmbeddedModel,
) -> None:
    await ask(model)
    killed = pid_of(model)
    os.kill(killed, signal.SIGKILL)
    assert await ask(model)
    assert pid_of(model) != killed


async def test_a_left_answer_gives_its_place_to_the_next(model: EmbeddedModel) -> None:
    for _ in range(embedded.SLOTS + 1):
        async with (
            asyncio.timeout(SAFETY),
            aclosing(model.stream(LONG, CallOptions(max_tokens=2000))) as answer,
        ):
            await anext(answer)
    assert await ask(model)


async def test_a_title_need_not_wait_for_a_long_answer(model: EmbeddedModel) -> None:
    async with (
        asyncio.timeout(SAFETY),
        aclosing(model.stream(LONG, CallOptions(max_tokens=2000))) as answer,
    ):
        await anext(answer)
        assert await ask(model, max_tokens=4)
        assert isinstance(await anext(answer), TextDelta)


async def test_a_history_that_is_too_long_is_refused_as_such(model: EmbeddedModel) -> None:
    past = [text_message("user", "ᚠ" * 5_000), text_message("assistant", "ᚢ" * 500)]
    with pytest.raises(ContextTooLong):
        await ask(model, [*past, text_message("user", "Hello!")])


async def test_a_question_that_is_too_long_is_refused_with_a_sentence(model: EmbeddedModel) -> None:
    with pytest.raises(ProviderError, match="too long") as caught:
        await ask(model, [text_message("user", "слово " * 4_000)])
    assert caught.value.code == "refused"


async def test_tools_of_a_client_are_refused(model: EmbeddedModel) -> None:
    tool = Tool("add", "Adds.", {"type": "object", "properties": {}})
    exact = CallOptions(tools=(tool,), is_exact=True)
    with pytest.raises(ProviderError) as caught:
        await anext(model.stream(HAIKU, exact))
    assert caught.value.message_code == "tools_rejected"


async def test_others_on_this_machine_cannot_use_it(model: EmbeddedModel) -> None:
    await ask(model)
    assert model.process is not None
    assert model.process.url.startswith("http://127.0.0.1:")
    async with httpx.AsyncClient(
        verify=False, base_url=model.process.url, trust_env=False, timeout=SAFETY
    ) as client:
        for path in ("/v1/chat/completions", "/completion", "/tokenize"):
            body = {"messages": [{"role": "user", "content": "hi"}]}
            for headers in ({}, {"authorization": "Bearer wrong"}):
                answer = await client.post(path, json=body, headers=headers)
                assert answer.status_code == 401


async def test_it_is_given_no_secrets(
    model: EmbeddedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    await ask(model)
    assert model.process is not None
    told = seen_by_others(pid_of(model))
    assert b"sk-canary" not in told
    assert model.process.api_key.encode() not in told


async def test_it_prints_nothing(model: EmbeddedModel, capfd: pytest.CaptureFixture[str]) -> None:
    await ask(model)
    assert capfd.readouterr() == ("", "")


async def test_closing_ends_it_for_good(model: EmbeddedModel) -> None:
    await ask(model)
    assert model.process is not None
    process = model.process
    await model.close()
    assert not process.alive
    with pytest.raises(ProviderError):
        await ask(model)


async def test_closing_while_it_loads_ends_it(
    model: EmbeddedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: asyncio.Queue[Process] = asyncio.Queue()
    really_spawn = asyncio.create_subprocess_exec

    async def spawn(*command: str, **options: Any) -> Process:
        process = await really_spawn(*command, **options)
        spawned.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)
    task = asyncio.create_task(ask(model))
    process = await asyncio.wait_for(spawned.get(), SAFETY)
    assert process.returncode is None
    await model.close()
    assert process.returncode is not None
    with pytest.raises(ProviderError):
        await task


async def test_a_file_that_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF but not really")
    model = EmbeddedModel(path, PATIENCE)
    with pytest.raises(ProviderError, match="could not be started") as caught:
        await ask(model)
    assert caught.value.code == "unreachable"
    await model.close()


async def test_it_ends_when_its_standard_input_ends(model_file: Path) -> None:
    process = await embedded.start(model_file)
    assert process.process.stdin is not None
    process.process.stdin.close()
    assert await asyncio.wait_for(process.process.wait(), SAFETY) == 0


PARENT = """
import asyncio, os, sys
from pathlib import Path
from chat_app.llm import embedded

async def main():
    process = await embedded.start(Path(sys.argv[1]))
    if sys.argv[2] == "fork" and os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    print(process.process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("also", ["alone", "fork"])  # a fork keeps the pipe to the child open
async def test_it_dies_with_a_parent_that_is_killed(model_file: Path, also: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(model_file), also, stdin=PIPE, stdout=PIPE
    )
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), SAFETY))
    waiting = asyncio.create_task(gone(child))
    await asyncio.sleep(0)
    assert not waiting.done()
    parent.kill()
    await waiting
    await asyncio.wait_for(parent.communicate(b""), SAFETY)
