"""Passwords: hashed with argon2id, judged by zxcvbn, both off the event loop.

Two threads are the whole budget: a storm of sign-ins queues here and leaves the loop and the
other core alone.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from chat_app.auth.refusals import (
    PASSWORD_MAX_LENGTH,
    PasswordTooLong,
    PasswordTooShort,
    WeakPassword,
)
from chat_app.settings import Settings

_T = TypeVar("_T")

_JUDGED_LENGTH = 72
"""zxcvbn's work grows faster than the square of the length (1,000 characters: 3 s)."""


def default_hasher() -> PasswordHasher:
    """argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet)."""
    return PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)


class Passwords:
    """Makes, checks and judges passwords.

    Args:
        settings: The least length and score of a new password.
        hasher: Hashes; tests pass one that counts.
    """

    def __init__(self, settings: Settings, hasher: PasswordHasher | None = None) -> None:
        self._settings = settings
        self._hasher = hasher or default_hasher()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            PasswordTooLong: It has more than 1,024 characters.
        """
        given = _given(password)
        if given is None:
            raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
        return await self._off_loop(lambda: self._hasher.hash(given))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password fits a hash.

        Without a hash the same work is done on one that fits nothing, so that the time taken does
        not tell which accounts exist.
        """
        given = _given(password)
        if given is None:
            return False
        right = await self._off_loop(lambda: self._fits(stored or self._nobody, given))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def judge(self, password: str, known: Iterable[str]) -> None:
        """Refuse a new password that is too short, too long or easy to guess.

        Args:
            password: What the person chose.
            known: Words an attacker would try first, such as the person's name.

        Raises:
            PasswordTooLong: It has more than 1,024 characters.
            PasswordTooShort: It has fewer than the settings ask for.
            WeakPassword: zxcvbn's score is below the settings'.
        """
        if _given(password) is None:
            raise PasswordTooLong(max_length=PASSWORD_MAX_LENGTH)
        if len(password) < self._settings.password_min_length:
            raise PasswordTooShort(min_length=self._settings.password_min_length)
        words = [word[:100] for word in known if word]
        score = await self._off_loop(
            lambda: zxcvbn(password[:_JUDGED_LENGTH], user_inputs=words)["score"]
        )
        if score < self._settings.password_min_score:
            raise WeakPassword

    def close(self) -> None:
        """Let the threads go; what is queued is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fits(self, stored: str, given: bytes) -> bool:
        try:
            return self._hasher.verify(stored, given)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _given(password: str) -> bytes | None:
    if len(password) > PASSWORD_MAX_LENGTH:
        return None
    # One keyboard writes é as one character and another as two (RFC 8265 §4.2.2: NFC).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
