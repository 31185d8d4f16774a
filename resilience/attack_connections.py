"""Denial of service below the routes: bodies, connections and sockets that are opened and held."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from resilience.attacker import counted, log_errors, page_event, signed_up
from resilience.bystander import Attack, Bystander, main
from resilience.load import resident
from resilience.report import Result
from testing.program import Program
from testing.socket_client import SocketClient, connect, handshake_url

MODULE = "resilience.attack_connections"
BODY_SECONDS = 30.0
CONNECT_SECONDS = 10.0
TOLERANCE_SECONDS = 5.0
PER_ADDRESS, ANONYMOUS = 1_000, 200
MAX_GROWTH_MB = 150.0
HELD_MB = 40
SIGN_IN = "/api/auth/callback/credentials"


async def unfinished_bodies(program: Program, count: int = 200, timed: bool = True) -> Result:
    """Requests whose bodies stop, or come byte by byte, anonymous and signed in."""
    bystander, told = await _attack(program, "unfinished-bodies", count)
    late = told["longest"] > BODY_SECONDS + TOLERANCE_SECONDS
    failed = (count - told["ended"]) + late + bystander.is_slow(timed)
    figures = f"{told['ended']} ended with 408 and our headers, the last after {told['longest']} s"
    return _result("unfinished bodies", program, count, failed, figures, bystander)


async def malformed_bodies(program: Program, timed: bool = True) -> Result:
    """Chunks that are none, in every place of a body."""
    bystander, told = await _attack(program, "malformed-bodies", 0)
    failed = told["tried"] - told["ours"] + bystander.is_slow(timed)
    figures = f"{told['ours']} of {told['tried']} answered with our 400 and our headers"
    return _result("malformed bodies", program, told["tried"], failed, figures, bystander)


async def idle_connections(program: Program, count: int = 1_500, timed: bool = True) -> Result:
    """Connections from one address that send nothing."""
    bystander, told = await _attack(program, "idle-connections", count)
    failed = abs(told["held"] - min(count, PER_ADDRESS)) + told["left"] + bystander.is_slow(timed)
    figures = f"{told['held']} of {count} held, {told['left']} after the time for a head"
    return _result("idle connections", program, count, failed, figures, bystander)


async def unconnected_sockets(program: Program, count: int = 45, timed: bool = True) -> Result:
    """Upgraded sockets that never send Socket.IO's CONNECT."""
    bystander, told = await _attack(program, "unconnected-sockets", count)
    late = told["longest"] > CONNECT_SECONDS + TOLERANCE_SECONDS
    wrong = 2 * count - told["codes"].get("4408", 0)
    figures = f"closed {told['codes']}, the last after {told['longest']} s"
    failed = wrong + late + bystander.is_slow(timed)
    return _result("unconnected sockets", program, 2 * count, failed, figures, bystander)


async def anonymous_sockets(program: Program, addresses: int = 20, timed: bool = True) -> Result:
    """More sockets without a session than there may be, from many addresses."""
    count = 20 * addresses
    bystander, told = await _attack(program, "anonymous-sockets", addresses)
    failed = abs(told["held"] - min(ANONYMOUS, count)) + bystander.is_slow(timed)
    figures = f"{told['held']} of {count} held, the others {told['codes']}"
    return _result("anonymous sockets", program, count, failed, figures, bystander)


async def fragments(program: Program, count: int = 20, timed: bool = True) -> Result:
    """Sockets, with and without a session, on which one message grows without an end."""
    before = resident(program.pid)
    bystander, told = await _attack(program, "fragments", count)
    growth = resident(program.pid) - before
    failed = (told["open"] + (growth > MAX_GROWTH_MB)) + bystander.is_slow(timed)
    figures = (
        f"{told['sent']} MB sent into {2 * count} messages of {HELD_MB} MB, {told['open']} "
        f"sockets still open; memory {before:.0f} MB {growth:+.0f} MB"
    )
    return _result("fragments", program, 2 * count, failed, figures, bystander)


async def _attack(program: Program, name: str, count: int) -> tuple[Bystander, dict[str, Any]]:
    eve, bystander = await signed_up(program), Bystander(await signed_up(program))
    await bystander.rest()
    return bystander, await bystander.attacked_by(MODULE, name, program, eve.cookie, count)


def _result(
    name: str, program: Program, tried: int, failed: int, figures: str, bystander: Bystander
) -> Result:
    errors = log_errors(Path(program.log).read_text())
    said = f"; {errors[0]}" if errors else ""
    return Result(name, tried, failed + len(errors), f"{figures}; {bystander.figures}{said}")


class RawRequest:
    """A request that is written by hand.

    Args:
        url: The program's origin.
        local: The address to come from.
    """

    def __init__(self, url: str, local: str = "127.0.0.2") -> None:
        self._url = url
        self._local = local

    async def open(self) -> None:
        """Connect."""
        port = urlsplit(self._url).port
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(self._local, 0)
        )

    async def post(self, path: str, cookie: str, **headers: str) -> None:
        """Connect, and send the head of a POST."""
        await self.open()
        head = {"Host": urlsplit(self._url).netloc, "Origin": self._url, **headers}
        if cookie:
            head["Cookie"] = cookie
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
        self.writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())

    async def response(self, within: float) -> bytes:
        """What comes until the server closes, or until the time is over."""
        came = b""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(within):
                while piece := await self.reader.read(65_536):
                    came += piece
                    if b"\r\n\r\n" in came:
                        break
        self.writer.close()
        return came


def _is_ours(response: bytes, status: int) -> bool:
    return (
        response.startswith(f"HTTP/1.1 {status} ".encode())
        and b"x-content-type-options: nosniff" in response.lower()
    )


async def _send_unfinished(url: str, cookie: str, count: int) -> dict[str, Any]:
    longest, ended = 0.0, 0

    async def hold(number: int) -> None:
        nonlocal longest, ended
        request = RawRequest(url)
        path, who = (SIGN_IN, "") if number % 5 else ("/api/chat", cookie)
        if number % 3:
            await request.post(path, who, Content_Length="1000")
            request.writer.write(b"{")
        else:
            await request.post(path, who, Transfer_Encoding="chunked")
            request.writer.write(b"1\r\n{\r\n")
        began = time.monotonic()
        dripping = asyncio.create_task(_drip(request.writer)) if number % 3 == 1 else None
        response = await request.response(BODY_SECONDS + 4 * TOLERANCE_SECONDS)
        if dripping is not None:
            dripping.cancel()
        longest = max(longest, time.monotonic() - began)
        ended += _is_ours(response, 408)

    await asyncio.gather(*(hold(number) for number in range(count)))
    return {"longest": round(longest, 1), "ended": ended}


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(2)
        writer.write(b" ")


async def _send_malformed(url: str, cookie: str, _: int) -> dict[str, Any]:
    bodies = (
        *(b"zz\r\nhello\r\n", b"5\r\nhello5\r\nhello\r\n", b"-1\r\n", b"5;\nhello", b"\r\n\r\n"),
        *(
            b"5\r\nhel\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\nx",
            b"0x5\r\nhello\r\n",
            b"5 5\r\nhello",
        ),
        b"5\r\nhello\r\nG\r\n",
    )
    ours = 0
    cases = list(itertools.product(bodies, (("/api/chat", cookie), (SIGN_IN, ""))))
    for body, (path, who) in cases:
        request = RawRequest(url)
        await request.post(path, who, Transfer_Encoding="chunked")
        request.writer.write(body)
        with suppress(OSError):
            request.writer.write_eof()
        ours += _is_ours(await request.response(TOLERANCE_SECONDS), 400)
    return {"tried": len(cases), "ours": ours}


async def _hold_idle(url: str, _cookie: str, count: int) -> dict[str, Any]:
    them = [RawRequest(url) for _ in range(count)]
    for one in them:
        with suppress(OSError):
            await one.open()
    await asyncio.sleep(3)
    held = sum(not one.reader.at_eof() for one in them)
    await asyncio.sleep(BODY_SECONDS + TOLERANCE_SECONDS)
    left = sum(not one.reader.at_eof() for one in them)
    return {"held": held, "left": left}


async def _open_unconnected(url: str, cookie: str, count: int) -> dict[str, Any]:
    codes: Counter[str] = Counter()
    longest = 0.0

    async def hold(who: str | None) -> None:
        nonlocal longest
        try:
            async with connect(url, cookie=who) as client:
                began = time.monotonic()
                codes[str(await client.closed_code())] += 1
                longest = max(longest, time.monotonic() - began)
        except (OSError, InvalidStatus, TimeoutError) as error:
            codes[type(error).__name__] += 1

    await asyncio.gather(*(hold(who) for who in (None, cookie) for _ in range(count)))
    return {"codes": codes, "longest": round(longest, 1)}


async def _open_anonymous(url: str, _cookie: str, addresses: int) -> dict[str, Any]:
    codes: Counter[str] = Counter()
    held = 0
    async with AsyncExitStack() as stack:
        for number in range(20 * addresses):
            opening = open_websocket(
                handshake_url(url, f"anonymous-{number:06}"),
                origin=Origin(url),
                local_addr=(f"127.0.1.{number % addresses + 1}", 0),
                compression=None,
                close_timeout=1,
                proxy=None,
            )
            with counted(codes):
                client = SocketClient(await stack.enter_async_context(opening))
                await client.boot(page_event())
                held += 1
    return {"held": held, "codes": codes}


async def _send_fragments(url: str, cookie: str, count: int) -> dict[str, Any]:
    sent = still_open = 0

    async def grow(who: str | None) -> None:
        nonlocal sent, still_open
        async with connect(url, cookie=who) as client:
            await client.boot(page_event())
            reading = asyncio.create_task(client.closed_code())
            with suppress(ConnectionClosed):
                await client.socket.send(endless())
                still_open += 1
            reading.cancel()

    async def endless() -> AsyncIterator[str]:
        nonlocal sent
        for _ in range(HELD_MB):
            sent += 1
            yield "x" * 1_000_000
            await asyncio.sleep(0.05)
        await asyncio.sleep(5)

    await asyncio.gather(*(grow(who) for who in (None, cookie) for _ in range(count)))
    return {"sent": sent, "open": still_open}


ATTACKS: dict[str, Attack] = {
    "unfinished-bodies": _send_unfinished,
    "malformed-bodies": _send_malformed,
    "idle-connections": _hold_idle,
    "unconnected-sockets": _open_unconnected,
    "anonymous-sockets": _open_anonymous,
    "fragments": _send_fragments,
}


if __name__ == "__main__":
    main(ATTACKS)
