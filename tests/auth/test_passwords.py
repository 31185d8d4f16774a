import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from chat_app.auth.errors import PasswordTooLong, PasswordTooShort, WeakPassword
from chat_app.auth.sign_in.passwords import PasswordHashing, default_hasher
from chat_app.settings import Settings
from testing.auth_services import PASSWORD, CountingHasher, settings_of


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
async def passwords(settings: Settings, hasher: CountingHasher) -> AsyncIterator[PasswordHashing]:
    one = PasswordHashing(settings, hasher)
    yield one
    one.close()


def test_passwords_are_hashed_with_argon2id_and_owasps_least_cost() -> None:
    assert default_hasher().hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_password_fits_its_own_hash_and_no_other(passwords: PasswordHashing) -> None:
    stored = await passwords.hash(PASSWORD)
    assert PASSWORD not in stored
    assert await passwords.verify(stored, PASSWORD)
    assert not await passwords.verify(stored, PASSWORD + "x")


async def test_the_end_of_a_long_password_counts(passwords: PasswordHashing) -> None:
    stored = await passwords.hash("a" * 1023 + "b")
    assert not await passwords.verify(stored, "a" * 1024)


async def test_two_ways_to_type_an_accent_are_one_password(passwords: PasswordHashing) -> None:
    assert await passwords.verify(await passwords.hash("caf\u00e9"), "cafe\u0301")


async def test_the_password_of_no_user_takes_the_same_work_and_never_fits(
    passwords: PasswordHashing, hasher: CountingHasher
) -> None:
    before = hasher.verified, hasher.hashed
    assert not await passwords.verify(None, PASSWORD)
    assert (hasher.verified, hasher.hashed) == (before[0] + 1, before[1])


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$broken"])
async def test_a_broken_hash_fits_nothing(passwords: PasswordHashing, stored: str) -> None:
    assert not await passwords.verify(stored, PASSWORD)


async def test_a_password_beyond_the_cap_is_never_hashed(
    passwords: PasswordHashing, hasher: CountingHasher
) -> None:
    before = hasher.verified, hasher.hashed
    with pytest.raises(PasswordTooLong, match="1024"):
        await passwords.hash("a" * 1025)
    with pytest.raises(PasswordTooLong):
        await passwords.judge("a" * 1025, ())
    assert not await passwords.verify(None, "a" * 1025)
    assert (hasher.verified, hasher.hashed) == before


async def test_a_password_of_broken_characters_is_just_a_password(
    passwords: PasswordHashing,
) -> None:
    stored = await passwords.hash("\ud800\x00")
    assert await passwords.verify(stored, "\ud800\x00")
    assert not await passwords.verify(stored, "\ud801\x00")


def test_only_hashes_of_another_cost_are_outdated(settings: Settings) -> None:
    passwords = PasswordHashing(settings)
    try:
        assert not passwords.is_outdated(default_hasher().hash("x"))
        assert passwords.is_outdated(CountingHasher(time_cost=1).hash("x"))
    finally:
        passwords.close()


async def test_a_short_password_is_refused_with_the_operators_number(tmp_path: Path) -> None:
    passwords = PasswordHashing(settings_of(tmp_path, password_min_length=20))
    try:
        with pytest.raises(PasswordTooShort, match="20 characters"):
            await passwords.judge(PASSWORD[:19], ())
        await passwords.judge(PASSWORD, ())
    finally:
        passwords.close()


@pytest.mark.parametrize(
    "weak", ["password123", "qwertyuiop", "1234567890", "aaaaaaaaaaaa", "a" * 1024]
)
async def test_a_guessable_password_is_refused(passwords: PasswordHashing, weak: str) -> None:
    with pytest.raises(WeakPassword):
        await passwords.judge(weak, ())


async def test_ones_own_name_and_address_make_a_weak_password(passwords: PasswordHashing) -> None:
    await passwords.judge("lovelaceada7", ())
    with pytest.raises(WeakPassword):
        await passwords.judge("lovelaceada7", ("lovelaceada@example.org", "lovelaceada"))


async def test_the_operator_decides_how_strong_is_strong(tmp_path: Path) -> None:
    passwords = PasswordHashing(settings_of(tmp_path, password_min_score=0))
    try:
        await passwords.judge("password123", ())
    finally:
        passwords.close()


async def test_the_event_loop_never_hashes_and_at_most_two_threads_do(settings: Settings) -> None:
    threads: set[int] = set()

    class Watching(CountingHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            threads.add(threading.get_ident())
            return super().verify(hash, password)

    passwords = PasswordHashing(settings, Watching())
    try:
        await asyncio.gather(*(passwords.verify(None, str(n)) for n in range(8)))
    finally:
        passwords.close()
    assert threading.get_ident() not in threads
    assert 1 <= len(threads) <= 2
