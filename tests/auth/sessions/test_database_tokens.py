"""Random tokens, with their hash in the database."""

import hashlib

from sqlmodel import select

from chat_app.db.tables import AuthSession
from testing.auth_services import Stage, renewal_of


async def test_only_the_hash_of_a_random_token_is_stored(database_stage: Stage) -> None:
    issued = await database_stage.sign_in(await database_stage.person())
    async with database_stage.db.system("auth") as session:
        row = (await session.exec(select(AuthSession))).one()
    assert len(issued.token) == 43
    assert row.token_hash == hashlib.sha256(issued.token.encode()).hexdigest()


async def test_a_random_token_is_never_replaced_by_use(database_stage: Stage) -> None:
    issued = await database_stage.sign_in(await database_stage.person())
    for _ in range(3):
        database_stage.time.passes(hours=1)
        assert await renewal_of(database_stage.sessions, issued.token) is None


async def test_a_random_token_without_its_row_does_not_resolve(database_stage: Stage) -> None:
    issued = await database_stage.sign_in(await database_stage.person())
    await database_stage.lose_records()
    assert await database_stage.sessions.resolve(issued.token) is None
