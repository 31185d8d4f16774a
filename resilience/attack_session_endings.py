"""Each way in which a session ends, while its tabs stream and its answers run."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from chat_app.gateway.connections import DEFAULT_TIMEOUTS
from resilience.attack_flood import percentile
from resilience.attack_revocation import ENDED, MAX_MS, MAX_PROVIDER_MS
from resilience.attacker import Caller, signed_up, with_own_program
from resilience.report import Result
from resilience.streaming_tabs import (
    PATIENCE,
    EndlessProvider,
    StreamWatcher,
    second_device,
    settings_for,
    until_over,
    watched_tabs,
)
from testing.fake_provider import serve
from testing.program import Program

RUNS = 2
LOOK_MS = DEFAULT_TIMEOUTS.revalidate * 1000
"""How long the program may not know of an end that it was not told of."""
NEW_PASSWORD = "violet kettle harbour thirty eight"


@dataclass(frozen=True)
class SessionEnding:
    """A way to end the session of a phone.

    Args:
        act: Does it, from the phone, from a laptop or behind the program's back; returns once it
            is answered.
        looks: Whether the program learns of it only when it looks again.
    """

    act: Callable[[Caller, Caller], Awaitable[None]]
    looks: bool = False


@dataclass
class Measured:
    """What was seen of one way to end, over all its rounds. All times count from the answer.

    Attributes:
        last: Milliseconds to the last byte of each socket.
        cut: Milliseconds to the close of each connection to the model.
        wrong: How often something went wrong, by what it is.
    """

    last: list[float] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)


async def _sign_out(phone: Caller, _: Caller) -> None:
    answer = await phone.http.post("/api/auth/signout")
    assert answer.status_code == 200, answer.text


async def _revoke_one(_: Caller, laptop: Caller) -> None:
    listed = (await laptop.http.get("/api/account/sessions")).json()["sessions"]
    (other,) = [one["id"] for one in listed if not one["current"]]
    answer = await laptop.http.delete(f"/api/account/sessions/{other}")
    assert answer.status_code == 204, answer.text


async def _everywhere(_: Caller, laptop: Caller) -> None:
    answer = await laptop.http.post("/api/account/sessions/revoke-all")
    assert answer.status_code == 200, answer.text


async def _change_password(_: Caller, laptop: Caller) -> None:
    answer = await laptop.http.post("/api/account/password", json={"password": NEW_PASSWORD})
    assert answer.status_code == 204, answer.text


async def _delete(_: Caller, laptop: Caller) -> None:
    answer = await laptop.http.request("DELETE", "/api/account", json={"confirm": laptop.email})
    assert answer.status_code == 200, answer.text


async def _disable(_: Caller, laptop: Caller) -> None:
    # It says so once the program has heard it, and then takes its time to leave.
    process = laptop.program.begin_beside("user", "disable", laptop.email)
    assert process.stdout is not None
    said = await asyncio.to_thread(process.stdout.readline)
    assert "is disabled" in said, said
    asyncio.get_running_loop().run_in_executor(None, process.communicate)


async def _expire(_: Caller, laptop: Caller) -> None:
    laptop.program.behind_its_back(
        "UPDATE auth_session SET idle_expires_at = created_at"
        " WHERE user_id = (SELECT id FROM user WHERE email = ?)",
        laptop.email,
    )


ENDINGS = {
    "sign-out": SessionEnding(_sign_out),
    "revoke one": SessionEnding(_revoke_one),
    "everywhere": SessionEnding(_everywhere),
    "password": SessionEnding(_change_password),
    "deletion": SessionEnding(_delete),
    "disable": SessionEnding(_disable),
    "expiry": SessionEnding(_expire, looks=True),
}


async def ends(
    sockets: int = 10, rounds: int = 10, looks: int = 3, *, timed: bool = True
) -> Result:
    """End a session in each way there is, while its tabs hear answers of a slow model server.

    Args:
        sockets: How many tabs the session has.
        rounds: How often each way that the program is told of.
        looks: How often each way that it finds when it looks again.
        timed: Whether the times are judged.
    """
    talker = EndlessProvider()
    async with serve(talker.answer) as provider:

        async def attacked(program: Program) -> Result:
            found: dict[str, Measured] = defaultdict(Measured)
            for name, ending in ENDINGS.items():
                for _ in range(looks if ending.looks else rounds):
                    await _end(program, talker, ending, sockets, found[name])
                if timed:
                    _judge(ending, found[name])
            return _result(found)

        return await with_own_program(attacked, **settings_for(provider))()


async def _end(
    program: Program, talker: EndlessProvider, ending: SessionEnding, sockets: int, found: Measured
) -> None:
    phone = await signed_up(program)
    laptop = await second_device(phone)
    before = len(talker.gone)
    async with watched_tabs(program, phone, sockets=sockets, runs=RUNS) as (watchers, tasks):
        first = asyncio.create_task(_first_closed(talker, tasks))
        await ending.act(phone, laptop)
        answered, said = time.perf_counter(), talker.said
        known = [await first] if ending.looks else [await first, said]
        await until_over(talker, tasks)
    found.last += [_after(answered, one.closed_at) for one in watchers]
    found.cut += [_after(answered, when) for when in talker.gone[before:]]
    found.wrong += await _wrong(phone, watchers, min(known))


async def _first_closed(talker: EndlessProvider, tasks: Sequence[asyncio.Task[None]]) -> int:
    """The last word that the model said before the end of a session was seen."""
    await asyncio.wait(tasks, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    return talker.said


async def _wrong(phone: Caller, watchers: Sequence[StreamWatcher], last_word: int) -> Counter[str]:
    return Counter(
        {
            "heard no answer": sum(one.last_word == 0 for one in watchers),
            "heard a word after the end": sum(one.last_word > last_word for one in watchers),
            "not closed with 4401": sum(one.code != ENDED for one in watchers),
            "still reading": int((await phone.http.get("/api/threads")).status_code != 401),
        }
    )


def _after(answered: float, when: float) -> float:
    """Milliseconds after the answer; what was over before it took no time."""
    return max(0.0, when - answered) * 1000


def _judge(ending: SessionEnding, found: Measured) -> None:
    grace = LOOK_MS if ending.looks else 0
    found.wrong["too late"] += percentile(found.last, 99) > grace + MAX_MS
    found.wrong["model left too late"] += max(found.cut) > grace + MAX_PROVIDER_MS


def _result(found: dict[str, Measured]) -> Result:
    said = [
        f"{name} {_spread(one.last)} and {_spread(one.cut)}"
        + "".join(f", {count} {what}" for what, count in one.wrong.items() if count)
        for name, one in found.items()
    ]
    tried = sum(len(one.last) + len(one.cut) for one in found.values())
    failed = sum(one.wrong.total() for one in found.values())
    figures = "p50/p99 ms to the last byte and to the model's close: " + "; ".join(said)
    return Result("ends", tried, failed, figures)


def _spread(times: list[float]) -> str:
    return f"{percentile(times, 50):.0f}/{percentile(times, 99):.0f}"
