"""What only random tokens do."""

import hashlib

from sqlmodel import select

from chat_app.db.tables import AuthSession
from testing.auth_services import Stage


async def test_only_the_hash_of_a_random_token_is_kept(plain: Stage) -> None:
    issued = await plain.sign_in(await plain.person())
    async with plain.db.system("auth") as session:
        row = (await session.exec(select(AuthSession))).one()
    assert len(issued.token) == 43
    assert row.token_hash == hashlib.sha256(issued.token.encode()).hexdigest()


async def test_a_random_token_is_never_replaced_by_use(plain: Stage) -> None:
    issued = await plain.sign_in(await plain.person())
    for _ in range(3):
        plain.time.passes(hours=1)
        assert await plain.sessions.touch(issued.token) is None


async def test_a_random_token_without_its_row_proves_nothing(plain: Stage) -> None:
    issued = await plain.sign_in(await plain.person())
    await plain.lose_records()
    assert await plain.sessions.resolve(issued.token) is None
