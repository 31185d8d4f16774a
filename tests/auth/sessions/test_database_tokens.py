"""Random tokens, with their hash in the database."""

import hashlib

from sqlmodel import select

from chat_app.db.tables import AuthSession
from testing.auth_services import AuthHarness, renewal_of


async def test_only_the_hash_of_a_random_token_is_stored(database_harness: AuthHarness) -> None:
    issued = await database_harness.sign_in(await database_harness.person())
    async with database_harness.db.system("auth") as session:
        row = (await session.exec(select(AuthSession))).one()
    assert len(issued.token) == 43
    assert row.token_hash == hashlib.sha256(issued.token.encode()).hexdigest()


async def test_a_random_token_is_never_replaced_by_use(database_harness: AuthHarness) -> None:
    issued = await database_harness.sign_in(await database_harness.person())
    for _ in range(3):
        database_harness.time.passes(hours=1)
        assert await renewal_of(database_harness.sessions, issued.token) is None


async def test_a_random_token_without_its_row_does_not_resolve(
    database_harness: AuthHarness,
) -> None:
    issued = await database_harness.sign_in(await database_harness.person())
    await database_harness.lose_records()
    assert await database_harness.sessions.resolve(issued.token) is None
