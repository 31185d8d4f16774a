"""Tokens that work once, however many come with the same one."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from chat_app.auth.errors import InvalidToken
from chat_app.auth.one_time_tokens import Purpose, revoke_tokens
from chat_app.db.tables import OneTimeToken
from testing.auth_services import AuthHarness
from testing.database import only_sqlite
from testing.full_disk import Disk, fill
from testing.sql_statements import statements

TEN_MINUTES = timedelta(minutes=10)


async def make(harness: AuthHarness, purpose: Purpose = "reset_password", **given: object) -> str:
    return await harness.tokens.create(purpose, lifetime=TEN_MINUTES, **given)  # pyright: ignore


async def rows(harness: AuthHarness) -> list[OneTimeToken]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(OneTimeToken))).all())


async def test_a_token_gives_back_what_it_stands_for(harness: AuthHarness) -> None:
    ada = await harness.person()
    token = await make(harness, user_id=ada, subject="ada@example.org", data={"next": "/c/1"})
    spent = await harness.tokens.consume(token, "reset_password")
    assert (spent.user_id, spent.subject, spent.data) == (ada, "ada@example.org", {"next": "/c/1"})


async def test_only_the_hash_is_kept(harness: AuthHarness) -> None:
    token = await make(harness, binding="browser")
    [row] = await rows(harness)
    assert len(token) == 43
    assert token not in row.model_dump_json()
    assert "browser" not in row.model_dump_json()


async def test_of_twenty_at_once_one_gets_it(harness: AuthHarness) -> None:
    token = await make(harness)
    tries = (harness.tokens.consume(token, "reset_password") for _ in range(20))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert sum(isinstance(one, InvalidToken) for one in answers) == 19


@pytest.mark.parametrize("token", ["", "x" * 43, "\ud800", "é" * 300_000])
async def test_an_unknown_token_is_worth_nothing(harness: AuthHarness, token: str) -> None:
    await make(harness)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(token, "reset_password")


async def test_it_is_worth_nothing_for_anything_else(harness: AuthHarness) -> None:
    token = await make(harness, "passkey_register")
    for other in ("passkey_sign_in", "passkey_step_up", "sign_in_link", "second_factor"):
        with pytest.raises(InvalidToken):
            await harness.tokens.consume(token, other)  # pyright: ignore
    assert await harness.tokens.consume(token, "passkey_register")


async def test_it_expires(harness: AuthHarness) -> None:
    token, other = await make(harness), await make(harness)
    harness.time.passes(minutes=10, seconds=-1)
    assert await harness.tokens.consume(token, "reset_password")
    harness.time.passes(seconds=1)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(other, "reset_password")


async def test_looking_at_it_does_not_use_it_up(harness: AuthHarness) -> None:
    token = await make(harness, subject="ada@example.org")
    for _ in range(2):
        assert (await harness.tokens.peek(token, "reset_password")).subject == "ada@example.org"
    await harness.tokens.consume(token, "reset_password")
    with pytest.raises(InvalidToken):
        await harness.tokens.peek(token, "reset_password")


@pytest.mark.parametrize("shown", [None, "", "other"])
async def test_a_bound_one_needs_its_browser(harness: AuthHarness, shown: str | None) -> None:
    token = await make(harness, "oauth", binding="mine")
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(token, "oauth", binding=shown)
    assert await harness.tokens.consume(token, "oauth", binding="mine")


async def test_fifty_guesses_at_once_are_five_tries(harness: AuthHarness) -> None:
    token = await make(harness, "second_factor")
    tries = (
        harness.tokens.reserve_attempt(token, "second_factor", max_attempts=5) for _ in range(50)
    )
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 5
    assert sum(isinstance(one, InvalidToken) for one in answers) == 45


async def test_our_own_failure_counts_as_no_try(harness: AuthHarness) -> None:
    token = await make(harness, "second_factor")
    for _ in range(3):
        await harness.tokens.release_attempt(
            await harness.tokens.reserve_attempt(token, "second_factor", max_attempts=1)
        )
    assert await harness.tokens.reserve_attempt(token, "second_factor", max_attempts=1)
    with pytest.raises(InvalidToken):
        await harness.tokens.reserve_attempt(token, "second_factor", max_attempts=1)


async def test_what_is_undone_was_not_used(harness: AuthHarness) -> None:
    token = await make(harness)

    async def use_and_fail() -> None:
        async with harness.db.system("auth", write=True) as session:
            await harness.tokens.consume_in(session, token, "reset_password")
            raise LookupError

    with pytest.raises(LookupError):
        await use_and_fail()
    assert await harness.tokens.consume(token, "reset_password")


async def test_a_persons_tokens_can_be_taken_back(harness: AuthHarness) -> None:
    ada, bob = await harness.person(), await harness.person("bob@example.org")
    reset = await make(harness, user_id=ada)
    link = await make(harness, "sign_in_link", user_id=ada)
    others = await make(harness, user_id=bob)
    async with harness.db.system("auth", write=True) as session:
        await revoke_tokens(session, ada, "reset_password")
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(reset, "reset_password")
    assert await harness.tokens.peek(link, "sign_in_link")
    async with harness.db.system("auth", write=True) as session:
        await revoke_tokens(session, ada)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(link, "sign_in_link")
    assert await harness.tokens.consume(others, "reset_password")


async def test_what_has_expired_is_removed(harness: AuthHarness) -> None:
    await make(harness)
    harness.time.passes(minutes=5)
    kept = await make(harness)
    await harness.tokens.purge()
    assert len(await rows(harness)) == 2
    harness.time.passes(minutes=5)
    await harness.tokens.purge()
    assert len(await rows(harness)) == 1
    assert await harness.tokens.consume(kept, "reset_password")


@only_sqlite
async def test_on_a_full_disk_what_has_expired_is_removed_one_by_one(
    harness: AuthHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    harness.db.keep_reserve(tmp_path / "ballast")
    for _ in range(3):
        await make(harness)
    harness.time.passes(minutes=10)
    disk.free = 0
    await fill(harness.db)
    assert harness.db.writes == "reserve"
    with statements() as noted:
        await harness.tokens.purge()
    removed = [one for sql, one in noted.ran if sql.startswith("DELETE FROM one_time_token")]
    assert [len(ids) for ids in removed] == [1, 1, 1]
    assert await rows(harness) == []
