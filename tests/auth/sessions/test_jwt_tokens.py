"""Encrypted JWTs: valid for a while without a row, unless denied."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from chat_app.auth.sessions.codecs import PURPOSE
from chat_app.core.crypto import KeyRing
from chat_app.core.errors import NotFound
from chat_app.db.tables import DeniedSession
from testing.auth_services import AuthHarness, renewal_of, settings_of

MINUTE = timedelta(minutes=1)


async def denials(harness: AuthHarness) -> int:
    async with harness.db.system("auth") as session:
        return len((await session.exec(select(DeniedSession))).all())


def claims_of(harness: AuthHarness, token: str) -> dict[str, object]:
    return json.loads(harness.keyring.decrypt(PURPOSE, token))


async def test_a_token_holds_the_claims_of_its_session(jwt_harness: AuthHarness) -> None:
    ada = await jwt_harness.person()
    issued = await jwt_harness.sign_in(ada, method="oauth", provider="acme")
    now = jwt_harness.time.now
    assert claims_of(jwt_harness, issued.token) == {
        "typ": "session",
        "aud": jwt_harness.settings.url,
        "sid": str(issued.session_id),
        "sub": str(ada),
        "iat": now.timestamp(),
        "exp": (now + 15 * MINUTE).timestamp(),
        "auth_time": now.timestamp(),
        "epoch": 0,
        "method": "oauth",
        "provider": "acme",
    }


async def test_a_token_is_valid_for_its_minutes_without_a_row(jwt_harness: AuthHarness) -> None:
    ada = await jwt_harness.person()
    issued = await jwt_harness.sign_in(ada)
    start = jwt_harness.time.now
    await jwt_harness.lose_records()
    jwt_harness.time.passes(minutes=15, seconds=-1)
    found = await jwt_harness.sessions.resolve(issued.token)
    assert found is not None
    assert (found.principal.user_id, found.principal.credential_id) == (ada, issued.session_id)
    assert (found.user.email, found.authenticated_at) == ("ada@example.org", start)
    assert found.renewed is None, "without a row, the lifetime is unknown"
    jwt_harness.time.passes(seconds=1)
    assert await jwt_harness.sessions.resolve(issued.token) is None


async def test_settings_decide_how_long_a_token_is_valid_without_a_row(
    open_jwt_harness: Any,
) -> None:
    async with open_jwt_harness(session_token_minutes=5) as harness:
        issued = await harness.sign_in(await harness.person())
        await harness.lose_records()
        harness.time.passes(minutes=5, seconds=-1)
        assert await harness.sessions.resolve(issued.token) is not None
        harness.time.passes(seconds=1)
        assert await harness.sessions.resolve(issued.token) is None


async def test_no_token_outlives_its_session(open_jwt_harness: Any) -> None:
    async with open_jwt_harness(session_max_hours=1) as harness:
        issued = await harness.sign_in(await harness.person())
        harness.time.passes(minutes=55)
        renewed = await renewal_of(harness.sessions, issued.token)
        assert renewed is not None
        await harness.lose_records()
        harness.time.passes(minutes=5)
        assert await harness.sessions.resolve(renewed.token) is None


async def test_a_token_from_the_future_is_not_valid_without_a_row(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    await jwt_harness.lose_records()
    jwt_harness.time.passes(hours=-1)
    assert await jwt_harness.sessions.resolve(issued.token) is None


async def test_a_token_is_renewed_when_five_minutes_old(
    jwt_harness: AuthHarness,
) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person(), remember=True)
    jwt_harness.time.passes(minutes=5, seconds=-1)
    assert await renewal_of(jwt_harness.sessions, issued.token) is None
    jwt_harness.time.passes(seconds=1)
    renewed = await renewal_of(jwt_harness.sessions, issued.token)
    assert renewed is not None
    assert (renewed.session_id, renewed.expires_at) == (issued.session_id, issued.expires_at)
    assert renewed.max_age == 30 * 24 * 3600 - 5 * 60
    said, now = claims_of(jwt_harness, renewed.token), jwt_harness.time.now
    assert (said["iat"], said["exp"]) == (now.timestamp(), (now + 15 * MINUTE).timestamp())
    assert said["auth_time"] == (now - 5 * MINUTE).timestamp(), "use makes nothing fresh"
    assert await renewal_of(jwt_harness.sessions, renewed.token) is None


async def test_a_renewed_cookie_still_ends_with_its_browser(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    jwt_harness.time.passes(minutes=6)
    renewed = await renewal_of(jwt_harness.sessions, issued.token)
    assert renewed is not None
    assert renewed.max_age is None


async def test_a_revoked_session_is_denied_even_when_its_row_is_lost(
    jwt_harness: AuthHarness,
) -> None:
    ada = await jwt_harness.person()
    gone, kept = await jwt_harness.sign_in(ada), await jwt_harness.sign_in(ada)
    await jwt_harness.sessions.revoke(await jwt_harness.principal_of(gone), gone.session_id)
    await jwt_harness.lose_records()
    assert await jwt_harness.sessions.resolve(gone.token) is None
    assert await jwt_harness.sessions.resolve(kept.token) is not None


async def test_all_sessions_but_the_kept_one_are_denied(jwt_harness: AuthHarness) -> None:
    ada = await jwt_harness.person()
    mine = [await jwt_harness.sign_in(ada) for _ in range(3)]
    await jwt_harness.sessions.revoke_user(ada, reason="password", keep=mine[1].session_id)
    await jwt_harness.lose_records()
    found = [await jwt_harness.sessions.resolve(one.token) is not None for one in mine]
    assert found == [False, True, False]


async def test_a_user_can_sign_out_when_the_rows_are_lost(jwt_harness: AuthHarness) -> None:
    ada = await jwt_harness.person()
    mine, other = await jwt_harness.sign_in(ada), await jwt_harness.sign_in(ada)
    me = await jwt_harness.principal_of(mine)
    await jwt_harness.lose_records()
    with pytest.raises(NotFound):
        await jwt_harness.sessions.revoke(me, other.session_id)
    await jwt_harness.sessions.revoke(me, mine.session_id)
    assert await jwt_harness.sessions.resolve(mine.token) is None
    assert jwt_harness.ended == [(mine.session_id, "signed_out")]
    assert await jwt_harness.sessions.resolve(other.token) is not None


@pytest.mark.parametrize("how", ["all ended", "disabled", "removed"])
async def test_a_disabled_user_is_refused_without_a_row(jwt_harness: AuthHarness, how: str) -> None:
    ada, bob = await jwt_harness.person(), await jwt_harness.person("bob@example.org")
    mine, theirs = await jwt_harness.sign_in(ada), await jwt_harness.sign_in(bob)
    await jwt_harness.lose_records()
    if how == "all ended":
        await jwt_harness.sessions.revoke_user(ada, reason="signed_out")
    elif how == "disabled":
        await jwt_harness.disable(ada)
    else:
        await jwt_harness.remove(ada)
    assert await jwt_harness.sessions.resolve(mine.token) is None
    assert await jwt_harness.sessions.resolve(theirs.token) is not None


async def test_an_unpublished_revocation_refuses_the_tokens_too(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    await jwt_harness.end_unheard(issued.session_id)
    assert await denials(jwt_harness) == 0
    assert await jwt_harness.sessions.resolve(issued.token) is None


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
async def test_a_token_with_a_wrong_claim_is_refused(
    jwt_harness: AuthHarness, wrong: dict[str, object]
) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    right = claims_of(jwt_harness, issued.token)
    assert await jwt_harness.sessions.resolve(
        jwt_harness.keyring.encrypt(PURPOSE, json.dumps(right).encode())
    )
    bent = jwt_harness.keyring.encrypt(PURPOSE, json.dumps({**right, **wrong}).encode())
    assert await jwt_harness.sessions.resolve(bent) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'"session"', b"{}", b"\xff", b"1"])
async def test_a_token_without_claims_is_refused(jwt_harness: AuthHarness, content: bytes) -> None:
    assert await jwt_harness.sessions.resolve(jwt_harness.keyring.encrypt(PURPOSE, content)) is None


async def test_a_token_encrypted_for_another_purpose_is_refused(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    content = jwt_harness.keyring.decrypt(PURPOSE, issued.token)
    for purpose in ("totp", "Session", "session "):
        assert (
            await jwt_harness.sessions.resolve(jwt_harness.keyring.encrypt(purpose, content))
            is None
        )


async def test_a_token_longer_than_a_cookie_is_not_decrypted(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    content = json.loads(jwt_harness.keyring.decrypt(PURPOSE, issued.token)) | {"more": "x" * 4_000}
    long = jwt_harness.keyring.encrypt(PURPOSE, json.dumps(content).encode())
    assert await jwt_harness.sessions.resolve(long) is None


async def test_the_token_of_another_installation_is_refused(jwt_harness: AuthHarness) -> None:
    issued = await jwt_harness.sign_in(await jwt_harness.person())
    others = KeyRing(
        settings_of(jwt_harness.settings.data_dir, auth_secret="5f0c2d71e94b8a36-0b7d9e2c41f86a35")
    )
    forged = others.encrypt(PURPOSE, jwt_harness.keyring.decrypt(PURPOSE, issued.token))
    assert await jwt_harness.sessions.resolve(forged) is None


async def test_a_random_token_is_refused(jwt_harness: AuthHarness) -> None:
    await jwt_harness.sign_in(await jwt_harness.person())
    assert await jwt_harness.sessions.resolve("a" * 43) is None


async def test_a_denial_is_purged_when_every_token_has_expired(jwt_harness: AuthHarness) -> None:
    ada = await jwt_harness.person()
    issued = await jwt_harness.sign_in(ada)
    until = (await jwt_harness.sessions.list(await jwt_harness.principal_of(issued)))[0].expires_at
    await jwt_harness.sessions.revoke_user(ada, reason="signed_out")
    await jwt_harness.sessions.expire_due()
    assert await denials(jwt_harness) == 1
    jwt_harness.time.now = until
    await jwt_harness.sessions.expire_due()
    assert await denials(jwt_harness) == 0


async def test_an_expired_session_needs_no_denial(jwt_harness: AuthHarness) -> None:
    await jwt_harness.sign_in(await jwt_harness.person())
    jwt_harness.time.passes(hours=12)
    assert await jwt_harness.sessions.expire_due() == 1
    assert await denials(jwt_harness) == 0
