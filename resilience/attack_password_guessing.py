"""Password guessing, lock-outs by other users, and many users who sign in at once."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import median

import httpx

from resilience.attack_flood import percentile
from resilience.attacker import Caller, log_errors, signed_up
from resilience.report import Result
from testing.browser_user import PASSWORD
from testing.program import Program

CHECKED, REFUSED = "code=credentials", "RateLimit"
MAX_CHECKS = 5
MAX_LAG_MS = 100
MAX_ACCOUNT_CHECKS = 100
"""Wrong passwords for one account that are checked in an hour, in all unknown browsers."""
MAX_SLOWER = 2.0
"""How many times the median of other users may grow during an attack."""
MAX_RETRY_AFTER = 30
FIRST_WAIT_SECONDS = 2.0
_LINK = re.compile(r"/confirm#(\S+)")
OFFICE, HOME = "198.51.100.7", "203.0.113.9"


def came_in(answer: httpx.Response) -> bool:
    """Whether a sign-in succeeded."""
    return answer.status_code == 200 and "error" not in answer.text


class Bystanders:
    """Other users at other addresses, who read and sign in all the while.

    Args:
        reader: A signed-in user.
        comer: A user who signs in again and again.
    """

    def __init__(self, reader: Caller, comer: Caller) -> None:
        self.reader, self.comer = reader, comer
        self.tried = self.failed = 0
        self.idle: dict[str, float] = {}
        self.busy: dict[str, float] = {}

    async def _measured(self, is_over: Callable[[int], bool]) -> dict[str, float]:
        taken: dict[str, list[float]] = {"reads": [], "sign-ins": []}
        while not is_over(len(taken["reads"])):
            for name, call in (
                ("reads", lambda: self.reader.http.get("/api/threads")),
                ("sign-ins", self.comer.sign_in),
            ):
                start = time.perf_counter()
                answer = await call()
                taken[name].append((time.perf_counter() - start) * 1000)
                self.tried += 1
                self.failed += answer.status_code != 200 or "error" in answer.text
            await asyncio.sleep(0.01)
        return {name: median(all_taken) for name, all_taken in taken.items()}

    async def alone(self, rounds: int) -> None:
        """Measure before the attack."""
        self.idle = await self._measured(lambda done: done >= rounds)

    @asynccontextmanager
    async def during(self, rounds: int) -> AsyncIterator[None]:
        """Measure while the body attacks."""
        over = asyncio.Event()
        measuring = asyncio.create_task(
            self._measured(lambda done: done >= rounds and over.is_set())
        )
        try:
            yield
        finally:
            over.set()
            self.busy = await measuring

    def slower(self) -> int:
        """How many of the medians grew too much."""
        return sum(self.busy[name] > MAX_SLOWER * self.idle[name] for name in self.idle)

    def __str__(self) -> str:
        return ", ".join(
            f"others' {name} p50 {self.idle[name]:.0f} → {self.busy[name]:.0f} ms"
            for name in self.idle
        )


async def guesses(program: Program, tries: int = 500) -> Result:
    """Guess one account's password with a new X-Forwarded-For each time.

    Args:
        program: The program; it stands behind no proxy.
        tries: How many guesses, a tenth of them at once.
    """
    ada = await signed_up(program)
    eve = Caller(program)

    async def guess(turn: int) -> httpx.Response:
        eve.http.headers["X-Forwarded-For"] = f"198.51.{turn // 250}.{turn % 250}"
        return await eve.sign_in(f"guess number {turn}", ada.email)

    answers = await asyncio.gather(*map(guess, range(tries // 10)))
    answers += [await guess(turn) for turn in range(tries // 10, tries)]
    checked = sum(CHECKED in answer.text for answer in answers)
    later = [answer for answer in answers if answer.status_code == 429]
    right = await eve.sign_in(PASSWORD, ada.email)
    bob = await signed_up(program)
    other = await bob.sign_in()
    wrong = {
        f"checks over {MAX_CHECKS}": max(0, checked - MAX_CHECKS),
        "answers of another kind": tries - checked - len(later),
        "refusals without Retry-After": sum("retry-after" not in a.headers for a in later),
        "right passwords let in while it is closed": int(right.status_code != 429),
        "other accounts locked out": int(other.status_code != 200 or "error" in other.text),
    }
    said = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
    return Result(
        "password guesses",
        tries,
        sum(wrong.values()),
        f"{checked} looked at, {len(later)} refused unseen; {said or 'rotation does not help'}",
    )


async def guesses_behind_a_proxy(program: Program, tries: int = 100) -> Result:
    """The same through one trusted proxy: what the client wrote itself does not count.

    Args:
        program: The program; it believes one hop.
        tries: How many guesses from one IPv4 address, and then from one IPv6 network.
    """
    ada, eve = await signed_up(program), Caller(program)
    checked: Counter[str] = Counter()
    for turn in range(tries):
        for kind, seen in (("IPv4", "203.0.113.7"), ("IPv6 /64", f"2001:db8:0:1::{turn + 1:x}")):
            eve.http.headers["X-Forwarded-For"] = f"198.51.100.{turn}, {seen}"
            answer = await eve.sign_in(f"guess number {turn}", ada.email)
            checked[kind] += CHECKED in answer.text
    eve.http.headers["X-Forwarded-For"] = "192.0.2.1"
    home = await eve.sign_in(PASSWORD, ada.email)
    over = sum(max(0, count - MAX_CHECKS) for count in checked.values())
    out = home.status_code != 200 or "error" in home.text
    where = "locked out" if out else "signed in from elsewhere meanwhile"
    return Result(
        "guesses behind a proxy",
        tries * 2 + 1,
        over + out,
        f"looked at: {dict(checked)}; owner {where}",
    )


async def login_storm(program: Program, people: int = 40, timed: bool = True) -> Result:
    """Many people sign in at the same moment, with right passwords.

    Args:
        program: The program.
        people: How many.
        timed: Whether the pause of the event loop is judged.
    """
    crowd = [await signed_up(program) for _ in range(people)]
    for one in crowd:
        one.http.cookies.clear()
    lags: list[float] = []
    storm = asyncio.gather(*(one.sign_in() for one in crowd))
    async with httpx.AsyncClient(verify=False, base_url=program.url) as http:
        while not storm.done():
            start = time.perf_counter()
            await http.get("/ping")
            lags.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.005)
    answers = await storm
    bad = [a for a in answers if a.status_code != 200 or "error" in a.text]
    logged = log_errors(program.log.read_text())
    lag = percentile(lags, 99)
    return Result(
        "login storm",
        people,
        len(bad) + len(logged) + (timed and lag > MAX_LAG_MS),
        f"{len(answers) - len(bad)} signed in; meanwhile /ping p99 {lag:.0f} ms of {len(lags)}",
    )


async def crowded_client(program: Program, tries: int = 100, timed: bool = True) -> Result:
    """Wrong passwords over invented emails from one address, behind which others work too.

    Args:
        program: The program; it trusts one proxy.
        tries: How many, as many as a client has before it must wait.
        timed: Whether the medians of others are judged.
    """
    owner = await signed_up(program, **_from(OFFICE))
    colleagues = [await signed_up(program, **_from(OFFICE)) for _ in range(5)]
    for colleague in colleagues:
        colleague.http.cookies.clear()
    others = Bystanders(await signed_up(program, **_from(HOME)), await signed_up(program))
    eve = Caller(program, **_from(OFFICE))
    await others.alone(40)

    async def guess(turn: int) -> httpx.Response:
        return await eve.sign_in("not the password", f"invented-{turn}@example.com")

    async def come_in(one: Caller) -> bool:
        # Who is asked to come back later does so, as a person would.
        for _ in range(3):
            answer = await one.sign_in()
            if answer.status_code != 429:
                return came_in(answer)
            await asyncio.sleep(int(answer.headers["retry-after"]))
        return False

    async with others.during(40):
        answers = list(await asyncio.gather(*map(guess, range(tries))))
        # She goes on, and fills the queue of her address.
        more = [asyncio.create_task(guess(tries + turn)) for turn in range(40)]
        known, waits = [], 0
        for _ in range(5):
            start = time.perf_counter()
            known.append(await owner.sign_in())
            waits += time.perf_counter() - start >= FIRST_WAIT_SECONDS
        came = await asyncio.gather(*map(come_in, colleagues))
        answers += await asyncio.gather(*more)
    later = [answer for answer in answers if answer.status_code == 429]
    wrong = {
        "right passwords refused in the known browser": sum(not came_in(one) for one in known),
        "waits in the known browser": waits if timed else 0,
        "colleagues kept out": sum(not one for one in came),
        "long Retry-After": sum(
            not 1 <= int(one.headers.get("retry-after", 0)) <= MAX_RETRY_AFTER for one in later
        ),
        "others refused": others.failed,
        "medians over twice the idle ones": others.slower() if timed else 0,
    }
    return Result(
        "crowded client",
        len(answers) + len(known) + len(came) + others.tried,
        sum(wrong.values()),
        f"{len(later)} of {len(answers)} guesses refused; {others}{_said(wrong)}",
    )


async def many_networks(program: Program, networks: int = 100, timed: bool = True) -> Result:
    """A hundred IPv6 networks guess one account's password.

    Args:
        program: The program; it trusts one proxy and writes emails to its log.
        networks: How many, each with two guesses.
        timed: Whether the medians of others are judged.
    """
    owner = await signed_up(program, **_from(HOME))
    phone = Caller(program, **_from(OFFICE))
    phone.email = owner.email
    colleague = await signed_up(program, **_from(OFFICE))
    others = Bystanders(await signed_up(program, **_from(HOME)), await signed_up(program))
    eve = Caller(program)
    await others.alone(40)
    async with others.during(40):
        answers: list[httpx.Response] = []
        for turn in range(2 * networks):
            eve.http.headers["X-Forwarded-For"] = f"2001:db8:0:{turn % networks:x}::{turn + 1:x}"
            answers.append(await eve.sign_in(f"guess number {turn}", owner.email))
        known = [await owner.sign_in() for _ in range(5)]
        unknown = await phone.sign_in()
        colleagues = await colleague.sign_in()
        linked = await _by_link(phone)
    checked = sum(CHECKED in answer.text for answer in answers)
    wrong = {
        f"checks over {MAX_ACCOUNT_CHECKS}": max(0, checked - MAX_ACCOUNT_CHECKS),
        "right passwords refused in the known browser": sum(not came_in(one) for one in known),
        "unknown browsers let in": int("SignInPaused" not in unknown.text),
        "links that did not sign in": int(not linked),
        "colleagues kept out": int(not came_in(colleagues)),
        "others refused": others.failed,
        "medians over twice the idle ones": others.slower() if timed else 0,
    }
    return Result(
        "many networks",
        len(answers) + len(known) + 3 + others.tried,
        sum(wrong.values()),
        f"{checked} of {len(answers)} guesses looked at; {others}{_said(wrong)}",
    )


async def _by_link(caller: Caller) -> bool:
    """Sign in with a link by email; a local program writes it to its log."""
    await caller.http.post("/api/auth/signin/email", data={"email": caller.email})
    links: list[str] = []
    for _ in range(200):  # the log is written a moment later
        if links := _LINK.findall(caller.program.log.read_text()):
            break
        await asyncio.sleep(0.05)
    else:
        return False
    answer = await caller.http.post("/api/auth/callback/email", data={"token": links[-1]})
    return came_in(answer)


def _from(address: str) -> dict[str, str]:
    """The header that a trusted proxy adds."""
    return {"X-Forwarded-For": address}


def _said(wrong: dict[str, int]) -> str:
    return "".join(f"; {count} {name}" for name, count in wrong.items() if count)
