"""Password guessing (rate limits), and many users who sign in at once."""

import asyncio
import time
from collections import Counter

import httpx

from resilience.attack_flood import percentile
from resilience.attacker import Caller, log_errors, signed_up
from resilience.report import Result
from testing.browser_user import PASSWORD
from testing.program import Program

CHECKED, REFUSED = "code=credentials", "RateLimit"
MOST_CHECKS = 5
MOST_LAG_MS = 100


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
        f"checks over {MOST_CHECKS}": max(0, checked - MOST_CHECKS),
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
    over = sum(max(0, count - MOST_CHECKS) for count in checked.values())
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
    async with httpx.AsyncClient(base_url=program.url) as http:
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
        len(bad) + len(logged) + (timed and lag > MOST_LAG_MS),
        f"{len(answers) - len(bad)} signed in; meanwhile /ping p99 {lag:.0f} ms of {len(lags)}",
    )
