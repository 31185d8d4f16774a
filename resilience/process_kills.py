"""SIGKILL and SIGTERM under running answers.

Nothing that a reader has seen may be missing afterwards.
"""

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from resilience.program import log_errors, running_program, signed_up_users, temporary_folder
from resilience.report import Result, Scenario
from testing.http_user import CHAT, HttpUser, ReceivedAnswer, SocketTab, open_tab

SEED = 20_240_601
MODEL = "fake:think50:150x20"
"""A model that thinks for a second before it answers."""
THINKING = "fake:think3000:10x20"
"""A model that is killed in mid-thought."""
ENDS = {"complete", "interrupted"}
EXIT_SECONDS = 5.0


@dataclass
class Watched:
    """One answer and what reached its reader, over HTTP (`heard`) or a socket (`tab`)."""

    person: HttpUser
    heard: ReceivedAnswer | None = None
    tab: SocketTab | None = None
    client_id: str = ""

    async def begun(self) -> None:
        """Wait until the reader has something of the answer."""
        if self.heard is not None:
            await asyncio.wait_for(self.heard.begun.wait(), 30)
        elif self.tab is not None:
            tab = self.tab
            await tab.until(lambda: any(tab.text_of(m) for m in list(tab.stream_ids)[1:]))

    async def wrong(self) -> str:
        """What is wrong with the stored answer, or nothing; the program runs again."""
        if (heard := self.heard) is not None:
            if not heard.message:
                return ""
            return await self._compare(heard.thread, heard.message, heard.text, heard.reasoning)
        assert self.tab is not None
        stored = await self.person.messages(self.tab.thread)
        if self.tab.state.get("accepted") == self.client_id and len(stored) != 2:
            return "an accepted message is gone"
        for message, stream_id in self.tab.stream_ids.items():
            text, reasoning = (
                seen.get(stream_id, "") for seen in (self.tab.texts, self.tab.reasoning)
            )
            if said := await self._compare(self.tab.thread, message, text, reasoning):
                return said
        return ""

    async def _compare(self, thread: str, message: str, text: str, reasoning: str) -> str:
        stored = await self.person.message(thread, message)
        if stored is None:
            return "a message is gone"
        if stored["status"] not in ENDS:
            return f"an answer is {stored['status']}"
        if not text_of(stored).startswith(text):
            return "text is gone"
        if not text_of(stored, "reasoning").startswith(reasoning):
            return "reasoning is gone"
        return ""

    @property
    def seen(self) -> int:
        """How many characters of text reached the reader."""
        if self.heard is not None:
            return len(self.heard.text)
        assert self.tab is not None
        return sum(map(len, self.tab.texts.values()))

    @property
    def thought(self) -> int:
        """How many characters of reasoning reached the reader."""
        if self.heard is not None:
            return len(self.heard.reasoning)
        assert self.tab is not None
        return sum(map(len, self.tab.reasoning.values()))


def text_of(message: dict[str, object], kind: str = "text") -> str:
    """The text of a message's parts of one kind, as the routes give it."""
    parts: list[dict[str, str]] = message["parts"]  # pyright: ignore[reportAssignmentType]
    return "".join(part["text"] for part in parts if part["type"] == kind)


async def begin(
    stack: AsyncExitStack,
    persons: list[HttpUser],
    count: int,
    model: str,
    readers: set,
    *,
    also: str = "",
) -> list[Watched]:
    """Let `count` answers begin, by turns watched over HTTP and over a socket.

    Args:
        stack: Closes the sockets.
        persons: Who asks, by turns.
        count: How many answers.
        model: The model.
        readers: Gets the tasks that read over HTTP.
        also: The model of every second answer over HTTP; empty for the same.
    """
    watched = []
    for number in range(count):
        person = persons[number % len(persons)]
        if number % 2:
            one = await stack.enter_async_context(open_tab(person, await person.new_thread()))
            watched.append(Watched(person, tab=one, client_id=uuid4().hex))
        else:
            watched.append(Watched(person, heard=ReceivedAnswer()))
    for number, one in enumerate(watched):
        if one.heard is not None:
            asked = also if also and number % 4 == 0 else model
            work = one.person.ask("go on", one.heard, model=asked)
            readers.add(asyncio.create_task(work))
        elif one.tab is not None:
            await one.tab.call(f"{CHAT}.pick_model", model_id=model)
            await one.tab.call(
                f"{CHAT}.send", client_id=one.client_id, thread=one.tab.thread, text="go on"
            )
    return watched


async def kill(rounds: int = 20, streams: int = 20, seed: int = SEED) -> Result:
    """Kill the process group at random moments under many streams; start again; compare.

    Every fourth answer is killed in mid-thought for certain, others by chance.

    Args:
        rounds: How many kills.
        streams: How many answers each time.
        seed: Chooses the moments.
    """
    chance = random.Random(seed)
    wrong: list[str] = []
    seen = thought = cut = 0
    with temporary_folder() as at:
        async with (
            running_program(at, {"CHAT_MODEL": MODEL}) as program,
            signed_up_users(program.url, 5) as them,
        ):
            for _ in range(rounds):
                readers: set[asyncio.Task[ReceivedAnswer]] = set()
                async with AsyncExitStack() as stack:
                    watched = await begin(stack, them, streams, MODEL, readers, also=THINKING)
                    await asyncio.sleep(chance.uniform(0, 4))
                    program.kill()
                    await asyncio.gather(*readers)
                    for one in watched:
                        if one.tab is not None:
                            await asyncio.wait_for(one.tab.closed.wait(), 10)
                await asyncio.to_thread(program.start)
                for one in watched:
                    seen += one.seen
                    thought += one.thought
                    cut += one.heard is not None and not one.heard.end
                    if said := await one.wrong():
                        wrong.append(said)
                wrong += await left_running(them)
            wrong += log_errors(program)
    figures = (
        f"{rounds} kills, {cut} HTTP readers cut off, {seen} characters of text and {thought} of "
        "reasoning seen and all kept"
    )
    return Result("kill", rounds * streams, len(wrong), "; ".join(wrong[:3]) or figures)


async def left_running(them: list[HttpUser]) -> list[str]:
    """A word for each thread that still says it is running."""
    return [
        "a thread still runs" for p in them for thread in await p.threads() if thread["running"]
    ]


async def sigterm(
    rounds: int = 3, streams: int = 20, embedded: bool = True, within: float = EXIT_SECONDS
) -> Result:
    """Ask it to end under many streams with open sockets and, where there is one, a model child.

    Args:
        rounds: How often.
        streams: How many answers.
        embedded: Whether the model of this machine answers too, in its child process.
        within: Seconds it may take.
    """
    wrong: list[str] = []
    took: list[float] = []
    children_seen = 0
    given = {"CHAT_MODEL": "fake:3000x20", "EMBEDDED_MODEL": str(embedded).lower()}
    with temporary_folder() as at:
        async with running_program(at, given) as program, signed_up_users(program.url, 5) as them:
            offered = (await them[0].http.get("/api/models")).json()["models"]
            child = next((m["id"] for m in offered if m["id"].startswith("smol")), "")
            for _ in range(rounds):
                readers: set[asyncio.Task[ReceivedAnswer]] = set()
                async with AsyncExitStack() as stack:
                    watched = await begin(stack, them, streams, "fake:3000x20", readers)
                    if child:
                        local = Watched(them[0], heard=ReceivedAnswer())
                        watched.append(local)
                        work = local.person.ask("Tell a long story.", local.heard, model=child)
                        readers.add(asyncio.create_task(work))
                        assert local.heard is not None
                        await asyncio.wait_for(local.heard.begun.wait(), 60)
                    await asyncio.gather(*(one.begun() for one in watched))
                    family = descendants(program.pid)
                    children_seen += len(family)
                    began = time.monotonic()
                    code = await asyncio.to_thread(program.stop)
                    took.append(time.monotonic() - began)
                    await asyncio.gather(*readers)
                if code != 0:
                    wrong.append(f"it left with {code}")
                if took[-1] > within:
                    wrong.append(f"it took {took[-1]:.1f} s")
                wrong += [f"a child is left: {pid}" for pid in family if alive(pid)]
                await asyncio.to_thread(program.start)
                wrong += [said for one in watched if (said := await one.wrong())]
                wrong += await left_running(them)
            wrong += log_errors(program)
    figures = f"exit {max(took):.2f} s at most, {children_seen} children seen, 0 left"
    return Result(
        "sigterm", rounds * (streams + bool(child)), len(wrong), "; ".join(wrong[:3]) or figures
    )


def descendants(pid: int) -> list[int]:
    """The processes that a process has running_program, and theirs."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False


SCENARIOS: dict[str, Scenario] = {"kill": kill, "sigterm": sigterm}
