"""Whatever comes by email works once, however many come with it at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat_app.auth.errors import EmailTaken, InvalidToken
from chat_app.db.tables import AuthSession, User
from testing.email_flows import ADA, BROWSER, HERE, EmailHarness

AT_ONCE = 20
NEW = [f"another-Lemon-{number}-chair" for number in range(AT_ONCE)]

Attempt = Callable[[int], Awaitable[Any]]


async def sign_in_link(harness: EmailHarness) -> Attempt:
    await harness.person()
    await harness.auth.magic_links.send(ADA, HERE)
    token = await harness.token()
    return lambda _: harness.auth.magic_links.follow(token, BROWSER)


async def link_of_a_new_user(harness: EmailHarness) -> Attempt:
    await harness.auth.magic_links.send(ADA, HERE)
    token = await harness.token()
    return lambda _: harness.auth.magic_links.follow(token, BROWSER)


async def reset(harness: EmailHarness) -> Attempt:
    await harness.person()
    await harness.auth.password_changes.send_reset(ADA, HERE)
    token = await harness.token()
    return lambda number: harness.auth.password_changes.reset(token, NEW[number], HERE)


async def sign_up(harness: EmailHarness) -> Attempt:
    known = await harness.auth.email_sign_ups.begin(
        email=ADA, password=NEW[0], name="", client_ip=HERE
    )
    token = await harness.token()
    return lambda _: harness.auth.email_sign_ups.finish(
        token, browser_secret=known, password="", browser=BROWSER
    )


async def proof(harness: EmailHarness) -> Attempt:
    ada = await harness.principal(await harness.person(is_verified=False))
    await harness.auth.email_changes.send_verification(ada, HERE)
    token = await harness.token()
    return lambda _: harness.auth.email_changes.verify(ada, token)


async def change(harness: EmailHarness) -> Attempt:
    ada = await harness.principal(await harness.person())
    await harness.auth.email_changes.send_change(ada, "ada@new.example", HERE)
    token = await harness.token()
    return lambda _: harness.auth.email_changes.change(ada, token)


@pytest.mark.parametrize("begin", [sign_in_link, link_of_a_new_user, reset, sign_up, proof, change])
async def test_of_twenty_at_once_one_succeeds(
    harness: EmailHarness, begin: Callable[[EmailHarness], Awaitable[Attempt]]
) -> None:
    attempt = await begin(harness)
    sessions = len(await harness.all(AuthSession))
    answers = await asyncio.gather(
        *(attempt(number) for number in range(AT_ONCE)), return_exceptions=True
    )
    won = [number for number, one in enumerate(answers) if not isinstance(one, BaseException)]
    lost = [one for one in answers if isinstance(one, BaseException)]
    assert len(won) == 1
    assert {type(one) for one in lost} <= {InvalidToken, EmailTaken}
    assert len(await harness.all(User)) == 1
    came_in = begin in (sign_in_link, link_of_a_new_user, sign_up)
    assert len(await harness.all(AuthSession)) == sessions + came_in
    if begin is reset:
        assert [await harness.knows(password) for password in NEW[:3]].count(True) <= 1
        assert await harness.knows(NEW[won[0]])
