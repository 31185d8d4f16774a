"""AUTH_SECRET is rotated twice under load; then an old one is removed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from chat_app.auth.sessions.codecs import create_token_codec
from chat_app.auth.sessions.service import SessionService
from chat_app.core.crypto import KeyRing
from testing.auth_services import AuthHarness, auth_harness, renewal_of, settings_of
from testing.database import DatabaseUnderTest

FIRST, SECOND, THIRD = (f"{number}-the-tests-own-key-9c41e7d2b3a86f50" for number in (1, 2, 3))
PEOPLE = 12


@dataclass
class Installation:
    """A program that is started again with other secrets, on the same database."""

    harness: AuthHarness
    live: SessionService = field(init=False)

    def __post_init__(self) -> None:
        self.restart(FIRST)

    def restart(self, *secrets: str) -> None:
        settings = settings_of(
            self.harness.settings.data_dir,
            auth_session_strategy="jwt",
            auth_secret=secrets[0],
            auth_secret_previous=secrets[1:],
        )
        harness = self.harness
        codec = create_token_codec(settings, KeyRing(settings))
        self.live = SessionService(harness.db, harness.bus, codec, settings, harness.time)

    async def sign_in(self, email: str) -> str:
        person = await self.harness.person(email)
        given = {"method": "password", "remember": False, "client_ip": "192.0.2.7"}
        async with self.harness.db.system("auth", write=True) as session:
            issued = await self.live.issue(session, person, user_agent="", **given)
        return issued.token


@dataclass
class RotatingBrowser:
    """Asks without a pause, and keeps the cookie that it is given."""

    token: str
    answered: int = 0
    lost: int = 0
    has_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, installation: Installation) -> None:
        while True:
            found = await installation.live.resolve(self.token)
            if found is None:
                self.lost += 1
                await asyncio.sleep(0)  # what cannot be opened is refused without any waiting
            else:
                self.answered += 1
                self.token = found.renewed.token if found.renewed else self.token
            self.has_asked.set()

    async def next_answers(self, count: int = 3) -> None:
        for _ in range(count):
            self.has_asked.clear()
            await self.has_asked.wait()


@pytest.fixture
async def installation(database: DatabaseUnderTest) -> AsyncIterator[Installation]:
    async with auth_harness(database, auth_session_strategy="jwt") as harness:
        yield Installation(harness)


async def test_rotating_the_secret_twice_under_load_signs_no_user_out(
    installation: Installation,
) -> None:
    idle = await installation.sign_in("idle@example.org")
    browsers = [
        RotatingBrowser(await installation.sign_in(f"{number}@example.org"))
        for number in range(PEOPLE)
    ]
    before = {one.token for one in browsers}
    tasks = [asyncio.create_task(one.work(installation)) for one in browsers]
    try:
        for secrets in ((SECOND, FIRST), (THIRD, SECOND, FIRST), (THIRD, SECOND), (THIRD,)):
            await asyncio.gather(*(one.next_answers() for one in browsers))
            installation.restart(*secrets)
            await asyncio.gather(*(one.next_answers() for one in browsers))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(one.lost for one in browsers) == 0
    assert min(one.answered for one in browsers) >= 8
    assert not before & {one.token for one in browsers}
    assert await installation.live.resolve(idle) is None, "its key is gone, and so is it"


async def test_the_next_use_replaces_a_token_encrypted_with_an_old_key(
    installation: Installation,
) -> None:
    token = await installation.sign_in("ada@example.org")
    installation.restart(SECOND, FIRST)
    renewed = await renewal_of(installation.live, token)
    assert renewed is not None
    assert await renewal_of(installation.live, renewed.token) is None
    installation.restart(SECOND)
    assert await installation.live.resolve(renewed.token) is not None
    assert await installation.live.resolve(token) is None


async def test_a_revoked_session_stays_revoked_under_every_key(
    installation: Installation,
) -> None:
    old = await installation.sign_in("ada@example.org")
    installation.restart(SECOND, FIRST)
    found = await installation.live.resolve(old)
    assert found is not None
    assert found.renewed is not None
    await installation.live.revoke(found.principal, found.principal.credential_id)
    installation.restart(THIRD, SECOND, FIRST)
    for token in (old, found.renewed.token):
        assert await installation.live.resolve(token) is None
