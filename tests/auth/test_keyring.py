"""What is sealed is opened by the same installation, for the same purpose, unchanged, or not."""

import base64
import json
import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwe import JWERegistry, encrypt_compact
from joserfc.jwk import OctKey

from chat_app.core.keyring import DecryptionError, KeyRing, derive
from chat_app.settings import ConfigError, read_settings

FIRST, SECOND, THIRD = (f"{number}-the-tests-own-key-9c41e7d2b3a86f50" for number in (1, 2, 3))


def ring(*keys: str) -> KeyRing:
    return KeyRing(
        read_settings(_env_file=None, auth_secret=keys[0], auth_secret_previous=keys[1:])
    )


def header_of(sealed: str) -> dict[str, str]:
    part = sealed.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def opens(keys: KeyRing, sealed: str, purpose: str = "session") -> bool:
    try:
        keys.open(purpose, sealed)
    except DecryptionError:
        return False
    return True


def test_what_was_sealed_is_opened() -> None:
    content = secrets.token_bytes(300)
    sealed = ring(FIRST).seal("session", content)
    assert ring(FIRST).open("session", sealed) == content


def test_it_is_a_jwe_with_the_key_named_and_nothing_of_the_content_to_be_seen() -> None:
    sealed = ring(FIRST).seal("session", b"ada@example.org")
    header = header_of(sealed)
    assert len(header.pop("kid")) == 8
    assert header == {"alg": "dir", "enc": "A256CBC-HS512"}
    assert b"ada" not in base64.urlsafe_b64decode(sealed.split(".")[3] + "==")


def test_the_same_content_is_sealed_differently_each_time() -> None:
    keys = ring(FIRST)
    assert len({keys.seal("session", b"same") for _ in range(10)}) == 10


def test_what_is_sealed_for_one_purpose_does_not_open_for_another() -> None:
    keys = ring(FIRST)
    sealed = keys.seal("totp", b"secret")
    assert opens(keys, sealed, "totp")
    assert not opens(keys, sealed, "session")


def test_another_purposes_ciphertext_under_this_ones_header_does_not_open() -> None:
    keys = ring(FIRST)
    body = keys.seal("totp", b"secret").partition(".")[2]
    header = keys.seal("session", b"").partition(".")[0]
    assert not opens(keys, f"{header}.{body}")


def test_the_newest_key_seals_and_the_previous_ones_open() -> None:
    old = ring(FIRST).seal("session", b"old")
    rotated = ring(SECOND, FIRST)
    new = rotated.seal("session", b"new")
    assert rotated.open("session", old) == b"old"
    assert rotated.open("session", new) == b"new"
    assert not opens(ring(FIRST), new)
    assert opens(ring(THIRD, SECOND, FIRST), old)
    assert opens(ring(THIRD, SECOND, FIRST), new)


def test_what_an_old_key_sealed_dies_with_the_key() -> None:
    old = ring(FIRST).seal("session", b"old")
    assert not opens(ring(SECOND), old)


def test_what_an_old_key_sealed_asks_to_be_sealed_again() -> None:
    old = ring(FIRST).seal("totp", b"secret")
    rotated = ring(SECOND, FIRST)
    assert rotated.is_old("totp", old)
    assert not rotated.is_old("totp", rotated.seal("totp", b"secret"))
    assert not ring(FIRST).is_old("totp", old)


def _changed(sealed: str) -> list[str]:
    """One character of each part changed, in the middle, where no bit is padding."""
    parts = sealed.split(".")
    found = []
    for at, part in enumerate(parts):
        middle = len(part) // 2
        other = "A" if part[middle : middle + 1] != "A" else "B"
        bent = part[:middle] + other + part[middle + 1 :]
        found.append(".".join([*parts[:at], bent, *parts[at + 1 :]]))
    return found


def test_no_part_of_it_can_be_changed() -> None:
    keys = ring(FIRST)
    assert [opens(keys, bent) for bent in _changed(keys.seal("session", b"x" * 99))] == [False] * 5


@pytest.mark.parametrize(
    "junk", ["", ".", "....", "a.b.c.d.e", "\u00e9" * 9, "ey.ey.ey", "x" * 100_000, "\x00.\x00"]
)
def test_junk_opens_nothing(junk: str) -> None:
    keys = ring(FIRST)
    header = keys.seal("session", b"").partition(".")[0]
    for text in (junk, header + junk, f"{header}.{junk}", f"{header}..{junk}.{junk}.{junk}"):
        assert not opens(keys, text)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "dir", "enc": "A256GCM"},
        {"alg": "dir", "enc": "A256CBC-HS512", "zip": "DEF"},
        {"alg": "A256KW", "enc": "A256CBC-HS512"},
        {"alg": "dir", "enc": "A256CBC-HS512", "typ": "JWT"},
        {"enc": "A256CBC-HS512", "alg": "dir"},
    ],
)
def test_not_even_our_own_key_opens_another_form(header: dict[str, str]) -> None:
    keys = ring(FIRST)
    kid = header_of(keys.seal("session", b""))["kid"]
    size = 32 if header["alg"] == "A256KW" or header["enc"] == "A256GCM" else 64
    key = OctKey.import_key(derive(FIRST.encode(), "session")[:size])
    registry = JWERegistry(algorithms=[*header.values()], strict_check_header=False)
    forged = encrypt_compact({**header, "kid": kid}, b"admin", key, registry=registry)
    assert not opens(keys, forged)


def test_keys_are_derived_as_the_standard_says() -> None:
    for purpose in ("session", "totp"):
        standard = HKDF(SHA512(), 64, None, purpose.encode()).derive(FIRST.encode())
        assert derive(FIRST.encode(), purpose) == standard


def test_previous_keys_are_listed_with_commas_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTH_SECRET_PREVIOUS", f"{FIRST} , {SECOND},")
    settings = read_settings(_env_file=None, data_dir=tmp_path, auth_secret=THIRD)
    assert [one.get_secret_value() for one in settings.auth_secret_previous] == [FIRST, SECOND]
    assert FIRST not in repr(settings)


def test_a_previous_key_must_be_strong_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_SECRET_PREVIOUS", f"{FIRST},changeme")
    with pytest.raises(ConfigError, match="AUTH_SECRET_PREVIOUS") as refused:
        read_settings(_env_file=None)
    assert FIRST not in str(refused.value)
