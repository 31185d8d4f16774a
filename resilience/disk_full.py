"""A full disk under running answers, and the recovery."""

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from resilience.process_kills import left_running, text_of
from resilience.program import (
    TargetProgram,
    log_errors,
    running_program,
    signed_up_users,
    temporary_folder,
)
from resilience.report import Result, Scenario
from testing.http_user import HttpUser, ReceivedAnswer

SIZE_MB = 32
LONG = "word " * 18_000
MAX_SENDS = 400


class SmallDisk:
    """A file system of its own, with a ballast in it."""

    name = f"a disk of {SIZE_MB} MB"

    def __init__(self, at: Path) -> None:
        self._ballast = at / "ballast"

    def fill(self, program: TargetProgram) -> None:
        """Write until nothing more fits."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(65_536)):
                pass

    def free(self, program: TargetProgram) -> None:
        """Take the ballast away."""
        self._ballast.unlink()


class SmallFiles:
    """The kernel refuses to let the program's files grow, where no file system can be mounted."""

    name = "files that may not grow"

    def __init__(self, at: Path) -> None:
        self._at = at

    def fill(self, program: TargetProgram) -> None:
        """Let no file grow beyond the log of changes as it is now."""
        now = (self._at / "chat.db-wal").stat().st_size
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (now, resource.RLIM_INFINITY))

    def free(self, program: TargetProgram) -> None:
        """Let files grow again."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def disk(at: Path, *, mounted: bool) -> Iterator[SmallDisk | SmallFiles]:
    """The disk under a folder: a small one, where this user may mount it."""
    at.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "tmpfs", str(at)]
    if not mounted or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield SmallFiles(at)
        return
    try:
        yield SmallDisk(at)
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


async def full(streams: int = 10, mounted: bool = True) -> Result:
    """Fill the disk under running answers; who asks reads a sentence; then make room again."""
    wrong: list[str] = []
    with temporary_folder() as at, disk(at / "data", mounted=mounted) as one:
        given = {"CHAT_MODEL": "fake:1500x4"}
        async with running_program(at, given) as program, signed_up_users(program.url, 6) as them:
            spare = await them[5].ask("to be deleted", model="fake:5x0")
            heard = [ReceivedAnswer() for _ in range(streams)]
            asks = [
                asyncio.create_task(them[i % 5].ask("go on", each)) for i, each in enumerate(heard)
            ]
            await asyncio.gather(*(each.begun.wait() for each in heard))
            one.fill(program)
            refused = await _until_refused(them[0])
            reserve = await _on_reserve(them[5], spare.thread) if isinstance(one, SmallDisk) else []
            ends = await asyncio.gather(*asks)
            one.free(program)
            broke = [each.error for each in ends if each.end == "error"]
            wrong += [f"a stream: {each.end!r}" for each in ends if not each.end]
            wrong += [f"no sentence: {error!r}" for error in broke if not error.endswith(".")]
            wrong += reserve
            wrong += [] if refused.endswith(".") else [f"a send was refused with {refused!r}"]
            wrong += await _settled(them)
            for number, each in enumerate(ends):
                wrong += await _kept(them[number % 5], each)
            after = await them[0].ask("and now", model="fake:5x0")
            wrong += [] if after.end == "finish" else [f"afterwards: {after.status}"]
            wrong += log_errors(program)
    figures = f"{one.name}; {len(broke)} of {streams} answers broke off; a send: {refused!r}"
    tried = streams + 2 + (len(_NEEDED) if isinstance(one, SmallDisk) else 0)
    return Result("disk", tried, len(wrong), "; ".join(wrong[:3]) or figures)


_NEEDED = ("sign in", "read", "delete", "sign out", "ready")


async def _on_reserve(person: HttpUser, thread: str) -> list[str]:
    """What must go on while the disk is full; what did not."""
    wrong: list[str] = []
    for name in _NEEDED:
        try:
            match name:
                case "sign in":
                    await person.sign_in()
                case "read":
                    assert await person.messages(thread)
                case "delete":
                    gone = await person.http.delete(f"/api/threads/{thread}")
                    assert gone.is_success, gone.text
                case "sign out":
                    await person.http.post("/api/auth/signout")
                    assert not await person.is_signed_in()
                    await person.sign_in()
                case _:
                    found = (await person.http.get("/readyz")).json()
                    assert found == {"status": "ok", "writes": "reserve"}, found
        except (AssertionError, httpx.HTTPError) as error:
            wrong.append(f"{name}: {error}")
    return wrong


async def _until_refused(person: HttpUser) -> str:
    """Send until one is refused; the sentence, or what came instead."""
    for _ in range(MAX_SENDS):
        one = await person.ask(LONG, model="fake:5x0")
        if one.status != 200:
            return one.refusal if one.status in (503, 507) else f"{one.status} {one.refusal}"
    return "nothing was refused"


async def _settled(them: list[HttpUser]) -> list[str]:
    """Wait until nothing runs; the program tries again by itself, within some seconds."""
    for _ in range(30):
        if not await left_running(them):
            return []
        await asyncio.sleep(0.5)
    return await left_running(them)


async def _kept(person: HttpUser, heard: ReceivedAnswer) -> list[str]:
    stored = await person.message(heard.thread, heard.message)
    if stored is None:
        return ["an answer is gone"]
    if stored["status"] not in ("complete", "failed"):
        return [f"an answer is {stored['status']}"]
    return [] if text_of(stored).startswith(heard.text) else ["text is gone"]


SCENARIOS: dict[str, Scenario] = {"disk": full}
