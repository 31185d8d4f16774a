"""Tokens for AssistantCloud's client: what they prove, and what proves nothing."""

import base64
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from chat_app.auth.account.delete import delete_account
from chat_app.auth.cloud_tokens import AUDIENCE, LIFETIME, SCOPES, CloudTokens, is_cloud_token
from chat_app.auth.keys.models import NewKey
from chat_app.auth.keys.tokens import new_key
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.cache import CACHE_SECONDS
from chat_app.core.crypto import KeyRing
from testing.auth_services import AuthHarness, settings_of

PURPOSE = "cloud token"
OTHER = str(UUID(int=1))
OLD, NEW = (f"{name}-the-tests-own-key-9c41e7d2b3a86f50" for name in ("old", "new"))


def tokens_of(harness: AuthHarness, keyring: KeyRing | None = None) -> CloudTokens:
    keyring = keyring or harness.keyring
    return CloudTokens(keyring, harness.sessions, harness.api_keys, harness.time)


def ring(harness: AuthHarness, *secrets: str) -> KeyRing:
    """The keys of an installation with these secrets, the newest first."""
    newest, *previous = secrets
    folder = harness.settings.data_dir
    return KeyRing(settings_of(folder, auth_secret=newest, auth_secret_previous=previous))


@pytest.fixture
def tokens(harness: AuthHarness) -> CloudTokens:
    return tokens_of(harness)


@pytest.fixture
async def ada(harness: AuthHarness) -> Principal:
    return await harness.principal_of(await harness.sign_in(await harness.person()))


async def key_of(harness: AuthHarness, who: Principal, scopes: Sequence[str]) -> NewKey:
    return await harness.api_keys.create(who, name="Script", scopes=scopes, days=7)


def claims_of(token: str) -> dict[str, Any]:
    """What the client reads of a token."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(harness: AuthHarness, claims: Any, purpose: str = PURPOSE) -> str:
    """A token as this server would sign it."""
    return harness.keyring.sign(purpose, json.dumps(claims).encode())


async def test_a_token_stands_for_its_session(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    issued = tokens.issue(ada)
    assert is_cloud_token(issued.token)
    assert claims_of(issued.token) == {
        "aud": AUDIENCE,
        "sub": str(ada.user_id),
        "iat": int(harness.time().timestamp()),
        "exp": int(issued.expires_at.timestamp()),
        "sid": str(ada.credential_id),
    }
    found = await tokens.resolve(issued.token)
    assert found is not None
    who = found.principal
    assert (who.user_id, who.credential_id) == (ada.user_id, ada.credential_id)
    assert (who.scopes, who.by_cloud_token, found.expires_at) == (SCOPES, True, issued.expires_at)
    await harness.sessions.revoke(ada, ada.credential_id)
    assert await tokens.resolve(issued.token) is None


async def test_a_token_of_a_key_may_do_no_more_than_the_key(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    made = await key_of(harness, ada, ("models", "threads:read"))
    key = await harness.api_keys.resolve(made.token)
    assert key is not None
    token = tokens.issue(key.principal).token
    assert claims_of(token)["key"] == str(made.id)
    found = await tokens.resolve(token)
    assert found is not None
    assert (found.principal.credential_id, found.principal.scopes) == (made.id, {"threads:read"})
    assert found.principal.by_cloud_token
    await harness.api_keys.revoke(ada, made.id)
    assert await tokens.resolve(token) is None


async def test_a_token_expires_while_its_session_lives(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    issued = tokens.issue(ada)
    assert issued.expires_at == harness.time() + LIFETIME
    harness.time.now = issued.expires_at
    harness.time.passes(seconds=-1)
    assert await tokens.resolve(issued.token) is not None
    harness.time.passes(seconds=1)
    assert await tokens.resolve(issued.token) is None
    assert await tokens.resolve(tokens.issue(ada).token) is not None


async def test_a_token_needs_each_of_its_claims(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    wrong: dict[str, list[Any]] = {
        "aud": [None, "", "Cloud", "session", [AUDIENCE]],
        "sub": [None, "", OTHER],
        "exp": [None, "", "2100", [], {}, -1, 0, 1e300, float("nan")],
        "sid": [None, "", "x", 1, [], OTHER],
    }
    claims = claims_of(tokens.issue(ada).token)
    assert await tokens.resolve(signed(harness, claims)) is not None
    for name, values in wrong.items():
        for value in values:
            assert await tokens.resolve(signed(harness, {**claims, name: value})) is None, name
        less = {key: value for key, value in claims.items() if key != name}
        assert await tokens.resolve(signed(harness, less)) is None, name


async def test_a_session_is_no_key_and_a_key_no_session(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    made = await key_of(harness, ada, ("chat",))
    claims = claims_of(tokens.issue(ada).token)
    sid = claims.pop("sid")
    assert await tokens.resolve(signed(harness, {**claims, "key": sid})) is None
    assert await tokens.resolve(signed(harness, {**claims, "sid": str(made.id)})) is None
    assert await tokens.resolve(signed(harness, {**claims, "key": str(made.id)})) is not None


async def test_what_is_signed_for_another_purpose_is_no_token(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    token = tokens.issue(ada).token
    claims = claims_of(token)
    for purpose in ("session", "cloud", "Cloud token", "signature of cloud token"):
        other = signed(harness, claims, purpose)
        assert await tokens.resolve(other) is None
        header, rest = token.partition(".")[0], other.partition(".")[2]
        assert await tokens.resolve(f"{header}.{rest}") is None


async def test_the_claims_of_a_token_are_signed(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal
) -> None:
    eve = await harness.principal_of(await harness.sign_in(await harness.person("eve@example.org")))
    (header, claims, signature), others = (tokens.issue(who).token.split(".") for who in (ada, eve))
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for forged in (
        f"{header}.{others[1]}.{signature}",
        f"{header}.{claims}.{others[2]}",
        f"{header}.{claims}.",
        f"{unsigned}.{claims}.",
        f"{unsigned}.{claims}.{signature}",
        f"{header}.{claims}.{signature}é",
        f"{header}.{claims}.{signature}.",
        f"{header}.{claims}.{signature}{' ' * 1_024}",
        *("", ".", "..", new_key(), "\ud800.\ud800.\ud800"),
    ):
        assert await tokens.resolve(forged) is None
    for content in (b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff"):
        assert await tokens.resolve(harness.keyring.sign(PURPOSE, content)) is None


async def test_a_token_outlives_its_secret_while_that_is_a_previous_one(
    harness: AuthHarness, ada: Principal
) -> None:
    token = tokens_of(harness, ring(harness, OLD)).issue(ada).token
    rotated = tokens_of(harness, ring(harness, NEW, OLD))
    assert await rotated.resolve(token) is not None
    newer = rotated.issue(ada).token
    removed = tokens_of(harness, ring(harness, NEW))
    assert await removed.resolve(token) is None
    assert await removed.resolve(newer) is not None
    assert await tokens_of(harness, ring(harness, OLD)).resolve(newer) is None


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("ending", ["deleted", "removed", "disabled"])
async def test_a_token_ends_with_its_user(
    harness: AuthHarness, tokens: CloudTokens, ada: Principal, ending: str, by_key: bool
) -> None:
    who = ada
    if by_key:
        key = await harness.api_keys.resolve((await key_of(harness, ada, ("chat",))).token)
        assert key is not None
        who = key.principal
    token = tokens.issue(who).token
    assert await tokens.resolve(token) is not None
    if ending == "deleted":
        await delete_account(harness.db, harness.sessions, ada, "ada@example.org")
    else:  # by the row alone, so what is cached must pass
        await (harness.remove if ending == "removed" else harness.disable)(ada.user_id)
        harness.time.passes(seconds=CACHE_SECONDS)
    assert await tokens.resolve(token) is None
