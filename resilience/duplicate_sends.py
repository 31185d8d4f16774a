"""Idempotency: one message sent many times at once with one client id."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

from resilience.program import log_errors, running_program, signed_up_users, temporary_folder
from resilience.report import Result, Scenario
from testing.http_user import CHAT, HttpUser, open_tab


async def duplicates(rounds: int = 10, times: int = 20) -> Result:
    """Twenty simultaneous sends with one client id are one message and one run."""
    wrong: list[str] = []
    with temporary_folder() as at:
        given = {"CHAT_MODEL": "fake:20x10", "RUNS_PER_USER": "100"}
        async with (
            running_program(at, given) as program,
            signed_up_users(program.url, 1) as (person,),
        ):
            for number in range(rounds):
                way = (_over_http, _over_http_into_nothing, _over_sockets)[number % 3]
                wrong += await way(person, times)
            wrong += log_errors(program)
    figures = f"{rounds} times {times} sends, over HTTP, into no thread, and over sockets"
    return Result("duplicates", rounds * times, len(wrong), "; ".join(wrong[:3]) or figures)


async def _over_http(person: HttpUser, times: int, thread: str | None = None) -> list[str]:
    thread = thread or await person.new_thread()
    client_id = uuid4().hex
    asks = (person.ask("once", id=thread, client_id=client_id) for _ in range(times))
    heard = await asyncio.gather(*asks)
    wrong = [f"{one.status} {one.end}" for one in heard if one.end != "finish"]
    if len({(one.message, one.text) for one in heard}) != 1:
        wrong.append("the readers differ")
    return wrong + await _one_of_each(person, thread)


async def _over_http_into_nothing(person: HttpUser, times: int) -> list[str]:
    before, client_id = len(await person.threads()), uuid4().hex
    heard = await asyncio.gather(*(person.ask("once", client_id=client_id) for _ in range(times)))
    wrong = [f"{one.status} {one.end}" for one in heard if one.end != "finish"]
    if len(await person.threads()) != before + 1:
        wrong.append("more than one thread")
    return wrong + await _one_of_each(person, heard[0].thread)


async def _over_sockets(person: HttpUser, times: int) -> list[str]:
    thread, client_id = await person.new_thread(), uuid4().hex
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(open_tab(person, thread)) for _ in range(times)]
        sends = (
            one.call(f"{CHAT}.send", client_id=client_id, thread=thread, text="once")
            for one in tabs
        )
        await asyncio.gather(*sends)
        for one in tabs:
            await one.until(lambda one=one: one.state.get("accepted") == client_id and one.ends)
            await one.until(lambda one=one: "complete" in one.ends.values())
    return await _one_of_each(person, thread)


async def _one_of_each(person: HttpUser, thread: str) -> list[str]:
    roles = [message["role"] for message in await person.messages(thread)]
    return [] if roles == ["user", "assistant"] else [f"stored: {roles}"]


SCENARIOS: dict[str, Scenario] = {"duplicates": duplicates}
