"""What only encrypted tokens do: prove themselves for a while, and die before that when denied."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from chat_app.auth.sessions.codecs import PURPOSE
from chat_app.core.errors import NotFound
from chat_app.core.keyring import KeyRing
from chat_app.db.tables import DeniedSession
from testing.auth_services import Stage, settings_of

MINUTE = timedelta(minutes=1)


async def denials(stage: Stage) -> int:
    async with stage.db.system("auth") as session:
        return len((await session.exec(select(DeniedSession))).all())


def said_in(stage: Stage, token: str) -> dict[str, object]:
    return json.loads(stage.keys.open(PURPOSE, token))


async def test_a_copy_says_who_until_when_and_for_whom(sealed: Stage) -> None:
    ada = await sealed.person()
    issued = await sealed.sign_in(ada, method="oauth", provider="acme")
    now = sealed.time.now
    assert said_in(sealed, issued.token) == {
        "typ": "session",
        "aud": sealed.settings.url,
        "sid": str(issued.session_id),
        "sub": str(ada),
        "iat": now.timestamp(),
        "exp": (now + 15 * MINUTE).timestamp(),
        "auth_time": now.timestamp(),
        "epoch": 0,
        "method": "oauth",
        "provider": "acme",
    }


async def test_a_copy_proves_itself_for_its_minutes_without_any_record(sealed: Stage) -> None:
    ada = await sealed.person()
    issued = await sealed.sign_in(ada)
    start = sealed.time.now
    await sealed.lose_records()
    sealed.time.passes(minutes=15, seconds=-1)
    found = await sealed.sessions.resolve(issued.token)
    assert found is not None
    assert (found.principal.user_id, found.principal.credential_id) == (ada, issued.session_id)
    assert (found.person.email, found.authenticated_at) == ("ada@example.org", start)
    assert found.renewed is None, "nobody knows any more whether it may go on"
    sealed.time.passes(seconds=1)
    assert await sealed.sessions.resolve(issued.token) is None


async def test_the_operator_decides_how_long_a_copy_proves_itself(sealed_with: Any) -> None:
    async with sealed_with(session_token_minutes=5) as stage:
        issued = await stage.sign_in(await stage.person())
        await stage.lose_records()
        stage.time.passes(minutes=5, seconds=-1)
        assert await stage.sessions.resolve(issued.token) is not None
        stage.time.passes(seconds=1)
        assert await stage.sessions.resolve(issued.token) is None


async def test_no_copy_outlives_its_session(sealed_with: Any) -> None:
    async with sealed_with(session_max_hours=1) as stage:
        issued = await stage.sign_in(await stage.person())
        stage.time.passes(minutes=55)
        renewed = await stage.sessions.touch(issued.token)
        await stage.lose_records()
        stage.time.passes(minutes=5)
        assert await stage.sessions.resolve(renewed.token) is None


async def test_a_copy_of_the_future_is_not_believed_by_itself(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    await sealed.lose_records()
    sealed.time.passes(hours=-1)
    assert await sealed.sessions.resolve(issued.token) is None


async def test_a_copy_is_renewed_when_five_minutes_old_and_then_as_young_as_new(
    sealed: Stage,
) -> None:
    issued = await sealed.sign_in(await sealed.person(), remember=True)
    sealed.time.passes(minutes=5, seconds=-1)
    assert await sealed.sessions.touch(issued.token) is None
    sealed.time.passes(seconds=1)
    renewed = await sealed.sessions.touch(issued.token)
    assert renewed is not None
    assert (renewed.session_id, renewed.expires_at) == (issued.session_id, issued.expires_at)
    assert renewed.max_age == 30 * 24 * 3600 - 5 * 60
    said, now = said_in(sealed, renewed.token), sealed.time.now
    assert (said["iat"], said["exp"]) == (now.timestamp(), (now + 15 * MINUTE).timestamp())
    assert said["auth_time"] == (now - 5 * MINUTE).timestamp(), "use makes nothing fresh"
    assert await sealed.sessions.touch(renewed.token) is None


async def test_a_renewed_cookie_still_ends_with_its_browser(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    sealed.time.passes(minutes=6)
    renewed = await sealed.sessions.touch(issued.token)
    assert renewed is not None
    assert renewed.max_age is None


async def test_a_session_that_ended_is_denied_even_when_its_record_is_lost(sealed: Stage) -> None:
    ada = await sealed.person()
    gone, kept = await sealed.sign_in(ada), await sealed.sign_in(ada)
    await sealed.sessions.revoke(await sealed.principal_of(gone), gone.session_id)
    await sealed.lose_records()
    assert await sealed.sessions.resolve(gone.token) is None
    assert await sealed.sessions.resolve(kept.token) is not None


async def test_all_sessions_but_the_kept_one_are_denied_one_by_one(sealed: Stage) -> None:
    ada = await sealed.person()
    mine = [await sealed.sign_in(ada) for _ in range(3)]
    await sealed.sessions.revoke_user(ada, reason="password", keep=mine[1].session_id)
    await sealed.lose_records()
    found = [await sealed.sessions.resolve(one.token) is not None for one in mine]
    assert found == [False, True, False]


async def test_everybody_can_still_sign_out_where_the_records_are_lost(sealed: Stage) -> None:
    ada = await sealed.person()
    mine, other = await sealed.sign_in(ada), await sealed.sign_in(ada)
    me = await sealed.principal_of(mine)
    await sealed.lose_records()
    with pytest.raises(NotFound):
        await sealed.sessions.revoke(me, other.session_id)
    await sealed.sessions.revoke(me, mine.session_id)
    assert await sealed.sessions.resolve(mine.token) is None
    assert sealed.ended == [(mine.session_id, "signed_out")]
    assert await sealed.sessions.resolve(other.token) is not None


@pytest.mark.parametrize("how", ["all ended", "disabled", "removed"])
async def test_a_person_who_is_shut_out_is_so_without_any_record(sealed: Stage, how: str) -> None:
    ada, bob = await sealed.person(), await sealed.person("bob@example.org")
    mine, theirs = await sealed.sign_in(ada), await sealed.sign_in(bob)
    await sealed.lose_records()
    if how == "all ended":
        await sealed.sessions.revoke_user(ada, reason="signed_out")
    elif how == "disabled":
        await sealed.disable(ada)
    else:
        await sealed.remove(ada)
    assert await sealed.sessions.resolve(mine.token) is None
    assert await sealed.sessions.resolve(theirs.token) is not None


async def test_a_record_that_ended_unheard_ends_its_copies_too(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    await sealed.end_unheard(issued.session_id)
    assert await denials(sealed) == 0
    assert await sealed.sessions.resolve(issued.token) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"typ": "challenge"},
        {"aud": "https://other.example"},
        {"sid": "x"},
        {"sub": None},
        {"exp": "later"},
        {"auth_time": 10**20},
        {"epoch": 1},
    ],
)
async def test_what_our_key_sealed_but_is_no_such_copy_proves_nothing(
    sealed: Stage, wrong: dict[str, object]
) -> None:
    issued = await sealed.sign_in(await sealed.person())
    right = said_in(sealed, issued.token)
    assert await sealed.sessions.resolve(sealed.keys.seal(PURPOSE, json.dumps(right).encode()))
    bent = sealed.keys.seal(PURPOSE, json.dumps({**right, **wrong}).encode())
    assert await sealed.sessions.resolve(bent) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'"session"', b"{}", b"\xff", b"1"])
async def test_what_our_key_sealed_but_says_nothing_proves_nothing(
    sealed: Stage, content: bytes
) -> None:
    assert await sealed.sessions.resolve(sealed.keys.seal(PURPOSE, content)) is None


async def test_a_sealed_token_of_another_kind_is_no_session(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    content = sealed.keys.open(PURPOSE, issued.token)
    for purpose in ("totp", "Session", "session "):
        assert await sealed.sessions.resolve(sealed.keys.seal(purpose, content)) is None


async def test_a_token_that_no_cookie_could_hold_is_not_even_opened(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    content = json.loads(sealed.keys.open(PURPOSE, issued.token)) | {"more": "x" * 4_000}
    long = sealed.keys.seal(PURPOSE, json.dumps(content).encode())
    assert await sealed.sessions.resolve(long) is None


async def test_another_installations_token_is_a_strangers(sealed: Stage) -> None:
    issued = await sealed.sign_in(await sealed.person())
    others = KeyRing(
        settings_of(sealed.settings.data_dir, auth_secret="5f0c2d71e94b8a36-0b7d9e2c41f86a35")
    )
    forged = others.seal(PURPOSE, sealed.keys.open(PURPOSE, issued.token))
    assert await sealed.sessions.resolve(forged) is None


async def test_a_random_token_of_the_other_strategy_is_refused(sealed: Stage) -> None:
    await sealed.sign_in(await sealed.person())
    assert await sealed.sessions.resolve("a" * 43) is None


async def test_a_denial_goes_when_no_copy_can_need_it(sealed: Stage) -> None:
    ada = await sealed.person()
    issued = await sealed.sign_in(ada)
    until = (await sealed.sessions.list(await sealed.principal_of(issued)))[0].expires_at
    await sealed.sessions.revoke_user(ada, reason="signed_out")
    await sealed.sessions.expire_due()
    assert await denials(sealed) == 1
    sealed.time.now = until
    await sealed.sessions.expire_due()
    assert await denials(sealed) == 0


async def test_what_expires_by_itself_needs_no_denial(sealed: Stage) -> None:
    await sealed.sign_in(await sealed.person())
    sealed.time.passes(hours=12)
    assert await sealed.sessions.expire_due() == 1
    assert await denials(sealed) == 0
