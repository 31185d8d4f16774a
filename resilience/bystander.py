"""A user who goes on working while another one attacks, and how long that takes them."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from resilience.attacker import Caller
from testing.program import ROOT, Program

SAMPLES = 60
MAX_SLOWER = 2.0
"""How much slower than idle the median may be in an attack."""
MAX_FLOOR_MS = 5.0
"""Below this a median says more about the machine than about the attack."""

Attack = Callable[[str, str, int], Coroutine[Any, Any, dict[str, Any]]]
"""Takes the URL of the program, what the attacker has (cookies, for one), and how often; tells what
happened."""


class Bystander:
    """Measures the median latency of a request that reads the database.

    Args:
        caller: A user who is signed in.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.idle = 0.0
        self.attacked = 0.0

    async def rest(self) -> None:
        """Measure while nothing else happens."""
        self.idle = statistics.median([await self._request() for _ in range(SAMPLES)])

    async def attacked_by(
        self, module: str, name: str, program: Program, given: str, count: int
    ) -> dict[str, Any]:
        """Measure while another process attacks; what that process tells.

        Args:
            module: Calls `main` with its attacks when it is run.
            name: The attack.
            program: Whom it attacks.
            given: What the attacker has.
            count: How often.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, name, program.url, given, str(count)),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        telling = asyncio.create_task(process.communicate())
        await self.beside(telling)
        return json.loads((await telling)[0])

    async def beside(self, attack: "asyncio.Task[Any]") -> None:
        """Measure while an attack of this process runs."""
        took: list[float] = []
        while not attack.done():
            took.append(await self._request())
            await asyncio.sleep(0.02)
        await attack
        self.attacked = statistics.median(took)

    def is_slow(self, timed: bool) -> bool:
        """Whether the attack made the median more than twice as long."""
        return timed and self.attacked > max(MAX_FLOOR_MS, MAX_SLOWER * self.idle)

    @property
    def figures(self) -> str:
        """Both medians."""
        return f"others' median {self.idle:.1f} ms before, {self.attacked:.1f} ms in the attack"

    async def _request(self) -> float:
        began = time.perf_counter()
        response = await self._caller.http.get("/api/threads")
        assert response.status_code == 200, response.text
        return 1000 * (time.perf_counter() - began)


def main(attacks: dict[str, Attack]) -> None:
    """Run the attack that the arguments name, and print what happened."""
    name, url, given, count = sys.argv[1:5]
    print(json.dumps(asyncio.run(attacks[name](url, given, int(count)))))
