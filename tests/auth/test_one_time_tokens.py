"""Tokens that work once, however many come with the same one."""

import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select

from chat_app.auth.errors import InvalidToken
from chat_app.auth.one_time_tokens import Purpose, revoke_tokens
from chat_app.db.tables import OneTimeToken
from testing.auth_services import Stage

TEN_MINUTES = timedelta(minutes=10)


async def make(stage: Stage, purpose: Purpose = "reset_password", **given: object) -> str:
    return await stage.tokens.create(purpose, lifetime=TEN_MINUTES, **given)  # pyright: ignore


async def rows(stage: Stage) -> list[OneTimeToken]:
    async with stage.db.system("auth") as session:
        return list((await session.exec(select(OneTimeToken))).all())


async def test_a_token_gives_back_what_it_stands_for(stage: Stage) -> None:
    ada = await stage.person()
    token = await make(stage, user_id=ada, subject="ada@example.org", data={"next": "/c/1"})
    spent = await stage.tokens.consume(token, "reset_password")
    assert (spent.user_id, spent.subject, spent.data) == (ada, "ada@example.org", {"next": "/c/1"})


async def test_only_the_hash_is_kept(stage: Stage) -> None:
    token = await make(stage, binding="browser")
    [row] = await rows(stage)
    assert len(token) == 43
    assert token not in row.model_dump_json()
    assert "browser" not in row.model_dump_json()


async def test_of_twenty_at_once_one_gets_it(stage: Stage) -> None:
    token = await make(stage)
    tries = (stage.tokens.consume(token, "reset_password") for _ in range(20))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert sum(isinstance(one, InvalidToken) for one in answers) == 19


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800", "é" * 300_000])
async def test_nobodys_token_is_worth_nothing(stage: Stage, token: str) -> None:
    await make(stage)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(token, "reset_password")


async def test_it_is_worth_nothing_for_anything_else(stage: Stage) -> None:
    token = await make(stage, "passkey_register")
    for other in ("passkey_sign_in", "passkey_step_up", "sign_in_link", "second_factor"):
        with pytest.raises(InvalidToken):
            await stage.tokens.consume(token, other)  # pyright: ignore
    assert await stage.tokens.consume(token, "passkey_register")


async def test_it_expires(stage: Stage) -> None:
    token, other = await make(stage), await make(stage)
    stage.time.passes(minutes=10, seconds=-1)
    assert await stage.tokens.consume(token, "reset_password")
    stage.time.passes(seconds=1)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(other, "reset_password")


async def test_looking_at_it_does_not_use_it_up(stage: Stage) -> None:
    token = await make(stage, subject="ada@example.org")
    for _ in range(2):
        assert (await stage.tokens.peek(token, "reset_password")).subject == "ada@example.org"
    await stage.tokens.consume(token, "reset_password")
    with pytest.raises(InvalidToken):
        await stage.tokens.peek(token, "reset_password")


@pytest.mark.parametrize("shown", [None, "", "other"])
async def test_a_bound_one_needs_its_browser(stage: Stage, shown: str | None) -> None:
    token = await make(stage, "oauth", binding="mine")
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(token, "oauth", binding=shown)
    assert await stage.tokens.consume(token, "oauth", binding="mine")


async def test_fifty_guesses_at_once_are_five_tries(stage: Stage) -> None:
    token = await make(stage, "second_factor")
    tries = (
        stage.tokens.reserve_attempt(token, "second_factor", max_attempts=5) for _ in range(50)
    )
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 5
    assert sum(isinstance(one, InvalidToken) for one in answers) == 45


async def test_our_own_failure_is_nobodys_try(stage: Stage) -> None:
    token = await make(stage, "second_factor")
    for _ in range(3):
        await stage.tokens.release_attempt(
            await stage.tokens.reserve_attempt(token, "second_factor", max_attempts=1)
        )
    assert await stage.tokens.reserve_attempt(token, "second_factor", max_attempts=1)
    with pytest.raises(InvalidToken):
        await stage.tokens.reserve_attempt(token, "second_factor", max_attempts=1)


async def test_what_is_undone_was_not_used(stage: Stage) -> None:
    token = await make(stage)

    async def use_and_fail() -> None:
        async with stage.db.system("auth", write=True) as session:
            await stage.tokens.consume_in(session, token, "reset_password")
            raise LookupError

    with pytest.raises(LookupError):
        await use_and_fail()
    assert await stage.tokens.consume(token, "reset_password")


async def test_a_persons_tokens_can_be_taken_back(stage: Stage) -> None:
    ada, bob = await stage.person(), await stage.person("bob@example.org")
    reset = await make(stage, user_id=ada)
    link = await make(stage, "sign_in_link", user_id=ada)
    others = await make(stage, user_id=bob)
    async with stage.db.system("auth", write=True) as session:
        await revoke_tokens(session, ada, "reset_password")
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(reset, "reset_password")
    assert await stage.tokens.peek(link, "sign_in_link")
    async with stage.db.system("auth", write=True) as session:
        await revoke_tokens(session, ada)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(link, "sign_in_link")
    assert await stage.tokens.consume(others, "reset_password")


async def test_what_has_expired_is_removed(stage: Stage) -> None:
    await make(stage)
    stage.time.passes(minutes=5)
    kept = await make(stage)
    await stage.tokens.purge()
    assert len(await rows(stage)) == 2
    stage.time.passes(minutes=5)
    await stage.tokens.purge()
    assert len(await rows(stage)) == 1
    assert await stage.tokens.consume(kept, "reset_password")
